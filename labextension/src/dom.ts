// Short ways to make and to fill an element.

// Control characters, and the overrides of direction that can make text lie.
const UNSEEN = /(?![\n\t])[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** `text` without what is not seen and changes how the rest is read. */
export function visible(text: string): string {
  return text.replace(UNSEEN, '');
}

/** An element with a class and children; strings become text. */
export function element(name: string, className = '', ...children: (Node | string)[]): HTMLElement {
  const node = document.createElement(name);
  if (className) {
    node.className = className;
  }
  node.append(...children.map(child => (typeof child === 'string' ? visible(child) : child)));
  return node;
}

/** A button that does `action`. */
export function button(
  className: string,
  text: string,
  title: string,
  action?: () => void
): HTMLButtonElement {
  const node = element('button', `glm-Button ${className}`, text) as HTMLButtonElement;
  node.type = 'button';
  node.title = title;
  if (action) {
    node.addEventListener('click', action);
  }
  return node;
}

/** Change the text only where it is another: what is selected stays, and nothing is said twice. */
export function write(node: HTMLElement, text: string): void {
  const seen = visible(text);
  if (node.textContent !== seen) {
    node.textContent = seen;
  }
}
