// Makes a node's content like another's while changing as little of it as can be.

/**
 * Make the children of `target` like those of `source`, which is emptied. What is alike stays,
 * and with it the reader's selection, scroll positions and unfolded details.
 */
export function morph(target: Node, source: Node): void {
  let old = target.firstChild;
  let fresh = source.firstChild;
  while (fresh) {
    const nextFresh = fresh.nextSibling;
    if (!old) {
      target.appendChild(fresh);
    } else {
      const nextOld = old.nextSibling;
      if (!old.isEqualNode(fresh)) {
        if (alike(old, fresh)) {
          merge(old, fresh);
        } else {
          target.replaceChild(fresh, old);
        }
      }
      old = nextOld;
    }
    fresh = nextFresh;
  }
  while (old) {
    const next: ChildNode | null = old.nextSibling;
    target.removeChild(old);
    old = next;
  }
}

function alike(old: Node, fresh: Node): boolean {
  if (old.nodeName !== fresh.nodeName) {
    return false;
  }
  if (old instanceof Element && fresh instanceof Element) {
    // A formula is one thing: it is replaced as a whole or not at all.
    return !old.classList.contains('glm-Math') && !fresh.classList.contains('glm-Math');
  }
  return old instanceof Text;
}

function merge(old: Node, fresh: Node): void {
  if (old instanceof Text && fresh instanceof Text) {
    if (fresh.data.startsWith(old.data)) {
      old.appendData(fresh.data.slice(old.data.length)); // keeps a selection in what was there
    } else {
      old.data = fresh.data;
    }
    return;
  }
  if (old instanceof Element && fresh instanceof Element) {
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== 'open') {
        old.removeAttribute(name);
      }
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) {
        old.setAttribute(name, value);
      }
    }
    morph(old, fresh);
  }
}
