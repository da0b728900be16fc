// Work in small slices between the page's own frames, so that the page stays usable.

type Job = () => void | Promise<void>;

// How long a slice may take, in milliseconds, before the page gets its turn. Each slice costs a
// frame besides, so what can wait is done in longer ones.
const SLICE = 10;
const IDLE_SLICE = 25;

/** A queue with two lanes: what the reader looks at goes first, the rest when the page is idle. */
class Slices {
  /** Do `job` soon. */
  now(job: Job): void {
    this._urgent.push(job);
    this._schedule();
  }

  /** Do `job` when nothing else is to be done. */
  later(job: Job): void {
    this._idle.push(job);
    this._schedule();
  }

  private _schedule(): void {
    if (this._running) {
      return;
    }
    this._running = true;
    const run = () => {
      void this._run();
    };
    if (document.hidden) {
      window.setTimeout(run, 100); // frames do not come while nobody looks
    } else if (this._urgent.length || typeof requestIdleCallback === 'undefined') {
      requestAnimationFrame(() => window.setTimeout(run));
    } else {
      requestIdleCallback(run, { timeout: 250 });
    }
  }

  private async _run(): Promise<void> {
    const end = performance.now() + (this._urgent.length ? SLICE : IDLE_SLICE);
    do {
      const job = this._urgent.shift() ?? this._idle.shift();
      try {
        await job?.();
      } catch (error) {
        console.error(error);
      }
    } while ((this._urgent.length || this._idle.length) && performance.now() < end);
    this._running = false;
    if (this._urgent.length || this._idle.length) {
      this._schedule();
    }
  }

  private _urgent: Job[] = [];
  private _idle: Job[] = [];
  private _running = false;
}

export const slices = new Slices();
