// The last line of an answer: what it took, and what can be done with it.

import type { TranslationBundle } from '@jupyterlab/translation';

import type { AnswerData } from './data.js';
import { button, element, write } from './dom.js';
import type { Live } from './stream.js';

/** Model, tokens, price and time, with the details on demand; Stop while the answer streams. */
export class Footer {
  readonly node = element('div', 'glm-Footer');

  /** `lead` comes before the line. */
  constructor(trans: TranslationBundle, lead: HTMLElement) {
    this._stop = button(
      'glm-stop',
      trans.__('Stop'),
      trans.__('Stop here and keep what has come'),
      () => {
        this._live?.interrupt();
      }
    );
    this._copy = button(
      'glm-copy',
      trans.__('Copy'),
      trans.__('Copy the answer as markdown'),
      () => {
        void copy(this._copy, this._markdown, trans);
      }
    );
    this._more = button(
      'glm-more',
      trans.__('Details'),
      trans.__('Tokens, times and request id'),
      () => {
        this._toggle();
      }
    );
    this._stop.hidden = true;
    this._more.ariaExpanded = 'false';
    this._table.hidden = true;
    this.node.append(
      element('div', 'glm-Line', lead, this._line, this._stop, this._copy, this._more),
      this._table
    );
  }

  /**
   * Say what is known of the answer; `markdown` is what Copy copies, `since` how long it has been
   * waited for. What a finished answer took is said if the reader `prices` it.
   */
  show(
    data: AnswerData,
    markdown: string,
    live: Live | null,
    { since, prices }: { since: string; prices: boolean }
  ): void {
    this._data = data;
    this._markdown = markdown;
    this._live = live;
    this._stop.hidden = live === null;
    this._more.hidden = live !== null || !data.words;
    // A line of the markdown says it where the kernel has told no words.
    this._line.hidden = live === null && !prices;
    write(this._line, [data.words?.line ?? '', ...(since ? [since] : [])].join(' '));
    this._copy.hidden = markdown === '';
    this._fill();
  }

  private _toggle(): void {
    this._table.hidden = !this._table.hidden;
    this._more.ariaExpanded = String(!this._table.hidden);
    this._fill();
  }

  private _fill(): void {
    const rows = this._data?.words?.details ?? [];
    const said = JSON.stringify(rows);
    if (!this._table.hidden && said !== this._said) {
      this._said = said;
      this._table.replaceChildren(
        ...rows.flatMap(([name, value]) => [element('dt', '', name), element('dd', '', value)])
      );
    }
  }

  private readonly _line = element('span', 'glm-Summary');
  private readonly _stop: HTMLButtonElement;
  private readonly _copy: HTMLButtonElement;
  private readonly _more: HTMLButtonElement;
  private readonly _table = element('dl', 'glm-Details');
  private _data: AnswerData | null = null;
  private _markdown = '';
  private _live: Live | null = null;
  private _said = '';
}

/** Copy `text` and say so on `control`. */
export async function copy(
  control: HTMLElement,
  text: string,
  trans: TranslationBundle
): Promise<void> {
  const label = control.textContent;
  try {
    await navigator.clipboard.writeText(text);
    control.textContent = trans.__('Copied');
  } catch {
    control.textContent = trans.__('Not allowed');
  }
  window.setTimeout(() => {
    control.textContent = label;
  }, 1500);
}
