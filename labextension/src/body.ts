// Draws a growing markdown text block by block: a finished block once, the open tail at a pace.

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

import { mend, openCode, Splitter } from './blocks.js';
import { nodesOf } from './clean.js';
import { button, element } from './dom.js';
import { prepare } from './math.js';
import { morph } from './morph.js';
import { slices } from './slices.js';
import { Formulas } from './typeset.js';

export interface Tools {
  markdownParser: IRenderMime.IMarkdownParser | null;
  sanitizer: IRenderMime.ISanitizer;
  latexTypesetter: IRenderMime.ILatexTypesetter | null;
}

// What grows is drawn anew at most so often (milliseconds), more seldom the longer the text, since
// any change then costs the page more; and it takes at most an eighth of the time.
const SHORTEST_PAUSE = 60;
const LONGEST_PAUSE = 160;
const LONG_TEXT = 20000;
const PASS_SHARE = 8;

// Blocks of a section are laid out together, where one of them is seen.
const SECTION = 16;

// Every change costs the page a frame, seen or not. While the tail is out of sight, what comes is
// gathered for so long.
const UNSEEN_PAUSE = 2000;

// Colouring code longer than this would hold up the page.
const LONGEST_COLOURED = 20000;

interface Block {
  source: string;
  node: HTMLElement;
  drawn: boolean;
  visible: boolean;
}

/** A text in `node`, as far as it has come. */
export class Body {
  readonly node = element('div', 'glm-Body');

  /** `settled` is called when all that there is has been drawn and typeset. */
  constructor(
    private readonly _tools: Tools,
    private readonly _settled: () => void = () => undefined
  ) {
    this._formulas = this._newFormulas();
    this._observer = new IntersectionObserver(
      entries => {
        this._seen(entries);
      },
      { rootMargin: '300px 0px' }
    );
  }

  /** Show `text`; while `growing`, more of it may follow. What is shown already is kept. */
  show(text: string, growing: boolean): void {
    this._target = text;
    if (growing && this._away) {
      this._later ??= window.setTimeout(() => {
        this._advance(this._target, true);
      }, UNSEEN_PAUSE);
    } else {
      this._advance(text, growing);
    }
  }

  dispose(): void {
    this._disposed = true;
    window.clearTimeout(this._later);
    window.clearTimeout(this._passTimer);
    this._observer.disconnect();
    this._formulas.dispose();
    this._blocks.clear();
    this._undrawn.clear();
  }

  private _advance(text: string, growing: boolean): void {
    window.clearTimeout(this._later);
    this._later = undefined;
    if (text === this._text && growing === this._growing) {
      return;
    }
    if (!text.startsWith(this._text) || (!this._growing && text !== this._text)) {
      this._reset();
    }
    const closed = this._splitter.append(text.slice(this._text.length));
    this._text = text;
    if (!growing) {
      closed.push(...this._splitter.end());
    }
    this._growing = growing;
    for (const source of closed) {
      this._close(source);
    }
    if (this._splitter.tail.trim()) {
      this._tail ??= this._newTail();
    } else if (this._tail) {
      this._forget(this._tail);
      this._tail = null;
    }
    if (!growing) {
      this._drawSoon(this._closing.splice(0));
    } else if (this._tail || this._closing.length) {
      this._schedulePass();
    }
    this._check();
  }

  private _newFormulas(): Formulas {
    return new Formulas(this._tools.latexTypesetter, () => {
      this._check();
    });
  }

  private _reset(): void {
    this._observer.disconnect();
    this._formulas.dispose();
    this._formulas = this._newFormulas();
    this._splitter = new Splitter();
    this._blocks.clear();
    this._watched.clear();
    this._undrawn.clear();
    this._closing = [];
    this._tail = null;
    this._away = false;
    this._text = '';
    this._growing = true;
    this.node.replaceChildren();
  }

  /** The text of a block is complete: it takes the place of the tail, or a new one. */
  private _close(source: string): void {
    const wasTail = this._tail !== null;
    const block = this._tail ?? this._add();
    this._tail = null;
    block.source = source;
    block.node.classList.remove('glm-mod-tail');
    const section = block.node.parentElement;
    const height = Number(section?.style.getPropertyValue('--glm-lines') ?? 0) + lines(source);
    section?.style.setProperty('--glm-lines', String(height));
    if (!block.node.firstChild) {
      block.node.textContent = source; // readable until it is drawn
      block.node.classList.add('glm-mod-raw');
    }
    this._undrawn.add(block);
    if (wasTail && block.visible && this._growing) {
      this._closing.push(block); // it can be read already
    } else if (block.visible || this._blocks.size <= 4) {
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
    const block = { source: '', node: element('div', 'glm-Block'), drawn: false, visible: false };
    this._blocks.set(block.node, block);
    let section = this.node.lastElementChild;
    if (!section || section.childElementCount >= SECTION) {
      section = element('div', 'glm-Section');
      this.node.append(section);
    }
    section.append(block.node);
    this._observer.observe(block.node);
    this._watched.add(block);
    return block;
  }

  private _forget(block: Block): void {
    this._observer.unobserve(block.node);
    this._watched.delete(block);
    this._blocks.delete(block.node);
    block.node.remove();
  }

  private _seen(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const block = this._blocks.get(target);
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
          this._advance(this._target, this._growing);
          this._schedulePass();
        }
      }
    }
  }

  /** Draw finished blocks, for good, and the tail as it is, all in one frame. */
  private async _draw(blocks: Block[], tail: Block | null = null): Promise<void> {
    const drawn: [Block, DocumentFragment][] = [];
    for (const block of blocks) {
      if (this._undrawn.delete(block)) {
        const code = block.source.length > LONGEST_COLOURED ? openCode(block.source) : null;
        drawn.push([block, code ? plainCode(code) : await this._nodes(block.source, false)]);
      }
    }
    if (tail) {
      const text = this._splitter.tail;
      const code = openCode(text);
      drawn.push([tail, code ? plainCode(code) : await this._nodes(mend(text), true)]);
    }
    // Before the page has to lay them out.
    const seen = drawn.filter(([block]) => block.visible).map(([, nodes]) => nodes);
    await this._formulas.typesetIn(seen);
    if (this._disposed) {
      return;
    }
    for (const [block, nodes] of drawn) {
      if (block !== tail) {
        block.drawn = true;
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

  private _newTail(): Block {
    const block = this._add();
    block.node.classList.add('glm-mod-tail');
    block.visible = !this._away; // until the observer says otherwise
    return block;
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
    const long = Math.min(1, this._text.length / LONG_TEXT);
    const seen = SHORTEST_PAUSE + long * (LONGEST_PAUSE - SHORTEST_PAUSE);
    const pause = this._away ? UNSEEN_PAUSE : seen;
    this._passDue = now + Math.max(pause, PASS_SHARE * (now - start));
  }

  private async _nodes(source: string, growing: boolean): Promise<DocumentFragment> {
    const { markdown, formulas } = prepare(source, growing);
    const { markdownParser, sanitizer } = this._tools;
    if (!markdownParser) {
      return plainCode({ info: '', code: source });
    }
    const html = sanitizer.sanitize(await markdownParser.render(markdown));
    const nodes = nodesOf(
      html,
      index => this._formulas.element(formulas[index]),
      index => formulas.at(index)?.source
    );
    for (const pre of [...nodes.querySelectorAll('pre')]) {
      frameCode(pre);
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
    for (const block of this._watched) {
      if (block.drawn) {
        this._observer.unobserve(block.node); // whether it is seen matters no more
        this._watched.delete(block);
      }
    }
    if (!this._growing && this._undrawn.size === 0) {
      this._formulas.clear();
      this._settled();
    }
  }

  private _formulas: Formulas;
  private _splitter = new Splitter();
  private readonly _observer: IntersectionObserver;
  private readonly _blocks = new Map<Element, Block>();
  private readonly _watched = new Set<Block>();
  private readonly _undrawn = new Set<Block>();
  private _tail: Block | null = null;
  private _away = false; // the tail is out of sight
  private _closing: Block[] = []; // complete, and drawn as far as they had come as the tail
  private _passTimer: number | undefined;
  private _passDue = 0;
  private _target = ''; // what is to be shown
  private _text = ''; // what the blocks hold of it
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

function plainCode(code: { info: string; code: string }): DocumentFragment {
  const pre = element('pre', '', element('code', '', code.code));
  if (code.info) {
    pre.firstElementChild?.classList.add(`language-${code.info.split(/\s/, 1)[0]}`);
  }
  const nodes = document.createDocumentFragment();
  nodes.append(pre);
  frameCode(pre);
  return nodes;
}

/** Put a line with the language and the controls above a code block. */
function frameCode(pre: HTMLElement): void {
  const language = /(?:^|\s)language-(\S+)/.exec(pre.firstElementChild?.className ?? '')?.[1] ?? '';
  const frame = element(
    'div',
    'glm-Code',
    element(
      'div',
      'glm-CodeBar',
      element('span', 'glm-Language', language),
      button('glm-insert', 'Insert below', 'Insert this code as a cell below'),
      button('glm-copy-code', 'Copy', 'Copy this code')
    )
  );
  pre.replaceWith(frame);
  frame.append(pre);
}
