// The page's side of the live channel (PROTOCOL.md): answers that grow while a kernel sends them.

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { JSONArray } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';

import { withoutKernel, type AnswerData, type Marked, type Shown } from './data.js';
import { interrupt } from './interrupt.js';

export const TARGET = 'glm-jupyter.answer';

/** What page and kernel must agree on; render/channel.py has the kernel's. */
export const PROTOCOL = 1;

/** Where an answer belongs: its cell, its display, and the request that made the cell run. */
export interface Place {
  cell: string | null;
  display: string;
  request: string | null;
}

/** What the notebook does for the stream. */
export interface Notebooks {
  /** A new answer is on its way to `place`: see that the cell there shows it. */
  began(kernelId: string, live: Live): void;
  /** Whether the notebook has the final display of the answer `id`. */
  isFinal(kernelId: string, id: string): boolean;
  /** Put the final display of the answer `id` where it belongs. */
  finish(
    kernelId: string,
    id: string,
    place: Place,
    bundle: Record<string, unknown>
  ): Promise<void>;
  /** Take up what has come of an answer. */
  keep(kernelId: string, live: Live): void;
  /** The cells above the one with the id `cell`, as they are now. */
  above(kernelId: string, cell: string): JSONArray | null;
  /** Answers that the notebook shows as unfinished. */
  unfinished(kernelId: string): string[];
}

/** One answer as it grows. */
export class Live {
  constructor(
    public data: AnswerData,
    public shown: Shown,
    readonly place: Place,
    readonly interrupt: () => void
  ) {}

  /** For how long it has been growing before this page. */
  get seconds(): number {
    return (performance.now() - this._began) / 1000;
  }

  /** No more will come. */
  over = false;
  /** The number of the message that comes next. */
  next = 0;

  /** Have `callback` called at each change, until the returned function is. */
  watch(callback: () => void): () => void {
    this._watchers.add(callback);
    return () => this._watchers.delete(callback);
  }

  changed(): void {
    for (const callback of this._watchers) {
      callback();
    }
  }

  private readonly _began = performance.now();
  private readonly _watchers = new Set<() => void>();
}

/** The growing answers of all kernels, by their ids. */
export class Streams {
  /** The answer `id`, where it is growing. */
  get(id: string): Live | undefined {
    return this._lives.get(id);
  }

  /** Have `callback` called when the answer `id` turns out to be growing. */
  expect(id: string, callback: (live: Live) => void): () => void {
    const waiting = this._expected.get(id) ?? new Set();
    this._expected.set(id, waiting.add(callback));
    return () => {
      waiting.delete(callback);
      if (waiting.size === 0) {
        this._expected.delete(id);
      }
    };
  }

  add(live: Live): void {
    this._lives.set(live.data.id, live);
    for (const callback of [...(this._expected.get(live.data.id) ?? [])]) {
      callback(live);
    }
  }

  remove(live: Live): void {
    this._lives.delete(live.data.id);
  }

  private readonly _lives = new Map<string, Live>();
  private readonly _expected = new Map<string, Set<(live: Live) => void>>();
}

/** Who would answer now, or the trouble why nobody can; what is under way; what was spent. */
export interface Standing {
  model: string;
  endpoint: string;
  trouble: string;
  /** The model of each answer under way. */
  running: string[];
  answers: number;
  /** Amount and currency. */
  spent: [string, string][];
  /** Answers whose price is not known. */
  unpriced: number;
}

/** From the place `at` on, the markdown is `text`; after the first `keep` blocks begin `blocks`. */
interface Edit {
  at: number;
  text: string;
  keep: number;
  blocks: number[];
}

type Message =
  | ({ type: 'state'; id: string; n: number; answer: AnswerData; shown: Shown } & Place)
  | { type: 'edit'; id: string; n: number; text?: Edit; reasoning?: Edit }
  | { type: 'end'; id: string }
  | ({ type: 'end'; id: string; bundle: Record<string, unknown> } & Place)
  | { type: 'unknown'; id: string }
  | { type: 'cells'; id: string; cell: string }
  | Hello
  | ({ type: 'status' } & Standing)
  | { type: 'panel'; bundle: Record<string, unknown> };

/** What a kernel speaks, and the version of its package. */
interface Hello {
  type: 'hello';
  protocol: number;
  version: string;
}

/** The package in the kernel and this page do not understand each other. */
export interface Skew {
  /** The version of the kernel's package. */
  version: string;
  /** Whether this page's is the older one. */
  older: boolean;
}

/**
 * What is told of the kernel's session: `joined` when the page takes part in it, `skewed` where it
 * cannot, `closed` when the kernel has unloaded the extension.
 */
export type SessionMessage =
  | { type: 'joined' }
  | ({ type: 'skewed' } & Skew)
  | { type: 'closed' }
  | ({ type: 'status' } & Standing)
  | { type: 'panel'; bundle: Record<string, unknown> };

/** Listens to one connection to a kernel. */
export class Link {
  /** What is told of the kernel's session. */
  readonly told = new Signal<this, SessionMessage>(this);

  constructor(
    private readonly _kernel: Kernel.IKernelConnection,
    private readonly _streams: Streams,
    private readonly _notebooks: Notebooks,
    private readonly _trans: TranslationBundle,
    private readonly _language: string,
    private readonly _opened: () => void = () => undefined
  ) {
    if (!_kernel.handleComms) {
      return;
    }
    _kernel.registerCommTarget(TARGET, (comm, message) => {
      this._attach(comm);
      this._skew = skewOf(message.content.data as unknown as Hello);
      this._greet();
      this._tellJoined();
    });
    _kernel.iopubMessage.connect((_, message) => {
      this._overhear(message);
    });
    _kernel.statusChanged.connect((_, status) => {
      if (['restarting', 'autorestarting', 'terminating', 'dead'].includes(status)) {
        this._lost();
      }
    });
    _kernel.disposed.connect(() => {
      this._lost();
    });
    this.recover();
  }

  /** Ask for the answers that this page, loaded in the midst of them, shows as unfinished. */
  recover(): void {
    const ids = this._notebooks.unfinished(this._kernel.id);
    for (const id of this._kernel.handleComms ? ids : []) {
      this._join();
      this._ask(id);
    }
  }

  /** Join in what the kernel tells, where it is known to have loaded the extension. */
  join(): void {
    this._join();
    this._tellJoined();
  }

  /** Ask for what concerns the session. */
  ask(type: 'status' | 'panel'): void {
    this._say({ type });
  }

  /** Have the notebook take up what has come of the answers that are growing. */
  keep(): void {
    for (const live of this._running.values()) {
      this._notebooks.keep(this._kernel.id, live);
    }
  }

  private _attach(comm: Kernel.IComm): void {
    this._opened();
    this._comm = comm;
    comm.onMsg = message => {
      this._hear(message.content.data as unknown as Message);
    };
    comm.onClose = () => {
      this.told.emit({ type: 'closed' });
    };
  }

  private _greet(): void {
    this._say({ type: 'hello', protocol: PROTOCOL, language: this._language });
  }

  private _tellJoined(): void {
    this.told.emit(this._skew ? { type: 'skewed', ...this._skew } : { type: 'joined' });
  }

  /** The comm's id is known, so a page that was not there when it was opened can join in. */
  private _join(): void {
    if (!this._kernel.hasComm(TARGET)) {
      this._attach(this._kernel.createComm(TARGET, TARGET));
      this._greet(); // a kernel that speaks another says so
    }
  }

  /** Ask for the whole of an answer, once until there is a reply. */
  private _ask(id: string): void {
    if (!this._asked.has(id)) {
      this._asked.add(id);
      this._say({ type: 'state', id });
    }
  }

  private _say(data: {
    type: string;
    protocol?: number;
    language?: string;
    id?: string;
    cells?: JSONArray;
  }): void {
    if (this._comm && !this._comm.isDisposed) {
      this._comm.send(data);
    }
  }

  private _overhear(message: KernelMessage.IIOPubMessage): void {
    const { msg_type } = message.header;
    if (msg_type !== 'comm_msg' || this._kernel.hasComm(TARGET)) {
      return;
    }
    const content = message.content as KernelMessage.ICommMsgMsg['content'];
    if (content.comm_id === TARGET) {
      this._join();
      this._hear(content.data as unknown as Message); // it came before there was a comm
    }
  }

  private _hear(message: Message): void {
    if (message.type === 'hello') {
      this._skew = skewOf(message);
      if (this._skew) {
        this._tellJoined();
      }
    } else if (!this._skew) {
      this._handle(message);
    }
  }

  private _handle(message: Exclude<Message, Hello>): void {
    switch (message.type) {
      case 'state':
        this._state(message);
        break;
      case 'edit':
        this._edit(message);
        break;
      case 'end':
        this._end(message);
        break;
      case 'unknown':
        this._finish(message.id);
        break;
      case 'cells': {
        const cells = this._notebooks.above(this._kernel.id, message.cell);
        if (cells) {
          this._say({ type: 'cells', id: message.id, cells });
        }
        break;
      }
      case 'status':
      case 'panel':
        this.told.emit(message);
        break;
    }
  }

  private _state(message: Message & { type: 'state' }): void {
    const { cell, display, request, answer, shown } = message;
    this._asked.delete(answer.id);
    let live = this._running.get(answer.id);
    if (!live) {
      live = new Live(answer, shown, { cell, display, request }, () => {
        interrupt(this._kernel);
      });
      this._running.set(answer.id, live);
      this._streams.add(live);
      this._notebooks.began(this._kernel.id, live);
    }
    live.data = answer;
    live.shown = shown;
    live.next = message.n + 1;
    live.changed();
  }

  private _edit(message: Message & { type: 'edit' }): void {
    const live = this._running.get(message.id);
    if (!live || message.n > live.next) {
      this._ask(message.id);
    } else if (message.n === live.next) {
      const { text, reasoning } = live.shown;
      live.shown = {
        text: edited(text, message.text),
        reasoning: edited(reasoning, message.reasoning)
      };
      live.next += 1;
      live.changed();
    } // else it has been heard before
  }

  private _end(message: Message & { type: 'end' }): void {
    if ('bundle' in message) {
      void this._notebooks.finish(this._kernel.id, message.id, message, message.bundle).then(() => {
        this._finish(message.id);
      });
    } else if (this._notebooks.isFinal(this._kernel.id, message.id)) {
      this._finish(message.id);
    } else {
      // The display did not reach this page, which was loaded after the cell had begun.
      this._ask(message.id);
    }
  }

  private _finish(id: string): void {
    this._asked.delete(id);
    const live = this._running.get(id);
    if (live) {
      this._running.delete(id);
      this._streams.remove(live);
      live.over = true;
      live.changed();
    }
  }

  /** The kernel is gone: what has come of its answers is all that there will be. */
  private _lost(): void {
    for (const [id, live] of this._running) {
      live.data = withoutKernel({ ...live.data, seconds: live.seconds }, this._trans);
      this._notebooks.keep(this._kernel.id, live);
      this._finish(id);
    }
  }

  private _comm: Kernel.IComm | null = null;
  private _skew: Skew | null = null;
  private readonly _asked = new Set<string>();
  private readonly _running = new Map<string, Live>();
}

function skewOf({ protocol, version }: Hello): Skew | null {
  return protocol === PROTOCOL ? null : { version, older: protocol > PROTOCOL };
}

function edited(old: Marked, edit: Edit | undefined): Marked {
  return edit
    ? {
        markdown: old.markdown.slice(0, edit.at) + edit.text,
        blocks: [...old.blocks.slice(0, edit.keep), ...edit.blocks]
      }
    : old;
}
