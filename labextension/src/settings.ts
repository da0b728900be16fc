// What the reader has chosen in JupyterLab's settings; `schema/answers.json` says what there is.

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Signal } from '@lumino/signaling';

/** How answers are shown. */
export interface Choices {
  pace: 'smooth' | 'steps' | 'calm';
  reasoning: 'thinking' | 'open' | 'folded';
  priceLine: boolean;
  confirmInsert: boolean;
}

/** The choices as they are now: the defaults, until the settings have been loaded. */
export class Settings {
  choices: Choices = {
    pace: 'smooth',
    reasoning: 'thinking',
    priceLine: true,
    confirmInsert: false
  };

  /** Tells what the choices were before. */
  readonly changed = new Signal<this, Choices>(this);

  /** Take the choices from the settings of the plugin `id`, now and whenever they change. */
  async follow(registry: ISettingRegistry, id: string): Promise<void> {
    const settings = await registry.load(id);
    const take = () => {
      const before = this.choices;
      this.choices = settings.composite as unknown as Choices;
      this.changed.emit(before);
    };
    settings.changed.connect(take);
    take();
  }
}
