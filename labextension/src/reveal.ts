// Lets text that arrives in lumps flow.

// Messages come a third of a second apart; what one brought is shown by when the next comes.
const SPREAD = 300;
const STEP = 60;
// More than this waits for nothing: a burst, or a page that has been away.
const LUMP = 3000;

/** Passes a growing text on, a little at a time. */
export class Reveal {
  constructor(private readonly _show: (text: string, growing: boolean) => void) {}

  /** The text is now `text`. It flows only while it is `growing` and somebody watches. */
  to(text: string, growing: boolean, flowing: boolean): void {
    this._text = text;
    const waiting = text.length - this._shown;
    if (!flowing || waiting < 0 || waiting > LUMP || document.hidden || calm.matches) {
      this.stop();
      this._shown = text.length;
      this._show(text, growing);
    } else if (waiting > 0) {
      this._due = performance.now() + SPREAD;
      this._timer ??= window.setInterval(() => {
        this._step();
      }, STEP);
      if (this._shown === 0) {
        this._step();
      }
    }
  }

  stop(): void {
    window.clearInterval(this._timer);
    this._timer = undefined;
  }

  private _step(): void {
    const waiting = this._text.length - this._shown;
    const steps = Math.max(1, (this._due - performance.now()) / STEP);
    this._shown += Math.ceil(waiting / steps);
    if (/[\uD800-\uDBFF]/.test(this._text[this._shown - 1] ?? '')) {
      this._shown += 1; // never half of a character
    }
    if (this._shown >= this._text.length) {
      this._shown = this._text.length;
      this.stop();
    }
    this._show(this._text.slice(0, this._shown), true);
  }

  private _text = '';
  private _shown = 0;
  private _due = 0;
  private _timer: number | undefined;
}

const calm = window.matchMedia('(prefers-reduced-motion: reduce)');
