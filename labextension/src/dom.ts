// Short ways to make and to fill an element.

/** An element with a class and children; strings become text. */
export function element(name: string, className = '', ...children: (Node | string)[]): HTMLElement {
  const node = document.createElement(name);
  if (className) {
    node.className = className;
  }
  node.append(...children);
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
  if (node.textContent !== text) {
    node.textContent = text;
  }
}
