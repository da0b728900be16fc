// Puts marks in the place of a block's formulas, so that no markdown parser can misread them.

export interface Formula {
  /** What is to be typeset; null where that must not be. */
  tex: string | null;
  /** The formula as it stands, dollars included. */
  source: string;
  display: boolean;
}

// A formula's mark is its number between two characters of the private use area.
const MARK_OPEN = '\uE000';
const MARK_CLOSE = '\uE001';
const MARK = /\uE000(\d+)\uE001/;
const ENCODED = /%EE%80%80(\d+)%EE%80%81/gi; // as in an address

// In the markdown that the kernel makes, dollars stand around formulas, and in code.
const FORMULA = /\$\$((?:\\[\s\S]|[^$\\])+)\$\$|\$((?:\\[\s\S]|[^$\\])+)\$/g;
const CODE = /^(`{3,}|~{3,})/;

// The kernel lets none of these through, but a notebook's file can be written by anybody: links,
// styles and markup, and definitions, which would outlive the formula.
const ACTING = new RegExp(
  String.raw`\\(?:href|url|style|class|css\w*|html\w*|data\w*|mmlToken|unicode|bbox|special|` +
    String.raw`includegraphics|tooltip|mathtip|texttip|toggle|input|include|write|immediate|` +
    String.raw`[egx]?def|let|futurelet|global|(?:re)?newcommand|providecommand|` +
    String.raw`(?:re)?newenvironment|Declare\w*|Newextarrow|(?:end)?csname|catcode|require)(?![a-zA-Z])`
);

// Groups within one another: with more than twice as many the browser's own layout gives up.
const MOST_NESTED = 50;

/** The block's markdown with marks for formulas, and these. */
export function setAside(block: string): { markdown: string; formulas: Formula[] } {
  const formulas: Formula[] = [];
  const text = block.replaceAll(MARK_OPEN, '\uFFFD').replaceAll(MARK_CLOSE, '\uFFFD');
  if (CODE.test(text)) {
    return { markdown: text, formulas };
  }
  const markdown = text.replace(FORMULA, (source: string, displayed?: string, inline?: string) => {
    const display = displayed !== undefined;
    const tex = (displayed ?? inline ?? '').trim();
    formulas.push({
      tex: ACTING.test(tex) || depth(tex) > MOST_NESTED ? null : tex,
      source,
      display
    });
    return `${MARK_OPEN}${formulas.length - 1}${MARK_CLOSE}`;
  });
  return { markdown, formulas };
}

/** How many groups are within one another, at the deepest place. */
function depth(tex: string): number {
  let now = 0;
  let most = 0;
  for (const [token] of tex.matchAll(/\\[\s\S]|[{}]/g)) {
    now += token === '{' ? 1 : token === '}' ? -1 : 0;
    most = Math.max(most, now);
  }
  return most;
}

/** `text` in parts, with what `show` makes of the formulas that its marks stand for. */
export function replaceMarks<Part>(
  text: string,
  formulas: Formula[],
  show: (formula: Formula) => Part
): (string | Part)[] {
  // Splitting by an expression with one group gives text and group in turn.
  return text.split(MARK).map((part, index) => {
    const formula = index % 2 ? formulas.at(Number(part)) : undefined;
    return formula ? show(formula) : part;
  });
}

/** `text` with formulas as they are written; marks in an address may be percent-encoded. */
export function asWritten(text: string, formulas: Formula[]): string {
  const plain = text.replace(ENCODED, (mark: string, index: string) =>
    Number(index) < formulas.length ? MARK_OPEN + index + MARK_CLOSE : mark
  );
  return replaceMarks(plain, formulas, ({ source }) => source).join('');
}
