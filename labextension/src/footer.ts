// The last line of an answer: what it took, and what can be done with it.

import { button, element } from './dom.js';
import { details, summary, type AnswerData } from './format.js';
import { portable } from './math.js';
import type { Live } from './stream.js';

/** Model, tokens, price and time, with the details on demand; Stop while the answer streams. */
export class Footer {
  readonly node = element('footer', 'glm-Footer');

  constructor() {
    this._stop.hidden = true;
    this._more.ariaExpanded = 'false';
    this._table.hidden = true;
    this.node.append(
      element('div', 'glm-Line', this._line, this._stop, this._copy, this._more),
      this._table
    );
  }

  show(data: AnswerData, live: Live | null): void {
    this._data = data;
    this._live = live;
    this._stop.hidden = live === null;
    this._more.hidden = live !== null;
    const text = (live ? [data.model] : summary(data)).join(' · ');
    if (this._line.textContent !== text) {
      this._line.textContent = text;
      this._fill();
    }
  }

  private _toggle(): void {
    this._table.hidden = !this._table.hidden;
    this._more.ariaExpanded = String(!this._table.hidden);
    this._fill();
  }

  private _fill(): void {
    if (this._data && !this._table.hidden) {
      this._table.replaceChildren(
        ...details(this._data).flatMap(([name, value]) => [
          element('dt', '', name),
          element('dd', '', value)
        ])
      );
    }
  }

  private readonly _line = element('span', 'glm-Summary');
  private readonly _stop = button('glm-stop', 'Stop', 'Stop here and keep what has come', () => {
    this._live?.interrupt();
  });
  private readonly _copy = button('glm-copy', 'Copy', 'Copy the answer as markdown', () => {
    const { text = '', value_markdown: value } = this._data ?? {};
    void copy(this._copy, value === undefined ? portable(text) : text); // JSON is no markdown
  });
  private readonly _more = button('glm-more', 'Details', 'Tokens, times and request id', () => {
    this._toggle();
  });
  private readonly _table = element('dl', 'glm-Details');
  private _data: AnswerData | null = null;
  private _live: Live | null = null;
}

/** Copy `text` and say so on `control`. */
export async function copy(control: HTMLElement, text: string): Promise<void> {
  const label = control.textContent;
  try {
    await navigator.clipboard.writeText(text);
    control.textContent = 'Copied';
  } catch {
    control.textContent = 'Not allowed';
  }
  window.setTimeout(() => {
    control.textContent = label;
  }, 1500);
}
