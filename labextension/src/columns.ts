// The answers of several models side by side, each drawn as an answer of its own.

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel, Widget } from '@lumino/widgets';

import { AnswerView } from './answer.js';
import type { Context } from './context.js';
import {
  answerOf,
  isRunning,
  list,
  record,
  shownOf,
  withoutKernel,
  type AnswerData
} from './data.js';
import { element } from './dom.js';
import { MIME } from './notebooks.js';
import { Live, Streams } from './stream.js';

export const COLUMNS_MIME = 'application/vnd.glm-jupyter.answers+json';

// The kernel publishes the answers every 5 s at least while they grow.
const PATIENCE = 15_000;

/** Draws the answers of a comparison; they grow with each newer state that the kernel publishes. */
export class ColumnsView extends Panel implements IRenderMime.IRenderer {
  constructor(
    private readonly _options: IRenderMime.IRendererOptions,
    private readonly _context: Context
  ) {
    super();
    this.addClass('glm-Columns');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const answers = list(record(model.data[COLUMNS_MIME]).answers).map(answerOf);
    const markdown = model.data['text/markdown'];
    const text = typeof markdown === 'string' ? markdown : '';
    window.clearTimeout(this._timer);
    if (answers.some(isRunning)) {
      this._timer = window.setTimeout(() => {
        this._giveUp();
      }, PATIENCE);
    }
    for (const [index, data] of answers.entries()) {
      this._follow(data, text);
      const part = { [MIME]: data, 'text/markdown': text } as unknown;
      const view = this._view(index, data.model);
      await view.renderModel({ ...PLAIN, data: part as IRenderMime.IMimeModel['data'] });
    }
  }

  override dispose(): void {
    window.clearTimeout(this._timer);
    super.dispose();
  }

  /** Let a view follow its answer as one that streams, with a Stop of its own. */
  private _follow(data: AnswerData, markdown: string): void {
    const live = this._streams.get(data.id);
    const shown = shownOf(data, markdown);
    if (live) {
      live.data = data;
      live.shown = shown;
      live.over = !isRunning(data);
      live.changed();
      if (live.over) {
        this._streams.remove(live);
      }
    } else if (isRunning(data)) {
      const place = { cell: null, display: '', request: null };
      const interrupt = () => {
        this._context.notebooks.interrupt(this.node);
      };
      this._streams.add(new Live(data, shown, place, interrupt));
    }
    this._answers.set(data.id, data);
  }

  private _giveUp(): void {
    for (const [id, data] of this._answers) {
      const live = this._streams.get(id);
      if (live) {
        live.data = withoutKernel(data, this._context.trans);
        live.over = true;
        live.changed();
        this._streams.remove(live);
      }
    }
  }

  private _view(index: number, model: string): AnswerView {
    let view = this._views[index];
    if (!view) {
      view = new AnswerView({ ...this._options, mimeType: MIME }, this._streams, this._context);
      this._views.push(view);
      const column = new Panel();
      column.addClass('glm-Column');
      column.node.setAttribute('role', 'group');
      column.node.ariaLabel = model;
      column.addWidget(new Widget({ node: element('div', 'glm-Model', model) }));
      column.addWidget(view);
      this.addWidget(column);
    }
    return view;
  }

  private readonly _streams = new Streams();
  private readonly _answers = new Map<string, AnswerData>();
  private readonly _views: AnswerView[] = [];
  private _timer: number | undefined;
}

/** What a model of a part has besides its data. */
const PLAIN = {
  trusted: false,
  metadata: {},
  setData: () => {
    // nothing is written back
  }
};
