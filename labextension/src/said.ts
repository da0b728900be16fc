// What the page says of a kernel's session, in words.

import type { TranslationBundle } from '@jupyterlab/translation';

import type { Session } from './session.js';
import type { Skew, Standing } from './stream.js';

/** Who answers, or is answering, and what was spent, in a line. */
export function line(standing: Standing, trans: TranslationBundle): string {
  const { model, running } = standing;
  if (running.length) {
    return trans.__('%1 is answering …', [...new Set(running)].join(', '));
  }
  return model ? `${model} · ${spent(standing, trans)}` : trans.__('GLM: nobody can answer');
}

/** What the session has cost: an unknown price is never said to be nothing. */
export function spent({ spent, unpriced }: Standing, trans: TranslationBundle): string {
  const sums = spent.map(([amount, currency]) => `${amount} ${currency}`);
  if (unpriced) {
    sums.push(trans._n('%1 answer of unknown price', '%1 answers of unknown price', unpriced));
  }
  return sums.length ? sums.join(' + ') : trans.__('nothing spent');
}

/** Why there is nothing to say of the session yet, and what to do. */
export function absence(session: Session | null, trans: TranslationBundle): string {
  switch (session?.presence) {
    case 'missing':
      return trans.__(
        'glm_jupyter is not loaded in the kernel of this notebook. ' +
          'Run %load_ext glm_jupyter in a cell.'
      );
    case 'foreign':
      return trans.__('glm_jupyter works in Python kernels; this notebook has another one.');
    case 'skewed':
      return session.skew ? skewed(session.skew, trans) : '';
    case 'unknown':
      return trans.__('Waiting for the kernel of this notebook …');
    default:
      return trans.__('This shows the models and the spending of the notebook that is open.');
  }
}

/** That the kernel's package and this page do not understand each other, and what to do. */
export function skewed({ version, older }: Skew, trans: TranslationBundle): string {
  const remedy = older
    ? trans.__(
        'This JupyterLab has an older glm-jupyter than the kernel (%1). Install that version ' +
          'where JupyterLab runs, then load the page again.',
        version
      )
    : trans.__(
        'The kernel has an older glm-jupyter (%1) than this JupyterLab. Run ' +
          '%pip install --upgrade glm-jupyter in a cell, then restart the kernel.',
        version
      );
  const meanwhile = trans.__(
    'Until then answers are shown by updates, without the panel and the Stop button.'
  );
  return `${remedy} ${meanwhile}`;
}

/** What to do where `%load_ext` finds no package. */
export function notInstalled(trans: TranslationBundle): string {
  return trans.__(
    'The package glm-jupyter is not installed where this kernel runs. ' +
      'Run %pip install glm-jupyter in a cell, then load it.'
  );
}
