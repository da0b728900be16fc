// Typesets formulas: each once, many at a time, away from the page's own layout.

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

import type { Formula } from './formulas.js';
import { slices } from './slices.js';

// What one call of the typesetter should take, in milliseconds: it measures once for each call,
// which takes as long as several formulas do.
const LEAST = 15;
const MOST = 30;
const LARGEST_BATCH = 32;

/** The formulas of one text. */
export class Formulas {
  /** `idle` is called whenever no formula waits any more. */
  constructor(
    private readonly _typesetter: IRenderMime.ILatexTypesetter | null,
    private readonly _idle: () => void
  ) {}

  /** An element that shows `formula`: typeset if it has been met before, else its source. */
  element(formula: Formula): HTMLElement {
    const span = document.createElement('span');
    span.className = formula.display ? 'glm-Math glm-mod-display' : 'glm-Math';
    span.dataset.weight = String(formula.source.length);
    const key = keyOf(formula);
    const done = this._done.get(key);
    if (done) {
      span.replaceChildren(done.cloneNode(true));
    } else {
      span.classList.add('glm-mod-source');
      span.textContent = formula.tex ?? formula.source;
      if (formula.tex !== null && this._typesetter && done !== null) {
        this._wanted.set(key, [...(this._wanted.get(key) ?? []), span]);
      }
    }
    return span;
  }

  /** Whether formulas wait for being typeset. */
  get waiting(): boolean {
    return this._wanted.size > 0;
  }

  /** Typeset now what is inside of `hosts`, as far as one call can; the rest waits. */
  async typesetIn(hosts: Node[]): Promise<void> {
    await this._typesetBatch(this._waitingIn(hosts).slice(0, batchSize));
  }

  /** Typeset what waits, in slices. What is inside of `first` goes first, and soon. */
  typeset(first: HTMLElement | null): void {
    if (first) {
      this._first.add(first);
    }
    if (this.waiting && (first || !this._running)) {
      this._running = true;
      this._lane();
    }
  }

  /** Forget the typeset formulas: the text is complete. */
  clear(): void {
    this._done.clear();
  }

  dispose(): void {
    this._wanted.clear();
    this._done.clear();
    this._first.clear();
  }

  private _lane(): void {
    const job = async () => {
      await this._typesetBatch(this._batch());
      if (this.waiting) {
        this._lane();
      } else if (this._running) {
        this._running = false;
        this._first.clear();
        this._idle();
      }
    };
    if (this._first.size) {
      slices.now(job);
    } else {
      slices.later(job);
    }
  }

  private async _typesetBatch(batch: string[]): Promise<void> {
    if (!batch.length || !this._typesetter) {
      return;
    }
    const start = performance.now();
    const results = await typesetTogether(this._typesetter, batch);
    const took = performance.now() - start;
    if (took > MOST) {
      batchSize = Math.max(1, Math.floor(batch.length / 2));
    } else if (took < LEAST && batch.length === batchSize) {
      batchSize = Math.min(LARGEST_BATCH, batchSize + 2);
    }
    batch.forEach((key, index) => {
      const result = results[index];
      const targets = this._wanted.get(key) ?? [];
      this._wanted.delete(key);
      this._done.set(key, result);
      for (const target of result ? targets : []) {
        target.replaceChildren((result as Node).cloneNode(true));
        target.classList.remove('glm-mod-source');
      }
    });
  }

  private _batch(): string[] {
    for (const host of this._first) {
      const batch = this._waitingIn([host]);
      if (batch.length) {
        return batch.slice(0, batchSize);
      }
      this._first.delete(host);
    }
    return [...this._wanted.keys()].slice(0, batchSize);
  }

  private _waitingIn(hosts: Node[]): string[] {
    return [...this._wanted]
      .filter(([, targets]) => targets.some(target => hosts.some(host => host.contains(target))))
      .map(([key]) => key);
  }

  private readonly _done = new Map<string, Node | null>(); // null: it cannot be typeset
  private readonly _wanted = new Map<string, HTMLElement[]>();
  private readonly _first = new Set<HTMLElement>();
  private _running = false;
}

let batchSize = 4; // formulas for one call, as this machine bears it
let stage: HTMLElement | null = null;

function keyOf(formula: Formula): string {
  const tex = formula.tex ?? '';
  return formula.display ? `\\[${tex}\\]` : `\\(${tex}\\)`;
}

/**
 * Typeset several formulas in one call. They share one parent, so that the typesetter measures
 * once for all, and that parent's layout concerns no other element of the page.
 */
async function typesetTogether(
  typesetter: IRenderMime.ILatexTypesetter,
  sources: string[]
): Promise<(Node | null)[]> {
  stage ??= makeStage();
  const host = document.createElement('div');
  host.append(...sources.map(source => document.createTextNode(source + ' ')));
  stage.append(host);
  try {
    await typesetter.typeset(host);
    const found = [...host.children].filter(child => child.localName === 'mjx-container');
    if (found.length === sources.length) {
      // Source can be read, other than a box that says only what the typesetter misses.
      return found.map(child =>
        child.querySelector('mjx-merror, [data-mjx-error]') ? null : child
      );
    }
  } catch {
    // One formula that the typesetter cannot take must not spoil the others.
  } finally {
    host.remove();
  }
  if (sources.length === 1) {
    return [null];
  }
  const single: (Node | null)[] = [];
  for (const source of sources) {
    single.push(...(await typesetTogether(typesetter, [source])));
  }
  return single;
}

/** Have the typesetter loaded before the first formula comes. */
export async function warmUp(typesetter: IRenderMime.ILatexTypesetter | null): Promise<void> {
  if (typesetter && !stage) {
    await typesetTogether(typesetter, ['\\(x\\)']);
  }
}

function makeStage(): HTMLElement {
  const element = document.createElement('div');
  element.className = 'jp-RenderedHTMLCommon glm-Stage';
  element.ariaHidden = 'true';
  document.body.append(element);
  return element;
}
