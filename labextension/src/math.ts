// Finds mathematics and code in a model's markdown: a state machine over the text.

import { typesettable } from './tex.js';

export interface Piece {
  kind: 'text' | 'code' | 'math';
  /** The source as it stands; of mathematics only what is between the delimiters. */
  text: string;
  display?: boolean;
  /** The formula as it stands, delimiters included. */
  source?: string;
  /** The text ends before this piece does. */
  open?: boolean;
}

export interface Formula {
  /** What is to be typeset; null where that must not be. */
  tex: string | null;
  source: string;
  display: boolean;
  open: boolean;
}

export interface Prepared {
  /** Markdown in which each formula is a mark, so that no parser can misread it. */
  markdown: string;
  formulas: Formula[];
}

// A formula's mark is its number between two characters of the private use area.
export const MARK_OPEN = '\uE000';
export const MARK_CLOSE = '\uE001';
export const MARK = /\uE000(\d+)\uE001/g;

// Longer than any formula; what is left open further than this is not one.
const LONGEST = 8000;

const ENVIRONMENTS =
  /^\\begin\{((?:equation|align|gather|multline|flalign|alignat|eqnarray|aligned|gathered|split|cases|[pbBvV]?matrix|array|CD)\*?)\}/;
const FENCE = /^(`{3,}|~{3,})/;
const BEFORE_FENCE = /^[\s>]*(?:(?:[-*+]|\d{1,9}[.)])\s+)*$/;

// What stands in prose between a price and the next dollar, and what only in mathematics.
const WORD = /(?<![\\A-Za-z{])[A-Za-z]{2,}|[，。；：、！？]/;
const OPERATOR = /[\\^_=<>+*/|−×≤≥∈→]/;

/** Split markdown into text, code and mathematics. */
export function scan(source: string): Piece[] {
  const pieces: Piece[] = [];
  let text = 0; // where the text not yet in a piece begins
  let at = 0;
  const take = (piece: Piece, end: number) => {
    if (at > text) {
      pieces.push({ kind: 'text', text: source.slice(text, at) });
    }
    pieces.push(piece);
    at = text = end;
  };
  while (at < source.length) {
    const char = source[at];
    if (char === '\\') {
      const math = backslashMath(source, at);
      if (math) {
        take(math.piece, math.end);
      } else {
        at += 2;
      }
    } else if (char === '$') {
      const math = dollarMath(source, at);
      if (math) {
        take(math.piece, math.end);
      } else {
        at += source[at + 1] === '$' ? 2 : 1;
      }
    } else if (char === '`' || char === '~') {
      const code = codeAt(source, at);
      if (code.piece) {
        take(code.piece, code.end);
      } else {
        at = code.end;
      }
    } else {
      at += 1;
    }
  }
  at = Math.min(at, source.length);
  if (at > text) {
    pieces.push({ kind: 'text', text: source.slice(text) });
  }
  return pieces;
}

/** Put marks in the place of formulas. An open formula counts while the text still grows. */
export function prepare(source: string, growing = false): Prepared {
  const formulas: Formula[] = [];
  let markdown = '';
  const pieces = scan(source.replaceAll(MARK_OPEN, '\uFFFD').replaceAll(MARK_CLOSE, '\uFFFD'));
  for (const piece of pieces) {
    if (piece.kind === 'math' && (growing || !piece.open)) {
      const quoted = /^[ \t]*>/.test(markdown.slice(markdown.lastIndexOf('\n') + 1));
      markdown += MARK_OPEN + String(formulas.length) + MARK_CLOSE;
      const { text, source: written = text, display = false, open = false } = piece;
      const body = (quoted ? text.replace(/\n(?:[ \t]*>)+/g, '\n') : text).trim();
      formulas.push({ tex: typesettable(body, display), source: written, display, open });
    } else {
      markdown += piece.source ?? piece.text;
    }
  }
  return { markdown, formulas };
}

/** Markdown whose formulas every notebook typesets: `$` and `$$` as the only delimiters. */
export function portable(source: string): string {
  return scan(source)
    .map(piece => {
      if (piece.kind !== 'math' || piece.open) {
        return piece.source ?? piece.text;
      }
      const tex = piece.text.trim().replace(/\n\s*\n/g, '\n');
      return piece.display ? `\n$$\n${tex}\n$$\n` : `$${tex.replace(/\s*\n\s*/g, ' ')}$`;
    })
    .join('');
}

interface Found {
  piece: Piece;
  end: number;
}

function backslashMath(source: string, at: number): Found | null {
  const environment = ENVIRONMENTS.exec(source.slice(at, at + 30));
  if (environment) {
    const end = source.indexOf(`\\end{${environment[1]}}`, at);
    if (end < 0 || end - at > LONGEST) {
      return unclosed(source, at, at, true);
    }
    const after = end + environment[1].length + 6;
    const whole = source.slice(at, after);
    return math(whole, whole, true, after);
  }
  // Some models escape the backslash of the delimiter once more.
  const slashes = source[at + 1] === '\\' ? 2 : 1;
  const opening = source[at + slashes];
  if (opening !== '(' && opening !== '[') {
    return null;
  }
  const display = opening === '[';
  const close = '\\'.repeat(slashes) + (display ? ']' : ')');
  const start = at + slashes + 1;
  const end = closing(source, start, close);
  if (end < 0) {
    return slashes === 1 ? unclosed(source, at, start, display) : null;
  }
  const body = source.slice(start, end);
  if (body.trim() === '' || (!display && hasBlankLine(body))) {
    return null;
  }
  return math(source.slice(at, end + close.length), body, display, end + close.length);
}

function dollarMath(source: string, at: number): Found | null {
  const display = source[at + 1] === '$';
  const close = display ? '$$' : '$';
  const start = at + close.length;
  const end = closing(source, start, close);
  if (display) {
    if (end < 0) {
      return unclosed(source, at, start, true);
    }
    const body = source.slice(start, end);
    return body.trim() ? math(source.slice(at, end + 2), body, true, end + 2) : null;
  }
  if (end < 0) {
    const rest = source.slice(start);
    return /^[^\s\d$]/.test(rest) && !rest.includes('\n')
      ? unclosed(source, at, start, false)
      : null;
  }
  const body = source.slice(start, end);
  return !hasBlankLine(body) && isFormula(body, source[end + 1] ?? '')
    ? math(source.slice(at, end + 1), body, false, end + 1)
    : null;
}

/** Whether what stands between two dollars, with `after` behind them, is mathematics. */
function isFormula(body: string, after: string): boolean {
  if (!body.trim() || /^[)\]},;:!?，。；：）、]/.test(body)) {
    return false;
  }
  const spaces = Number(/^\s/.test(body)) + Number(/\s$/.test(body));
  if (spaces) {
    return spaces === 2 && (!/\s/.test(body.trim()) || OPERATOR.test(body));
  }
  return !/\d/.test(after) && !(/^\d/.test(body) && WORD.test(body) && !OPERATOR.test(body));
}

/** Where `close` stands outside of braces, or -1. A backslash hides the character after it. */
function closing(source: string, start: number, close: string): number {
  const limit = Math.min(source.length, start + LONGEST);
  let depth = 0;
  let fallback = -1; // braces may be unbalanced; then the first match counts
  for (let i = start; i < limit; i++) {
    if (source.startsWith(close, i)) {
      if (depth <= 0) {
        return i;
      }
      if (fallback < 0) {
        fallback = i;
      }
    }
    if (source[i] === '\\') {
      i += 1;
    } else if (source[i] === '{') {
      depth += 1;
    } else if (source[i] === '}') {
      depth -= 1;
    } else if (source[i] === '\n' && fallback >= 0 && /^\s*\n/.test(source.slice(i + 1, i + 80))) {
      return fallback;
    }
  }
  return fallback;
}

function unclosed(source: string, at: number, start: number, display: boolean): Found | null {
  const whole = source.slice(at);
  if (whole.length > LONGEST || (!display && hasBlankLine(whole))) {
    return null;
  }
  const text = source.slice(start);
  return { piece: { kind: 'math', text, display, source: whole, open: true }, end: source.length };
}

function math(source: string, text: string, display: boolean, end: number): Found {
  return { piece: { kind: 'math', text, display, source }, end };
}

function codeAt(source: string, at: number): { piece?: Piece; end: number } {
  const lineStart = source.lastIndexOf('\n', at - 1) + 1;
  const fence = FENCE.exec(source.slice(at, at + 200));
  if (fence && BEFORE_FENCE.test(source.slice(lineStart, at))) {
    const end = fenceEnd(source, at, fence[1]);
    const piece: Piece = { kind: 'code', text: source.slice(at, end.at), open: !end.closed };
    return { piece, end: end.at };
  }
  let run = 0;
  while (source[at + run] === '`') {
    run += 1;
  }
  if (run === 0) {
    return { end: at + 1 };
  }
  const blank = /\n[ \t]*\n/g;
  blank.lastIndex = at;
  const limit = blank.exec(source)?.index ?? source.length;
  for (let i = at + run; i < limit;) {
    if (source[i] !== '`') {
      i += 1;
      continue;
    }
    let length = 0;
    while (source[i + length] === '`') {
      length += 1;
    }
    i += length;
    if (length === run) {
      return { piece: { kind: 'code', text: source.slice(at, i) }, end: i };
    }
  }
  return { end: at + run };
}

function fenceEnd(source: string, at: number, fence: string): { at: number; closed: boolean } {
  let line = source.indexOf('\n', at);
  while (line >= 0) {
    const next = source.indexOf('\n', line + 1);
    const text = source.slice(line + 1, next < 0 ? source.length : next);
    if (closesFence(text, fence)) {
      return { at: next < 0 ? source.length : next, closed: true };
    }
    line = next;
  }
  return { at: source.length, closed: false };
}

/** Whether `line` ends a code block that was opened by `fence`. */
export function closesFence(line: string, fence: string): boolean {
  const bare = line.replace(/^[\s>]*/, '').trimEnd();
  return bare.length >= fence.length && bare === fence[0].repeat(bare.length);
}

function hasBlankLine(text: string): boolean {
  return /\n[ \t]*\n/.test(text);
}
