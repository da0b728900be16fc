// The texts as they are written in the code, for tests.

import type { TranslationBundle } from '@jupyterlab/translation';

const filled = (text: string, ...values: unknown[]) =>
  text.replace(/%(\d)/g, (_, number: string) => String(values[Number(number) - 1]));

export const english = {
  __: filled,
  _n: (one: string, many: string, n: number) => filled(n === 1 ? one : many, n)
} as unknown as TranslationBundle;
