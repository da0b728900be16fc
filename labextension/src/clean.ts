// Turns rendered markdown, sanitised by JupyterLab, into nodes that act only when asked to.

import { MARK, MARK_CLOSE, MARK_OPEN, portable } from './math.js';

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
const LINK = /^(https?:|mailto:)/i;
const OWN_IMAGE = /^(data:image\/|attachment:)/i;

/**
 * Nodes for `html`, which must have gone through the sanitiser: no styles or classes of the
 * model's, links that cannot reach this page, remote images only on request, and in the place
 * of the marks what `formula` makes of them (`source` inside of code and attributes).
 */
export function nodesOf(
  html: string,
  formula: (index: number) => Node,
  source: (index: number) => string | undefined
): DocumentFragment {
  const template = document.createElement('template'); // inert: nothing in it loads or runs
  template.innerHTML = html;
  const written = (text: string) =>
    text.replace(MARK, (mark: string, index) => source(Number(index)) ?? mark);
  for (const element of template.content.querySelectorAll<HTMLElement>('*')) {
    tidy(element, written);
  }
  for (const heading of template.content.querySelectorAll<HTMLElement>('h1, h2, h3, h4, h5, h6')) {
    // By this JupyterLab's table of contents finds it.
    heading.dataset.jupyterId = portable(written(heading.textContent)).replace(/ /g, '-');
  }
  const texts = document.createTreeWalker(template.content, NodeFilter.SHOW_TEXT);
  const marked: Text[] = [];
  while (texts.nextNode()) {
    const text = texts.currentNode as Text;
    if (text.data.includes(MARK_OPEN)) {
      marked.push(text);
    }
  }
  for (const text of marked) {
    if (text.parentElement?.closest('code, pre')) {
      text.data = written(text.data);
    } else {
      text.replaceWith(...withFormulas(text.data, formula));
    }
  }
  return template.content;
}

function tidy(element: HTMLElement, written: (text: string) => string): void {
  const name = element.localName;
  if (!ELEMENTS.has(name) || (name === 'input' && element.getAttribute('type') !== 'checkbox')) {
    element.replaceWith(...element.childNodes);
    return;
  }
  const isCode = element.closest('pre') !== null; // highlighting works by classes
  for (const { name: attribute, value } of [...element.attributes]) {
    const kept = ATTRIBUTES[name]?.includes(attribute) || (isCode && attribute === 'class');
    if (!kept) {
      element.removeAttribute(attribute);
    } else {
      element.setAttribute(attribute, written(unescaped(value)));
    }
  }
  if (element instanceof HTMLAnchorElement) {
    tidyLink(element);
  } else if (element instanceof HTMLImageElement) {
    tidyImage(element);
  } else if (element instanceof HTMLInputElement) {
    element.disabled = true;
  }
}

/** `value` with the marks as they are, which the parser escapes in addresses. */
function unescaped(value: string): string {
  return value
    .replaceAll(encodeURIComponent(MARK_OPEN), MARK_OPEN)
    .replaceAll(encodeURIComponent(MARK_CLOSE), MARK_CLOSE);
}

function tidyLink(link: HTMLAnchorElement): void {
  if (LINK.test(link.getAttribute('href') ?? '')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  } else {
    link.replaceWith(...link.childNodes);
  }
}

/** An image from elsewhere tells its server who reads: it loads when the reader says so. */
function tidyImage(image: HTMLImageElement): void {
  const address = image.getAttribute('src') ?? '';
  if (OWN_IMAGE.test(address)) {
    return;
  }
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'glm-Image';
  button.dataset.src = address;
  button.dataset.alt = image.alt;
  let host = '';
  try {
    host = new URL(address).host;
  } catch {
    // not an address: say only what the image shows
  }
  button.textContent = `Load image${image.alt ? ` “${image.alt}”` : ''}${host ? ` from ${host}` : ''}`;
  image.replaceWith(button);
}

/** Show the image that `button`, made by `nodesOf`, stands for. */
export function loadImage(button: HTMLElement): void {
  const address = button.dataset.src ?? '';
  if (/^https?:/i.test(address)) {
    const image = document.createElement('img');
    image.referrerPolicy = 'no-referrer';
    image.alt = button.dataset.alt ?? '';
    image.src = address;
    button.replaceWith(image);
  }
}

function withFormulas(text: string, formula: (index: number) => Node): Node[] {
  return text.split(MARK).map((part, index) =>
    // Splitting by an expression with one group gives text and group in turn.
    index % 2 ? formula(Number(part)) : document.createTextNode(part)
  );
}
