// What the commands do with the cells of a notebook.

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { IError } from '@jupyterlab/nbformat';
import { NotebookActions, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';

import { isPython } from './language.js';
import { PROMPT } from './marks.js';
import type { Quote } from './question.js';

/** Insert a code cell at the active one, and make it that; to `edit`, with a text to `select`. */
export function insertCell(
  notebook: Notebook,
  source: string,
  how: { above?: boolean; edit?: boolean; select?: string } = {}
): void {
  const index = how.above ? Math.max(0, notebook.activeCellIndex) : notebook.activeCellIndex + 1;
  notebook.model?.sharedModel.insertCell(index, { cell_type: 'code', source });
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  if (how.edit) {
    void edit(notebook, how.select ?? '');
  }
}

/** Let the reader write in the active cell, over the text `select` or at the end. */
async function edit(notebook: Notebook, select: string): Promise<void> {
  const cell = notebook.activeCell;
  await cell?.ready;
  // The palette, which may have been used, first gives the focus back to the cell as a whole.
  await new Promise(done => window.setTimeout(done));
  const editor = cell?.editor;
  if (!cell || !editor || notebook.activeCell !== cell) {
    return;
  }
  notebook.mode = 'edit';
  const { source } = cell.model.sharedModel;
  const end = select ? source.indexOf(select) + select.length : source.length;
  const from = editor.getPositionAt(end - select.length);
  const to = editor.getPositionAt(end);
  if (from && to) {
    editor.setSelection({ start: from, end: to });
  }
  editor.focus();
}

/** Run the active cell. */
export async function run({ content, sessionContext }: NotebookPanel): Promise<void> {
  await NotebookActions.run(content, sessionContext);
}

/** The text that is selected in the active cell, else all of the selected cells. */
export function quotes(notebook: Notebook): Quote[] {
  const { activeCell } = notebook;
  const selected = activeCell && selectedText(activeCell);
  if (selected) {
    return [{ text: selected, language: languageOf(activeCell) }];
  }
  return notebook.widgets
    .filter(cell => notebook.isSelectedOrActive(cell))
    .map(cell => ({ text: cell.model.sharedModel.source, language: languageOf(cell) }))
    .filter(({ text }) => text.trim() !== '');
}

function selectedText({ editor, model }: Cell): string {
  if (!editor) {
    return '';
  }
  const { start, end } = editor.getSelection();
  const places = [editor.getOffsetAt(start), editor.getOffsetAt(end)].sort((a, b) => a - b);
  return model.sharedModel.source.slice(...places);
}

function languageOf({ model }: Cell): string {
  const prompt = PROMPT.test(model.sharedModel.source);
  return model.type === 'code' && !prompt ? 'python' : model.type === 'markdown' ? 'markdown' : '';
}

/** Whether a cell shows an error, of this kind if one is named. */
export function failed(cell: Cell | null | undefined, kind = ''): boolean {
  if (cell?.model.type !== 'code') {
    return false;
  }
  const outputs = (cell as CodeCell).model.outputs.toJSON();
  return outputs.some(
    ({ output_type, ...output }) =>
      output_type === 'error' && (!kind || (output as unknown as IError).ename === kind)
  );
}

/** The Python code of the answer in the active cell, else of the closest one above that has any. */
export function codeOf({
  widgets,
  activeCellIndex
}: Notebook): { node: Node; code: string } | null {
  for (const { node } of widgets.slice(0, activeCellIndex + 1).reverse()) {
    const blocks = [...node.querySelectorAll('.glm-Answer > .glm-Body .glm-Code')]
      .filter(block => isPython(textIn(block, '.glm-Language')))
      .map(block => textIn(block, 'pre').trimEnd())
      .filter(Boolean);
    if (blocks.length) {
      return { node, code: blocks.join('\n\n') };
    }
  }
  return null;
}

function textIn(node: Element, selector: string): string {
  return node.querySelector(selector)?.textContent ?? '';
}

/**
 * Make the cell under a context menu the active one. JupyterLab means to, but 4.6 leaves it as it
 * was where the menu is that of an editor.
 */
export function followMenu(notebook: Notebook): void {
  const follow = ({ target }: Event) => {
    const index = notebook.widgets.findIndex(cell => cell.node.contains(target as Node));
    const cell = notebook.widgets.at(index);
    if (index >= 0 && cell && !notebook.isSelectedOrActive(cell)) {
      notebook.deselectAll();
      notebook.activeCellIndex = index;
    }
  };
  notebook.node.addEventListener('contextmenu', follow, { capture: true });
}
