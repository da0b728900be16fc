// Lets text that arrives in lumps flow.

// Messages come a third of a second apart; what one brought is shown by when the next comes.
const SPREAD = 300;
const STEP = 60;
// More than this waits for nothing: a burst, or a page that has been away.
const LUMP = 3000;

/** Tells up to where a growing text is to be shown, a little further each time. */
export class Reveal {
  constructor(private readonly _show: (place: number) => void) {}

  /** The text is now so long. It flows only while it is `flowing` and somebody watches. */
  to(length: number, flowing: boolean): void {
    this._length = length;
    const waiting = length - this._shown;
    if (!flowing || waiting <= 0 || waiting > LUMP || document.hidden || calm.matches) {
      this.stop();
      this._shown = length;
      this._show(length);
      return;
    }
    this._due = performance.now() + SPREAD;
    this._timer ??= window.setInterval(() => {
      this._step();
    }, STEP);
    if (this._shown === 0) {
      this._step();
    }
  }

  stop(): void {
    window.clearInterval(this._timer);
    this._timer = undefined;
  }

  private _step(): void {
    const steps = Math.max(1, (this._due - performance.now()) / STEP);
    this._shown += Math.ceil((this._length - this._shown) / steps);
    if (this._shown >= this._length) {
      this._shown = this._length;
      this.stop();
    }
    this._show(this._shown);
  }

  private _length = 0;
  private _shown = 0;
  private _due = 0;
  private _timer: number | undefined;
}

const calm = window.matchMedia('(prefers-reduced-motion: reduce)');
