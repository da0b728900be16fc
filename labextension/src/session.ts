// What the page knows of the session in one kernel.

import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import { interrupt } from './interrupt.js';
import { TARGET, type Link, type SessionMessage, type Skew, type Standing } from './stream.js';

const LOST = ['restarting', 'autorestarting', 'terminating', 'dead'];

/** Whether `%load_ext glm_jupyter` was run in the kernel, and how its session stands. */
export class Session {
  /** `foreign` is a kernel of another language than Python, `skewed` one with another protocol. */
  presence: 'unknown' | 'foreign' | 'missing' | 'skewed' | 'loaded' = 'unknown';
  /** How the kernel's package differs from this page, where it is `skewed`. */
  skew: Skew | null = null;
  standing: Standing | null = null;
  /** What shows the panel, once it was asked for. */
  panel: Record<string, unknown> | null = null;

  readonly changed = new Signal<this, void>(this);

  constructor(
    private readonly _kernel: Kernel.IKernelConnection,
    private readonly _link: Link
  ) {
    _link.told.connect((_, message) => {
      this._told(message);
    });
    _kernel.statusChanged.connect((_, status) => {
      if (LOST.includes(status)) {
        this._become('unknown');
        this._lost = true;
      } else if (this._lost && status !== 'unknown') {
        this._lost = false;
        void this._look();
      }
    });
    void this._look();
  }

  askForPanel(): void {
    if (!this._asked) {
      this._asked = true;
      this._link.ask('panel');
    }
  }

  /** Interrupt the kernel: the answers stop, and what has come of them is kept. */
  stop(): void {
    interrupt(this._kernel);
  }

  /** Look whether the kernel has the extension; it says so itself when that changes. */
  private async _look(): Promise<void> {
    try {
      const { language_info } = await this._kernel.info;
      if (language_info.name !== 'python') {
        this._become('foreign');
        return;
      }
      const { content } = await this._kernel.requestCommInfo({ target_name: TARGET });
      if (this.presence !== 'unknown' || content.status !== 'ok') {
        return;
      }
      if (TARGET in content.comms) {
        this._link.join();
      } else {
        this._become('missing');
      }
    } catch {
      // The kernel went while it was asked.
    }
  }

  private _told(message: SessionMessage): void {
    switch (message.type) {
      case 'joined':
        this._become('loaded');
        this._link.ask('status');
        break;
      case 'skewed':
        this._become('skewed', message);
        break;
      case 'closed':
        this._become('missing');
        break;
      case 'status':
        this.presence = 'loaded';
        this.standing = message;
        this.changed.emit();
        break;
      case 'panel':
        this.panel = message.bundle;
        this.changed.emit();
        break;
    }
  }

  private _become(presence: Session['presence'], skew: Skew | null = null): void {
    this.presence = presence;
    this.skew = skew;
    this.standing = null;
    this.panel = null;
    this._asked = false;
    this.changed.emit();
  }

  private _lost = false;
  private _asked = false;
}
