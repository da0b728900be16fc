// Cells that begin with %%glm hold prose: they are highlighted as markdown with mathematics.

import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

const PROMPT = /^%%glm(\s|$)/;
const MARKDOWN = 'text/x-ipythongfm';

/** Keep the highlighting of all code cells of `panel` in step with their first lines. */
export function highlightPrompts(panel: NotebookPanel): void {
  const seen = new WeakSet<Cell>();
  const all = () => {
    for (const cell of panel.content.widgets) {
      if (!seen.has(cell) && cell.model.type === 'code') {
        seen.add(cell);
        cell.model.sharedModel.changed.connect(() => {
          highlight(panel, cell);
        });
        // The notebook sets the language of all cells when its kernel tells what it speaks.
        cell.model.mimeTypeChanged.connect(() => {
          highlight(panel, cell);
        });
      }
      highlight(panel, cell);
    }
  };
  panel.content.modelContentChanged.connect(all);
  void panel.revealed.then(all);
}

function highlight(panel: NotebookPanel, cell: Cell): void {
  if (cell.model.type !== 'code') {
    return;
  }
  const { sharedModel } = cell.model;
  const language = panel.content.codeMimetype;
  const wanted = PROMPT.test(sharedModel.source) ? MARKDOWN : language;
  const { mimeType } = cell.model;
  if (mimeType !== wanted && (wanted === MARKDOWN || mimeType === MARKDOWN)) {
    cell.model.mimeType = wanted;
  }
}
