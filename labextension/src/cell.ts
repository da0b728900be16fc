// Cells that begin with %%glm hold prose: they are highlighted as markdown with mathematics, and
// their lines are wrapped.

import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { PROMPT, promptMarks } from './marks.js';

const MARKDOWN = 'text/x-ipythongfm';

/** Keep the looks of all code cells of `panel` in step with their first lines. */
export function showPrompts(panel: NotebookPanel): void {
  const seen = new WeakSet<Cell>();
  const wrapped = new WeakSet<Cell>();
  const update = (cell: Cell) => {
    highlight(panel, cell);
    // Not at once: an editor that is just telling of a change cannot be changed itself.
    queueMicrotask(() => {
      wrap(panel, cell, wrapped);
    });
  };
  const all = () => {
    for (const cell of panel.content.widgets) {
      if (cell.model.type !== 'code') {
        continue;
      }
      if (!seen.has(cell)) {
        seen.add(cell);
        void cell.ready.then(() => {
          mark(cell);
        });
        cell.model.sharedModel.changed.connect(() => {
          update(cell);
        });
        // The notebook sets the language of all cells when its kernel tells what it speaks.
        cell.model.mimeTypeChanged.connect(() => {
          update(cell);
        });
      }
      update(cell);
    }
  };
  panel.content.modelContentChanged.connect(all);
  void panel.revealed.then(all);
}

/** Colour values and formulas; only editors of JupyterLab's own kind take an extension. */
function mark(cell: Cell): void {
  const editor = cell.editor as { injectExtension?: (extension: unknown) => void } | null;
  editor?.injectExtension?.(promptMarks);
}

function highlight(panel: NotebookPanel, cell: Cell): void {
  const language = panel.content.codeMimetype;
  const wanted = isPrompt(cell) ? MARKDOWN : language;
  const { mimeType } = cell.model;
  if (mimeType !== wanted && (wanted === MARKDOWN || mimeType === MARKDOWN)) {
    cell.model.mimeType = wanted;
  }
}

/** Wrap a prompt's lines. `wrapped` knows the cells that must get the user's setting back. */
function wrap(panel: NotebookPanel, cell: Cell, wrapped: WeakSet<Cell>): void {
  if (cell.isDisposed) {
    return;
  }
  if (isPrompt(cell)) {
    wrapped.add(cell);
    setWrap(cell, true);
  } else if (wrapped.delete(cell)) {
    setWrap(cell, panel.content.editorConfig.code.lineWrap);
  }
}

function setWrap(cell: Cell, lineWrap: unknown): void {
  if (cell.editorConfig.lineWrap !== lineWrap) {
    cell.updateEditorConfig({ lineWrap });
  }
}

function isPrompt(cell: Cell): boolean {
  return PROMPT.test(cell.model.sharedModel.source);
}
