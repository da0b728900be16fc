// Splits a growing markdown text into blocks that can each be drawn once and for all.

import { closesFence, scan } from './math.js';

const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/;
const INNER_FENCE = /^[\s>]*(?:(?:[-*+]|\d{1,9}[.)])\s+)*(`{3,}(?=[^`]*$)|~{3,})/;
const HEADING = /^ {0,3}#{1,6}(\s|$)/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const ITEM = /^ {0,3}(?:[-*+]|(\d{1,9})[.)])(\s|$)/;
const HTML = /^ {0,3}<(details|table|div|pre|blockquote|ul|ol|center|section|article)\b/i;
const INDENTED = /^(?: {2,}|\t)/;

// A list may be long; past this length its next top-level item begins a block of its own.
const LONG_LIST = 2000;
// An HTML element that is still open after this length is not waited for any longer.
const LONG_HTML = 8000;

/** Takes text piece by piece; whatever the pieces, the blocks are the same. */
export class Splitter {
  /** Take more text and return the blocks that it completes. */
  append(text: string): string[] {
    this._line += text;
    const lines = this._line.split('\n');
    this._line = lines.pop() ?? '';
    for (const line of lines) {
      this._take(line);
    }
    return this._closed.splice(0);
  }

  /** There is no more text: return what is left, completed. */
  end(): string[] {
    if (this._line) {
      this._take(this._line);
      this._line = '';
    }
    this._close();
    return this._closed.splice(0);
  }

  /** What no block has yet. */
  get tail(): string {
    return this._block + this._line;
  }

  private _take(line: string): void {
    if (this._fence && this._quoted && !/^\s*>/.test(line)) {
      this._fence = null; // a quotation that ends, ends the code in it
    }
    if (this._fence) {
      this._add(line);
      if (closesFence(line, this._fence)) {
        this._fence = null;
        this._settled = this._block.length;
        if (this._kind !== 'list') {
          this._close();
        }
      }
    } else if (this._insideMath) {
      this._add(line);
      this._settle();
    } else if (line.trim() === '') {
      this._blank(line);
    } else {
      this._begin(line);
      this._add(line);
      this._fence = (this._kind === 'html' ? FENCE : INNER_FENCE).exec(line)?.[1] ?? null;
      this._quoted = /^\s*>/.test(line);
      if (!this._fence) {
        this._settle();
      }
      if (this._kind === 'line' && !this._insideMath) {
        this._close();
      }
    }
  }

  private _blank(line: string): void {
    if (this._kind === 'list' || (this._kind === 'html' && !this._htmlDone())) {
      this._add(line);
      this._afterBlank = true;
    } else {
      this._close();
    }
  }

  /** Decide whether `line` goes on with the open block, and close that where it does not. */
  private _begin(line: string): void {
    const item = ITEM.exec(line);
    if (this._kind === 'html') {
      return;
    }
    if (this._kind === 'list') {
      const goesOn = item || INDENTED.test(line) || (!this._afterBlank && !interrupts(line));
      if (goesOn && !(item && this._block.length > LONG_LIST)) {
        this._afterBlank = false;
        return;
      }
      this._close();
    } else if (this._kind === 'prose') {
      if (UNDERLINE.test(line)) {
        this._kind = 'line';
        return;
      }
      if (!interrupts(line) && !(item && (item[1] ?? '1') === '1')) {
        return;
      }
      this._close();
    }
    if (item && !RULE.test(line)) {
      this._kind = 'list';
    } else if (HEADING.test(line) || RULE.test(line)) {
      this._kind = 'line';
    } else {
      this._kind = HTML.test(line) ? 'html' : 'prose';
    }
  }

  private _add(line: string): void {
    this._block += line + '\n';
  }

  private _htmlDone(): boolean {
    const name = HTML.exec(this._block)?.[1] ?? '';
    return (
      this._block.length > LONG_HTML ||
      this._block.toLowerCase().includes(`</${name.toLowerCase()}`)
    );
  }

  /** See whether the block, from where that was last certain, ends inside of a formula. */
  private _settle(): void {
    const last = scan(this._block.slice(this._settled)).at(-1);
    this._insideMath = last?.kind === 'math' && last.open === true && last.display === true;
    if (!this._insideMath) {
      this._settled = this._block.length;
    }
  }

  private _close(): void {
    if (this._block.trim()) {
      this._closed.push(this._block);
    }
    this._block = '';
    this._kind = null;
    this._fence = null;
    this._afterBlank = false;
    this._insideMath = false;
    this._settled = 0;
  }

  private _closed: string[] = [];
  private _block = ''; // whole lines of the open block
  private _line = ''; // the last line, not yet ended
  private _kind: 'prose' | 'list' | 'line' | 'html' | null = null;
  private _fence: string | null = null;
  private _quoted = false; // the fence is inside of a quotation
  private _afterBlank = false;
  private _insideMath = false;
  private _settled = 0;
}

/** The parts of a tail that is a code block, so that it can grow without being parsed. */
export function openCode(tail: string): { info: string; code: string } | null {
  const fence = FENCE.exec(tail.split('\n', 1)[0]);
  const firstLine = tail.indexOf('\n');
  if (!fence || firstLine < 0) {
    return null;
  }
  const info = tail.slice(fence[0].length, firstLine).trim();
  // A last line of fence characters only is the end of the block on its way.
  const code = tail.slice(firstLine + 1).replace(new RegExp(`(^|\\n)${fence[1][0]}+$`), '$1');
  return { info, code: code.replace(/\n$/, '') };
}

/** Complete the markup that a growing text has left open, so that it does not flicker. */
export function mend(tail: string): string {
  const text = tail.replace(/\\$/, '');
  const plain = scan(text)
    .map(piece => (piece.kind === 'text' ? piece.text : ''))
    .join('');
  const paragraph = plain.slice(plain.lastIndexOf('\n\n') + 1);
  if ((paragraph.match(/\*\*/g)?.length ?? 0) % 2 === 0) {
    return /[^*\n]\*$/.test(text) ? text.slice(0, -1) : text;
  }
  return /\*\*\s*$/.test(text) ? text.replace(/\*\*\s*$/, '') : text.trimEnd() + '**';
}

function interrupts(line: string): boolean {
  return HEADING.test(line) || RULE.test(line) || FENCE.test(line);
}
