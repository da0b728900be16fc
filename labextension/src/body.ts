// Draws a growing markdown text block by block: a finished block once, the open tail at a pace.

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';

import { nodesOf, withoutDiagrams } from './clean.js';
import { cut, weight } from './cut.js';
import { NOTHING, type Marked } from './data.js';
import { button, element } from './dom.js';
import { setAside } from './formulas.js';
import { canBeCell } from './language.js';
import { morph } from './morph.js';
import { slices } from './slices.js';
import { Formulas } from './typeset.js';

export interface Tools {
  markdownParser: IRenderMime.IMarkdownParser | null;
  sanitizer: IRenderMime.ISanitizer;
  latexTypesetter: IRenderMime.ILatexTypesetter | null;
  trans: TranslationBundle;
}

// What grows is drawn anew at most so often (milliseconds), more seldom the longer the text, since
// any change then costs the page more; and it takes at most an eighth of the time.
const SHORTEST_PAUSE = 60;
const LONGEST_PAUSE = 160;
const LONG_TEXT = 20000;
const PASS_SHARE = 8;

// Blocks of a section are laid out together, where one of them is seen.
const SECTION = 16;

// Every change costs the page a frame, seen or not. While the tail is out of sight, or the reader
// wants it calm, what comes is gathered for so long.
const GATHERED_PAUSE = 2000;

// Colouring code longer than this would hold up the page.
const LONGEST_COLOURED = 20000;

// A block that is code and nothing else, as the kernel writes it.
const CODE = /^(`{3,})(\S*)\n([\s\S]*?)\n?\1\s*$/;

interface Block {
  source: string;
  node: HTMLElement;
  closed: boolean;
  drawn: boolean;
  visible: boolean;
  shown: number; // how much of its text, while it flows
}

/** A text in `node`, as far as it has come. */
export class Body {
  readonly node = element('div', 'glm-Body');
  /** Draw what grows only every two seconds. */
  calm = false;

  /** `settled` is called when all that there is has been drawn and typeset. */
  constructor(
    private readonly _tools: Tools,
    private readonly _settled: () => void = () => undefined
  ) {
    this._formulas = new Formulas(_tools.latexTypesetter, () => {
      this._check();
    });
    this._observer = new IntersectionObserver(
      entries => {
        this._seen(entries);
      },
      { rootMargin: '300px 0px' }
    );
  }

  /**
   * Show `text` up to a place in its markdown; while `growing`, more of it may follow. What is
   * shown already is kept.
   */
  show(text: Marked, growing: boolean, upTo = text.markdown.length): void {
    this._target = { text, growing, upTo };
    if (growing && this._gathers()) {
      this._later ??= window.setTimeout(() => {
        this._advance();
      }, GATHERED_PAUSE);
    } else {
      this._advance();
    }
  }

  dispose(): void {
    this._disposed = true;
    window.clearTimeout(this._later);
    window.clearTimeout(this._passTimer);
    this._observer.disconnect();
    this._formulas.dispose();
    this._blocks.length = 0;
    this._undrawn.clear();
  }

  /** Whether a change waits for more of them: nobody sees it, or the reader wants few. */
  private _gathers(): boolean {
    return this._away || (this.calm && this._blocks.length > 0);
  }

  private _advance(): void {
    window.clearTimeout(this._later);
    this._later = undefined;
    const { text, growing, upTo } = this._target;
    const { markdown, blocks } = text;
    this._growing = growing;
    let number = 0;
    let tail: Block | null = null;
    while (number + 1 < blocks.length && (number === 0 || blocks[number] < upTo)) {
      const [start, end] = blocks.slice(number, number + 2);
      const source = markdown.slice(start, end);
      const block = this._blocks.at(number) ?? this._add();
      number += 1;
      if (growing && (upTo < end || number + 1 === blocks.length)) {
        tail = block;
        this._reopen(block, source);
        this._hidden = Math.max(0, end - upTo);
      } else if (!block.closed || block.source !== source) {
        this._close(block, source);
      }
    }
    while (this._blocks.length > number) {
      this._forget(this._blocks.pop());
    }
    this._tail = tail;
    if (!tail) {
      this._away = false;
    }
    if (!growing) {
      this._drawSoon(this._closing.splice(0));
    } else if (tail || this._closing.length) {
      this._schedulePass();
    }
    this._check();
  }

  /** The block is the last one as yet: it is drawn as far as it has come. */
  private _reopen(block: Block, source: string): void {
    block.source = source;
    if (block !== this._tail) {
      block.closed = block.drawn = false;
      block.visible = !this._away; // until the observer says otherwise
      block.node.classList.add('glm-mod-tail');
      this._undrawn.delete(block);
      this._watch(block);
    }
  }

  /** The text of a block is complete. */
  private _close(block: Block, source: string): void {
    const wasTail = block === this._tail;
    block.source = source;
    block.closed = true;
    block.drawn = false;
    block.node.classList.remove('glm-mod-tail');
    const section = block.node.parentElement;
    const height = Number(section?.style.getPropertyValue('--glm-lines') ?? 0) + lines(source);
    section?.style.setProperty('--glm-lines', String(height));
    if (!block.node.firstChild) {
      block.node.textContent = source; // readable until it is drawn
      block.node.classList.add('glm-mod-raw');
    }
    this._undrawn.add(block);
    this._watch(block);
    if (wasTail && block.visible && this._growing) {
      this._closing.push(block); // it can be read already
    } else if (block.visible || this._blocks.length <= 4) {
      this._drawSoon([block]);
    } else {
      slices.later(() => this._draw([block]));
    }
  }

  private _drawSoon(blocks: Block[]): void {
    for (const block of blocks) {
      slices.now(() => this._draw([block]));
    }
  }

  private _add(): Block {
    const block: Block = {
      source: '',
      node: element('div', 'glm-Block'),
      closed: false,
      drawn: false,
      visible: false,
      shown: 0
    };
    this._blocks.push(block);
    let section = this.node.lastElementChild;
    if (!section || section.childElementCount >= SECTION) {
      section = element('div', 'glm-Section');
      this.node.append(section);
    }
    section.append(block.node);
    return block;
  }

  private _watch(block: Block): void {
    if (!this._watched.has(block.node)) {
      this._watched.set(block.node, block);
      this._observer.observe(block.node);
    }
  }

  private _forget(block: Block | undefined): void {
    if (!block) {
      return;
    }
    this._observer.unobserve(block.node);
    this._watched.delete(block.node);
    this._undrawn.delete(block);
    const section = block.node.parentElement;
    block.node.remove();
    if (!section?.firstChild) {
      section?.remove();
    }
  }

  private _seen(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const block = this._watched.get(target);
      if (!block) {
        continue;
      }
      block.visible = isIntersecting;
      if (isIntersecting && this._undrawn.has(block)) {
        this._drawSoon([block]);
      } else if (isIntersecting && block.drawn) {
        this._formulas.typeset(block.node);
      }
      if (block === this._tail) {
        this._away = !isIntersecting;
        if (isIntersecting) {
          this._advance();
        }
      }
    }
  }

  /** Draw finished blocks, for good, and the tail as it is, all in one frame. */
  private async _draw(blocks: Block[], tail: Block | null = null): Promise<void> {
    const drawn: [Block, DocumentFragment][] = [];
    for (const block of blocks) {
      if (this._undrawn.delete(block)) {
        drawn.push([block, await this._nodes(block.source, LONGEST_COLOURED)]);
      }
    }
    if (tail) {
      const hidden = this._hidden;
      const nodes = await this._nodes(tail.source, 0);
      tail.shown = Math.max(tail.shown, weight(nodes) - hidden);
      cut(nodes, hidden ? tail.shown : Infinity);
      drawn.push([tail, nodes]);
    }
    // Before the page has to lay them out.
    const seen = drawn.filter(([block]) => block.visible).map(([, nodes]) => nodes);
    await this._formulas.typesetIn(seen);
    if (this._disposed) {
      return;
    }
    for (const [block, nodes] of drawn) {
      if (block !== tail) {
        block.drawn = block.closed && !this._undrawn.has(block);
        block.node.classList.remove('glm-mod-raw');
        block.node.classList.toggle('glm-mod-heading', isHeading(nodes.firstElementChild));
      } else if (block !== this._tail) {
        continue; // it is no tail any more
      }
      morph(block.node, nodes);
      this._formulas.typeset(block.visible ? block.node : null);
    }
    this._check();
  }

  private _schedulePass(): void {
    if (this._passTimer === undefined) {
      const wait = Math.max(0, this._passDue - performance.now());
      this._passTimer = window.setTimeout(() => {
        slices.now(() => this._pass());
      }, wait);
    }
  }

  /** Draw what has changed since the last pass. */
  private async _pass(): Promise<void> {
    this._passTimer = undefined;
    if (this._disposed) {
      return;
    }
    const start = performance.now();
    await this._draw(this._closing.splice(0), this._tail);
    const now = performance.now();
    const long = Math.min(1, this._target.text.markdown.length / LONG_TEXT);
    const seen = SHORTEST_PAUSE + long * (LONGEST_PAUSE - SHORTEST_PAUSE);
    const pause = this._gathers() ? GATHERED_PAUSE : seen;
    this._passDue = now + Math.max(pause, PASS_SHARE * (now - start));
  }

  /** What a block looks like; code longer than `longest` without its colours. */
  private async _nodes(source: string, longest: number): Promise<DocumentFragment> {
    const code = source.length > longest ? CODE.exec(source) : null;
    const { markdownParser, sanitizer, trans } = this._tools;
    if (code || !markdownParser) {
      return plainCode(code?.[2] ?? '', code?.[3] ?? source, trans);
    }
    const { markdown, formulas } = setAside(source);
    const html = sanitizer.sanitize(await markdownParser.render(withoutDiagrams(markdown)));
    const nodes = nodesOf(html, formulas, formula => this._formulas.element(formula), trans);
    for (const pre of [...nodes.querySelectorAll('pre')]) {
      frameCode(pre, trans);
    }
    for (const table of nodes.querySelectorAll('table')) {
      const frame = element('div', 'glm-Table');
      table.replaceWith(frame);
      frame.append(table);
    }
    return nodes;
  }

  private _check(): void {
    if (this._formulas.waiting) {
      return;
    }
    for (const [node, block] of this._watched) {
      if (block.drawn) {
        this._observer.unobserve(node); // whether it is seen matters no more
        this._watched.delete(node);
      }
    }
    if (!this._growing && this._undrawn.size === 0) {
      this._formulas.clear();
      this._settled();
    }
  }

  private readonly _formulas: Formulas;
  private readonly _observer: IntersectionObserver;
  private readonly _blocks: Block[] = [];
  private readonly _watched = new Map<Element, Block>(); // whether they are seen matters
  private readonly _undrawn = new Set<Block>();
  private _tail: Block | null = null;
  private _hidden = 0; // so much of the tail's markdown is not to be seen yet
  private _away = false; // the tail is out of sight
  private _closing: Block[] = []; // complete, and drawn as far as they had come as the tail
  private _passTimer: number | undefined;
  private _passDue = 0;
  private _target = { text: NOTHING, growing: true, upTo: 0 };
  private _later: number | undefined;
  private _growing = true;
  private _disposed = false;
}

/** About how many lines `source` will take: the height of a block not yet laid out. */
function lines(source: string): number {
  return source
    .split('\n')
    .reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / 90)), 0);
}

function isHeading(node: Element | null): boolean {
  return node !== null && /^h[1-6]$/.test(node.localName);
}

function plainCode(language: string, code: string, trans: TranslationBundle): DocumentFragment {
  const pre = element('pre', '', element('code', '', code));
  pre.firstElementChild?.classList.toggle(`language-${language}`, language !== '');
  const nodes = document.createDocumentFragment();
  nodes.append(pre);
  frameCode(pre, trans);
  return nodes;
}

/** Put a line with the language and the controls above a code block. */
function frameCode(pre: HTMLElement, trans: TranslationBundle): void {
  const language = /(?:^|\s)language-(\S+)/.exec(pre.firstElementChild?.className ?? '')?.[1] ?? '';
  const bar = element('div', 'glm-CodeBar', element('span', 'glm-Language', language));
  if (canBeCell(language)) {
    const hint = trans.__('Insert this code as a cell below');
    bar.append(button('glm-insert', trans.__('Insert below'), hint));
  }
  bar.append(button('glm-copy-code', trans.__('Copy'), trans.__('Copy this code')));
  const frame = element('div', 'glm-Code', bar);
  pre.tabIndex = 0; // its lines may be longer than the page is wide
  pre.replaceWith(frame);
  frame.append(pre);
}
