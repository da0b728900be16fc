// A button under the error of the cell that failed last: that is the error that can be explained.

import type { Cell, CodeCell } from '@jupyterlab/cells';
import { NotebookActions, type Notebook } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

import { failed } from './cells.js';
import { button } from './dom.js';

// Commands of ours say themselves what went wrong, and there is nothing to explain of an interrupt.
const OURS = /^%%?glm(\s|$)/;

/** Offer to `explain` the error of a cell, in notebooks where that `can` be done. */
export function offerExplanations(
  can: (notebook: Notebook) => boolean,
  explain: () => void,
  trans: TranslationBundle
): void {
  const offered = new WeakMap<Notebook, HTMLElement>();
  NotebookActions.executed.connect((_, { notebook, cell, success }) => {
    if (cell.model.type !== 'code' || success) {
      return;
    }
    const ours = OURS.test(cell.model.sharedModel.source.trimStart());
    if (ours || !failed(cell) || failed(cell, 'KeyboardInterrupt') || !can(notebook)) {
      return;
    }
    offered.get(notebook)?.remove();
    const offer = button(
      'glm-explain',
      trans.__('Explain This Error'),
      trans.__('Run %glm explain in a cell below'),
      () => {
        notebook.activeCellIndex = notebook.widgets.indexOf(cell);
        explain();
      }
    );
    offered.set(notebook, offer);
    place(cell, offer);
  });
}

/** Put the offer under the error; it goes with the output. */
function place(cell: Cell, offer: HTMLElement): void {
  const { model, widgets } = (cell as CodeCell).outputArea;
  const error = widgets.findLast((_, index) => model.get(index).type === 'error');
  error?.node.querySelector('.jp-OutputArea-output')?.append(offer);
}
