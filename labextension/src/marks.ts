// The colours of a prompt's first line, {{ values }} and formulas, which markdown would take for
// headings, lists and links.

import {
  Decoration,
  MatchDecorator,
  ViewPlugin,
  type DecorationSet,
  type EditorView,
  type ViewUpdate
} from '@codemirror/view';

export const PROMPT = /^%%glm(\s|$)/;

const CLASSES: Record<string, string> = {
  '%': 'glm-Options',
  '{': 'glm-Value',
  '\\': 'glm-Formula'
};

const marks = new MatchDecorator({
  regexp: /^%%glm.*|\{\{.*?\}\}|\\\(.*?\\\)|\\\[.*?\\\]/g,
  decoration: ([found]) => Decoration.mark({ class: CLASSES[found[0]] })
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
