// The colours of {{ values }} and of formulas in a prompt, which markdown would take for links.

import {
  Decoration,
  MatchDecorator,
  ViewPlugin,
  type DecorationSet,
  type EditorView,
  type ViewUpdate
} from '@codemirror/view';

export const PROMPT = /^%%glm(\s|$)/;

const marks = new MatchDecorator({
  regexp: /\{\{.*?\}\}|\\\(.*?\\\)|\\\[.*?\\\]/g,
  decoration: ([found]) =>
    Decoration.mark({ class: found.startsWith('{') ? 'glm-Value' : 'glm-Formula' })
});

class Marks {
  decorations: DecorationSet;

  constructor(view: EditorView) {
    this.decorations = isPrompt(view) ? marks.createDeco(view) : Decoration.none;
  }

  update(update: ViewUpdate): void {
    if (!isPrompt(update.view)) {
      this.decorations = Decoration.none;
    } else if (this.decorations.size === 0) {
      this.decorations = marks.createDeco(update.view);
    } else {
      this.decorations = marks.updateDeco(update, this.decorations);
    }
  }
}

function isPrompt(view: EditorView): boolean {
  return PROMPT.test(view.state.doc.line(1).text);
}

/** For the editor of any code cell: it acts while the cell is a prompt. */
export const promptMarks = ViewPlugin.fromClass(Marks, { decorations: view => view.decorations });
