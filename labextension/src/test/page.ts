// A document for tests that run without a browser.

import { JSDOM } from 'jsdom';

const { window } = new JSDOM('');
const names = [
  'document',
  'Node',
  'NodeFilter',
  'Text',
  'HTMLElement',
  'HTMLAnchorElement',
  'HTMLImageElement',
  'HTMLInputElement',
  'Element'
] as const;
for (const name of names) {
  Object.assign(globalThis, { [name]: window[name] });
}

/** Nodes of `html`. */
export function nodes(html: string): DocumentFragment {
  const template = document.createElement('template');
  template.innerHTML = html;
  return template.content;
}

/** The HTML of `fragment`. */
export function htmlOf(fragment: DocumentFragment): string {
  const host = document.createElement('div');
  host.append(fragment);
  return host.innerHTML;
}
