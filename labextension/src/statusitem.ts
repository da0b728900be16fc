// The model and the spending of the current notebook, in JupyterLab's status bar.

import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { button, write } from './dom.js';
import { absence, line } from './said.js';
import type { Session } from './session.js';
import type { Sessions } from './sessions.js';

/** A line about the session of the current notebook; a click does `open`. */
export class StatusItem extends Widget {
  constructor(
    private readonly _sessions: Sessions,
    private readonly _trans: TranslationBundle,
    open: () => void
  ) {
    super();
    this.addClass('glm-StatusItem');
    this._button = button('', '', '', open);
    this.node.append(this._button);
    _sessions.changed.connect(() => {
      this.update();
    }, this);
    this.update();
  }

  /** Whether there is something to say here: the notebook's kernel is one of Python. */
  get active(): boolean {
    const presence = this._sessions.current?.presence;
    return presence === 'loaded' || presence === 'missing' || presence === 'skewed';
  }

  protected override onUpdateRequest(): void {
    const session = this._sessions.current;
    const standing = session?.standing;
    const hint = this._trans.__('Model and spending of this notebook. Click to open the panel.');
    this.node.classList.toggle('glm-mod-missing', !standing?.model);
    write(this._button, standing ? line(standing, this._trans) : this._absence(session));
    const why = standing ? standing.trouble : absence(session, this._trans);
    this._button.title = [why, hint].filter(Boolean).join('\n\n');
  }

  private _absence(session: Session | null): string {
    return session?.presence === 'skewed'
      ? this._trans.__('GLM: versions differ')
      : this._trans.__('GLM: not loaded');
  }

  private readonly _button: HTMLButtonElement;
}
