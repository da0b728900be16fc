// The sessions of the open notebooks, and which of them the reader is in.

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import type { Session } from './session.js';

/** Knows the session of each kernel; tells when that of the current notebook is another. */
export class Sessions {
  /** The current notebook is another one, or its session has changed. */
  readonly changed = new Signal<this, void>(this);

  constructor(private readonly _tracker: INotebookTracker) {
    _tracker.currentChanged.connect(() => {
      this.changed.emit();
    });
  }

  add(kernel: Kernel.IKernelConnection, session: Session): void {
    this._sessions.set(kernel, session);
    session.changed.connect(() => {
      if (session === this.current) {
        this.changed.emit();
      }
    });
    this.changed.emit();
  }

  /** The notebook that the reader is in. */
  get notebook(): NotebookPanel | null {
    return this._tracker.currentWidget;
  }

  /** The session of the kernel of that notebook. */
  get current(): Session | null {
    return this.notebook && this.of(this.notebook);
  }

  of(notebook: NotebookPanel): Session | null {
    const kernel = notebook.sessionContext.session?.kernel;
    return (kernel && this._sessions.get(kernel)) ?? null;
  }

  private readonly _sessions = new WeakMap<Kernel.IKernelConnection, Session>();
}
