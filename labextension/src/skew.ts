// A kernel whose package and this page do not understand each other: said once.

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { skewed } from './said.js';
import type { Link } from './stream.js';

/** Say so at the first sign of it on `link`. */
export function warnOfSkew(link: Link, trans: TranslationBundle): void {
  let said = false;
  link.told.connect((_, message) => {
    if (message.type === 'skewed' && !said) {
      said = true;
      Notification.warning(skewed(message, trans), { autoClose: false });
    }
  });
}
