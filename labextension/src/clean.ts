// Turns rendered markdown, sanitised by JupyterLab, into nodes that act only when asked to.

import type { TranslationBundle } from '@jupyterlab/translation';

import { element, visible } from './dom.js';
import { asWritten, replaceMarks, type Formula } from './formulas.js';
import { isLink, isWeb } from './links.js';

// What prose needs. Other elements are replaced by their content.
const ELEMENTS = new Set(
  (
    'a b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption ' +
    'figure h1 h2 h3 h4 h5 h6 hr i img input ins kbd li mark ol p pre q s samp small span strong ' +
    'sub summary sup table tbody td tfoot th thead tr u ul var'
  ).split(' ')
);
const ATTRIBUTES: Record<string, readonly string[] | undefined> = {
  a: ['href', 'title'],
  details: ['open'],
  img: ['alt', 'src', 'title'],
  input: ['checked', 'disabled', 'type'],
  ol: ['start'],
  td: ['align', 'colspan', 'rowspan'],
  th: ['align', 'colspan', 'rowspan', 'scope']
};
// As such a link the kernel writes an image, which most front ends would fetch unasked.
const IMAGE = 'image: ';
// The classes that colour code: its language, and those that CodeMirror has made up.
const CODE_CLASSES: Record<string, RegExp | undefined> = {
  code: /^language-[\w+#.-]+$/,
  span: /^ͼ[0-9a-z]+$/i
};

// JupyterLab draws diagrams while it reads markdown, and what they name is fetched at once. With
// this behind its name, a language is another; whoever reads or copies the code does not find it.
const STOPPER = '\uE002';
const DIAGRAM = /((?:`{3}|~{3})[^\S\n]*mermaid)/gi;

/** Markdown of which no parser makes anything but text, code and formatting. */
export function withoutDiagrams(markdown: string): string {
  return markdown.replaceAll(STOPPER, '\uFFFD').replace(DIAGRAM, `$1${STOPPER}`);
}

/**
 * Nodes for `html`, which must have gone through the sanitiser: no styles, names or classes of the
 * model's, links that cannot reach this page, remote images only on request, and in the place of
 * the marks what `show` makes of `formulas`.
 */
export function nodesOf(
  html: string,
  formulas: Formula[],
  show: (formula: Formula) => Node,
  trans: TranslationBundle
): DocumentFragment {
  const template = document.createElement('template'); // inert: nothing in it loads or runs
  template.innerHTML = html.replaceAll(STOPPER, '');
  for (const node of template.content.querySelectorAll<HTMLElement>('*')) {
    tidy(node, formulas, trans);
  }
  for (const heading of template.content.querySelectorAll<HTMLElement>('h1, h2, h3, h4, h5, h6')) {
    // By this JupyterLab's table of contents finds it.
    heading.dataset.jupyterId = asWritten(heading.textContent, formulas).replace(/ /g, '-');
  }
  const walker = document.createTreeWalker(template.content, NodeFilter.SHOW_TEXT);
  const texts: Text[] = [];
  while (walker.nextNode()) {
    texts.push(walker.currentNode as Text);
  }
  for (const text of texts) {
    text.data = visible(text.data);
    if (text.parentElement?.closest('code, pre')) {
      text.data = asWritten(text.data, formulas);
    } else {
      text.replaceWith(...replaceMarks(text.data, formulas, show));
    }
  }
  return template.content;
}

function tidy(node: HTMLElement, formulas: Formula[], trans: TranslationBundle): void {
  const name = node.localName;
  if (!ELEMENTS.has(name) || (name === 'input' && node.getAttribute('type') !== 'checkbox')) {
    node.replaceWith(...node.childNodes);
    return;
  }
  const colours = node.closest('pre') ? CODE_CLASSES[name] : undefined;
  const classes = [...node.classList].filter(each => colours?.test(each));
  for (const { name: attribute, value } of [...node.attributes]) {
    if (ATTRIBUTES[name]?.includes(attribute)) {
      node.setAttribute(attribute, asWritten(value, formulas));
    } else {
      node.removeAttribute(attribute);
    }
  }
  if (classes.length) {
    node.className = classes.join(' ');
  }
  if (node instanceof HTMLAnchorElement) {
    tidyLink(node, trans);
  } else if (node instanceof HTMLImageElement) {
    tidyImage(node, trans);
  } else if (node instanceof HTMLInputElement) {
    node.disabled = true;
    node.setAttribute('aria-label', node.checked ? trans.__('done') : trans.__('not done'));
  }
}

function tidyLink(link: HTMLAnchorElement, trans: TranslationBundle): void {
  const address = link.getAttribute('href') ?? '';
  if (isWeb(address) && link.textContent.startsWith(IMAGE)) {
    link.replaceWith(imageButton(address, link.textContent.slice(IMAGE.length), trans));
  } else if (isLink(address)) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  } else {
    link.replaceWith(...link.childNodes);
  }
}

/** Of an image that is no address, only what it shows is said. */
function tidyImage(image: HTMLImageElement, trans: TranslationBundle): void {
  const address = image.getAttribute('src') ?? '';
  image.replaceWith(isWeb(address) ? imageButton(address, image.alt, trans) : image.alt);
}

/** An image from elsewhere tells its server who reads: it loads when the reader says so. */
function imageButton(address: string, shows: string, trans: TranslationBundle): HTMLElement {
  const { host } = new URL(address);
  const text = shows
    ? trans.__('Load image “%1” from %2', shows, host)
    : trans.__('Load image from %1', host);
  const button = element('button', 'glm-Image', text);
  button.setAttribute('type', 'button');
  button.dataset.src = address;
  button.dataset.alt = shows;
  return button;
}

/** Show the image that `button`, made by `nodesOf`, stands for. */
export function loadImage(button: HTMLElement): void {
  const address = button.dataset.src ?? '';
  if (isWeb(address)) {
    const image = document.createElement('img');
    image.referrerPolicy = 'no-referrer';
    image.alt = button.dataset.alt ?? '';
    image.src = address;
    button.replaceWith(image);
  }
}
