// What the views of the page have in common.

import type { TranslationBundle } from '@jupyterlab/translation';

import type { OpenNotebooks } from './notebooks.js';
import type { Settings } from './settings.js';

export interface Context {
  notebooks: OpenNotebooks;
  settings: Settings;
  /** The reader's language. */
  trans: TranslationBundle;
}
