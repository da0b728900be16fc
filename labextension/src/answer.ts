// The view of one answer in a cell's output.

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';

import { Body } from './body.js';
import { Calls } from './calls.js';
import { loadImage } from './clean.js';
import type { Context } from './context.js';
import {
  answerOf,
  isRunning,
  NOTHING,
  shownOf,
  wholeSeconds,
  withoutKernel,
  type AnswerData,
  type Shown
} from './data.js';
import { element, write } from './dom.js';
import { copy, Footer } from './footer.js';
import { asCell } from './language.js';
import { isWeb } from './links.js';
import { Media } from './media.js';
import { MIME } from './notebooks.js';
import { Reveal } from './reveal.js';
import type { Choices } from './settings.js';
import type { Live, Streams } from './stream.js';

// How long an unfinished answer may wait for its kernel's word before it counts as broken off.
const PATIENCE = 3000;

/** Draws answers, live or saved. The same view takes each newer state of its answer. */
export class AnswerView extends Widget implements IRenderMime.IRenderer {
  constructor(
    options: IRenderMime.IRendererOptions,
    private readonly _streams: Streams,
    private readonly _context: Context
  ) {
    super();
    const tools = {
      markdownParser: options.markdownParser ?? null,
      sanitizer: options.sanitizer,
      latexTypesetter: options.latexTypesetter,
      trans: _context.trans
    };
    this.addClass('jp-RenderedHTMLCommon');
    this.addClass('glm-Answer');
    this.node.dataset.mimeType = options.mimeType;
    this._text = new Body(tools, () => {
      this._drawn();
    });
    this._reasoning = new Body(tools);
    this._media = new Media(options.resolver, _context.trans);
    this._footer = new Footer(_context.trans, this._media.caption);
    this._summary.addEventListener('click', () => {
      this._foldTouched = true;
    });
    this._fold.append(this._summary, this._reasoning.node);
    this._fold.addEventListener('toggle', () => {
      this._showReasoning();
    });
    this._fold.hidden = true;
    this.node.append(
      this._fold,
      this._calls.node,
      this._text.node,
      this._media.node,
      this._ending,
      this._sources,
      this._footer.node,
      this._voice
    );
    this._voice.setAttribute('role', 'status');
    this._setPace();
    _context.settings.changed.connect((_, before) => {
      this._chosen(before);
    }, this);
    this.node.addEventListener('click', event => {
      this._clicked(event);
    });
  }

  /** Take the answer's state from the notebook; while it streams, the stream knows better. */
  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = answerOf(model.data[MIME]);
    if (this._data?.id !== data.id) {
      this._leave();
    }
    this._data ??= data;
    const markdown = model.data['text/markdown'];
    const shown = shownOf(data, typeof markdown === 'string' ? markdown : (data.text ?? ''));
    if (!isRunning(data)) {
      this._leave();
      this._media.show(data.media ?? [], model.data, data.words?.media);
      this._update(data, shown, true);
    } else if (!this._live) {
      this._update(data, shown, false);
      this._follow(data.id);
    }
    return Promise.resolve();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._leave();
      window.clearInterval(this._tick);
      this._reveal.stop();
      this._text.dispose();
      this._reasoning.dispose();
      super.dispose();
    }
  }

  /** Show the answer as the reader wants it from now on. */
  private _chosen(before: Choices): void {
    this._setPace();
    if (this._context.settings.choices.reasoning !== before.reasoning) {
      this._foldTouched = false;
    }
    this._paint();
  }

  private _setPace(): void {
    this._text.calm = this._reasoning.calm = this._context.settings.choices.pace === 'calm';
  }

  /** Follow the answer's stream, or wait for a while whether there is one. */
  private _follow(id: string): void {
    const join = (live: Live) => {
      this._leave();
      this._live = live;
      this._unwatch = live.watch(() => {
        this._streamed(live);
      });
      this._streamed(live);
    };
    const live = this._streams.get(id);
    if (live) {
      join(live);
    } else if (!this._unwatch) {
      const unexpect = this._streams.expect(id, join);
      const timer = window.setTimeout(() => {
        if (this._data) {
          this._update(withoutKernel(this._data, this._context.trans), this._shown, true);
        }
      }, PATIENCE);
      this._unwatch = () => {
        unexpect();
        window.clearTimeout(timer);
      };
    }
  }

  private _leave(): void {
    this._unwatch?.();
    this._unwatch = null;
    this._live = null;
  }

  private _streamed(live: Live): void {
    this._update(live.data, live.shown, live.over);
    if (live.over) {
      this._leave();
    }
  }

  private _update(data: AnswerData, shown: Shown, over: boolean): void {
    this._data = data;
    this._shown = shown;
    this._over = over;
    const flowing = !over && this._live !== null;
    const smooth = this._context.settings.choices.pace === 'smooth';
    this._reveal.to(shown.text.markdown.length, flowing && smooth);
    this._paint();
  }

  /** Bring everything but the flowing text up to date. */
  private _paint(): void {
    const data = this._data;
    if (!data || this.isDisposed) {
      return;
    }
    const running = !this._over;
    const thinking = running && this._shown.text.markdown === '';
    this.node.dataset.state = !running ? 'done' : thinking ? 'thinking' : 'writing';
    this.node.ariaBusy = String(running);
    this._paintReasoning(data, thinking);
    this._calls.show(data.tool_calls, data.words?.calls);
    this._countSeconds(thinking);
    const lack = running ? '' : (data.words?.ending ?? '');
    write(this._ending, lack);
    this._ending.hidden = lack === '';
    this._paintSources(data);
    const waiting = thinking && this._fold.hidden && data.tool_calls.length === 0;
    const since = this._live && waiting ? wholeSeconds(this._live.seconds) : '';
    const prices = this._context.settings.choices.priceLine;
    this._footer.show(data, this._copied(data), this._live, { since, prices });
    this._speak(running, lack);
  }

  /** A structured answer is copied as the JSON that it is. */
  private _copied(data: AnswerData): string {
    return data.structured ? (data.text ?? '') : this._shown.text.markdown;
  }

  /** Paint again each second while the reader waits, for a text or for its thoughts. */
  private _countSeconds(waiting: boolean): void {
    window.clearInterval(this._tick);
    this._tick = undefined;
    if (this._live && waiting) {
      this._tick = window.setInterval(() => {
        this._paint();
      }, 1000);
    }
  }

  private _paintReasoning(data: AnswerData, thinking: boolean): void {
    this._fold.hidden = this._shown.reasoning.markdown === '';
    if (this._fold.hidden) {
      return;
    }
    const { reasoning } = this._context.settings.choices;
    const open = reasoning === 'thinking' ? thinking : reasoning === 'open';
    if (!this._foldTouched && this._fold.hasAttribute('open') !== open) {
      this._fold.toggleAttribute('open', open);
    }
    const since = this._live && thinking ? ` ${wholeSeconds(this._live.seconds)}` : '';
    write(this._summary, (data.words?.thought ?? this._context.trans.__('Thought')) + since);
    this._showReasoning();
  }

  /** What is folded away is not drawn. */
  private _showReasoning(): void {
    if (this._fold.hasAttribute('open')) {
      const box = this._reasoning.node;
      const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
      const growing = this.node.dataset.state === 'thinking';
      this._reasoning.show(this._shown.reasoning, growing);
      if (growing && atEnd) {
        requestAnimationFrame(() => {
          box.scrollTop = box.scrollHeight;
        });
      }
    }
  }

  private _paintSources(data: AnswerData): void {
    if (data.sources.length === this._sources.childElementCount) {
      return;
    }
    this._sources.replaceChildren(
      ...data.sources.map(({ title, link = '' }) => {
        if (!isWeb(link)) {
          return element('li', '', title || this._context.trans.__('untitled'));
        }
        const anchor = element('a', '', title || link) as HTMLAnchorElement;
        anchor.href = link;
        anchor.target = '_blank';
        anchor.rel = 'noopener noreferrer';
        return element('li', '', anchor);
      })
    );
  }

  /** Tell a screen reader that the answer begins and that it ends, and nothing in between. */
  private _speak(running: boolean, lack: string): void {
    const { trans } = this._context;
    if (running && this._live) {
      write(this._voice, trans.__('The answer is being written.'));
    } else if (!running && this._voice.textContent) {
      write(this._voice, lack || trans.__('The answer is complete.'));
    }
  }

  private _drawn(): void {
    this.node.dataset.drawn = '';
  }

  private _clicked(event: Event): void {
    const control = (event.target as Element).closest<HTMLElement>('button');
    if (control?.classList.contains('glm-Image')) {
      loadImage(control);
      return;
    }
    const frame = control?.closest('.glm-Code');
    const code = frame?.querySelector('pre')?.textContent ?? '';
    if (control?.classList.contains('glm-insert')) {
      const language = frame?.querySelector('.glm-Language')?.textContent ?? '';
      const source = asCell(language, code.replace(/\n$/, ''));
      void this._context.notebooks.insertBelow(this.node, source);
    } else if (control?.classList.contains('glm-copy-code')) {
      void copy(control, code, this._context.trans);
    }
  }

  private readonly _text: Body;
  private readonly _reasoning: Body;
  private readonly _media: Media;
  private readonly _calls = new Calls();
  private readonly _fold = element('details', 'glm-Reasoning');
  private readonly _summary = element('summary');
  private readonly _ending = element('p', 'glm-Ending');
  private readonly _sources = element('ol', 'glm-Sources');
  private readonly _footer: Footer;
  private readonly _voice = element('span', 'glm-Voice');
  private readonly _reveal = new Reveal(place => {
    this._text.show(this._shown.text, !this._over, place);
  });
  private _data: AnswerData | null = null;
  private _shown: Shown = { text: NOTHING, reasoning: NOTHING };
  private _live: Live | null = null;
  private _unwatch: (() => void) | null = null;
  private _over = false;
  private _foldTouched = false;
  private _tick: number | undefined;
}
