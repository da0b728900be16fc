// Asking before the code of an answer is put into a cell.

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { element } from './dom.js';

/** Show `code` and ask whether it is to be put into a new cell. */
export async function confirmInsertion(code: string, trans: TranslationBundle): Promise<boolean> {
  const pre = element('pre', 'glm-Insertion', code);
  pre.tabIndex = 0; // it may be longer than the dialog is high
  const { button } = await showDialog({
    title: trans.__('Put this code into a new cell?'),
    body: new Widget({ node: pre }),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Insert') })
    ]
  });
  return button.accept;
}
