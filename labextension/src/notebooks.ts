// Answers and the notebook's cells: where an answer is shown, kept, and put to use.

import type { CodeCell } from '@jupyterlab/cells';
import type { ICell, IOutput } from '@jupyterlab/nbformat';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';
import type { JSONArray, JSONObject } from '@lumino/coreutils';

import { isRunning, type AnswerData, type Shown as Texts } from './data.js';
import { interrupt } from './interrupt.js';
import type { Live, Notebooks, Place } from './stream.js';

export const MIME = 'application/vnd.glm-jupyter.answer+json';

// How long what another page writes into a shared notebook may take to come here.
const SHARED_SECONDS = 3;

interface Shown {
  outputs: IOutputAreaModel;
  index: number;
  data: AnswerData;
}

/** What a shared notebook knows of the pages that have it open. */
interface Shared {
  awareness: { clientID: number; getStates: () => Map<number, { user?: unknown }> };
}

/** The open notebooks, as the streams and the answers see them. */
export class OpenNotebooks implements Notebooks {
  /** `mayInsert` asks the reader about code, where that is wanted. */
  constructor(
    private readonly _tracker: INotebookTracker,
    private readonly _mayInsert: (code: string) => Promise<boolean>
  ) {}

  began(kernelId: string, live: Live): void {
    const shared = this._cell(kernelId, live.place)?.[0].content.model?.collaborative;
    if (!shared && !this._find(kernelId, live.data.id).length) {
      this._adopt(kernelId, live.place, bundle(live.data, live.shown));
    }
  }

  isFinal(kernelId: string, id: string): boolean {
    const found = this._find(kernelId, id);
    return found.length > 0 && !found.some(({ data }) => isRunning(data));
  }

  finish(
    kernelId: string,
    id: string,
    place: Place,
    bundle: Record<string, unknown>
  ): Promise<void> {
    return this._write(kernelId, place, () => {
      const found = this._find(kernelId, id);
      if (!found.length) {
        this._adopt(kernelId, place, bundle);
      }
      replace(found, bundle);
    });
  }

  /** Until the kernel's own comes, this is what readers elsewhere get. */
  keep(kernelId: string, live: Live): void {
    const kept = bundle(live.data, live.shown);
    void this._write(kernelId, live.place, () => {
      replace(this._find(kernelId, live.data.id), kept);
    });
  }

  above(kernelId: string, cell: string): JSONArray | null {
    for (const panel of this._panels(kernelId)) {
      const cells = [...(panel.content.model?.cells ?? [])];
      const end = cells.findIndex(({ id }) => id === cell);
      if (end >= 0) {
        return cells.slice(0, end).map(each => lean(each.toJSON()));
      }
    }
    return null;
  }

  unfinished(kernelId: string): string[] {
    return [...this._shown(kernelId)]
      .filter(({ data }) => isRunning(data))
      .map(({ data }) => data.id);
  }

  /** Put `code` into a new cell below the one that holds `node`, and what `node` gave before. */
  async insertBelow(node: Node, code: string): Promise<void> {
    if (!(await this._mayInsert(code))) {
      return;
    }
    const panel = this._tracker.find(({ content }) => content.node.contains(node));
    const cells = panel?.content.widgets ?? [];
    const own = cells.findIndex(cell => cell.node.contains(node));
    if (panel && own >= 0) {
      const last = cells.findIndex(({ model }) => model.id === this._inserted.get(node));
      const index = Math.max(own, last) + 1;
      panel.content.model?.sharedModel.insertCell(index, { cell_type: 'code', source: code });
      panel.content.activeCellIndex = index;
      this._inserted.set(node, panel.content.widgets[index].model.id);
    }
  }

  /** Interrupt the kernel of the notebook that holds `node`. */
  interrupt(node: Node): void {
    const panel = this._tracker.find(({ content }) => content.node.contains(node));
    const kernel = panel?.sessionContext.session?.kernel;
    if (kernel) {
      interrupt(kernel);
    }
  }

  /**
   * Write into the notebook; into one that several pages share, one page only, or what is written
   * would stand there once for each. That is the page that has run the cell. It may have gone: one
   * after the other, those that are left look whether it has written, and write where it has not.
   */
  private async _write(kernelId: string, place: Place, write: () => void): Promise<void> {
    const [panel, cell] = this._cell(kernelId, place) ?? [];
    if (panel?.content.model?.collaborative && !(cell && runsHere(cell, place.request))) {
      const turn = (pagesBefore(panel) + 1) * SHARED_SECONDS * 1000;
      await new Promise(resolve => setTimeout(resolve, turn));
    }
    write();
  }

  /**
   * Show an answer in a cell that another page had run, or this page before it was reloaded:
   * its display messages go to the page that asked for them only.
   */
  private _adopt(kernelId: string, place: Place, data: Record<string, unknown>): void {
    const [panel, cell] = this._cell(kernelId, place) ?? [];
    if (!panel || !cell || runsHere(cell, place.request)) {
      return;
    }
    const adopted = this._adopted.get(panel) ?? new Set();
    this._adopted.set(panel, adopted);
    const { outputs } = cell.model;
    if (!adopted.has(place.request)) {
      adopted.add(place.request);
      outputs.clear(); // they are of an earlier run
    }
    outputs.add(display(data));
  }

  private _cell(kernelId: string, place: Place): [NotebookPanel, CodeCell] | undefined {
    return [...this._cells(kernelId)].find(([, { model }]) => model.id === place.cell);
  }

  /** All places of an answer: its cell may have been copied. */
  private _find(kernelId: string, id: string): Shown[] {
    return [...this._shown(kernelId)].filter(({ data }) => data.id === id);
  }

  private *_shown(kernelId: string): Iterable<Shown> {
    for (const [, { model }] of this._cells(kernelId)) {
      for (let index = 0; index < model.outputs.length; index++) {
        const data = model.outputs.get(index).data[MIME] as AnswerData | undefined;
        if (data) {
          yield { outputs: model.outputs, index, data };
        }
      }
    }
  }

  private *_cells(kernelId: string): Iterable<[NotebookPanel, CodeCell]> {
    for (const panel of this._panels(kernelId)) {
      for (const cell of panel.content.widgets) {
        if (cell.model.type === 'code') {
          yield [panel, cell as CodeCell];
        }
      }
    }
  }

  private _panels(kernelId: string): NotebookPanel[] {
    const panels: NotebookPanel[] = [];
    this._tracker.forEach(panel => panels.push(panel));
    return panels.filter(({ sessionContext }) => sessionContext.session?.kernel?.id === kernelId);
  }

  private readonly _adopted = new WeakMap<NotebookPanel, Set<string | null>>();
  private readonly _inserted = new WeakMap<Node, string>(); // the last cell that each gave
}

/** A cell with its texts only: pictures and other bytes stay here. */
function lean(cell: ICell): JSONObject {
  const { cell_type, source, outputs } = cell;
  const texts = ((outputs ?? []) as IOutput[]).map(output => {
    const data = output.data as Record<string, unknown> | undefined;
    if (!data) {
      return output;
    }
    const kept = Object.entries(data).map(([type, value]) =>
      type.startsWith('text/') ? [type, value] : [type, '']
    );
    return { ...output, data: Object.fromEntries(kept) as Record<string, unknown> };
  });
  return { cell_type, source, outputs: texts } as JSONObject;
}

/** How many pages come before this one, by their numbers, among those that share the notebook. */
function pagesBefore(panel: NotebookPanel): number {
  const { awareness } = panel.content.model?.sharedModel as unknown as Shared;
  const pages = [...awareness.getStates()].filter(([, { user }]) => user);
  return pages.filter(([client]) => client < awareness.clientID).length;
}

function runsHere(cell: CodeCell, request: string | null): boolean {
  // The future is missing, whatever its type says, where nothing has been run.
  const future = cell.outputArea.future as CodeCell['outputArea']['future'] | undefined;
  return future?.msg.header.msg_id === request;
}

/** A growing answer as far as it has come; its markdown stands for what the model sent. */
function bundle(data: AnswerData, { text, reasoning }: Texts): Record<string, unknown> {
  const parts = [reasoning, text].filter(({ markdown }) => markdown);
  const after = reasoning.markdown && text.markdown ? reasoning.markdown.length + 2 : 0;
  return {
    [MIME]: {
      ...data,
      text: text.markdown,
      reasoning: reasoning.markdown,
      blocks: { reasoning: reasoning.blocks, text: text.blocks.map(place => place + after) }
    },
    'text/markdown': parts.map(({ markdown }) => markdown).join('\n\n'),
    'text/plain': parts.map(({ markdown }) => markdown).join('\n\n')
  };
}

/** Put another state of an answer where it is not final yet. */
function replace(found: Shown[], data: Record<string, unknown>): void {
  for (const { outputs, index } of found.filter(({ data }) => isRunning(data))) {
    outputs.set(index, display(data));
  }
}

function display(data: Record<string, unknown>): IOutput {
  return { output_type: 'display_data', data, metadata: {} } as unknown as IOutput;
}
