// Shows the beginning of what has been drawn, so that text can flow which comes in lumps.

/** How much there is to read in `node`: its characters, a formula's as they are written. */
export function weight(node: Node): number {
  if (node instanceof Text) {
    return node.data.length;
  }
  if (node instanceof HTMLElement) {
    if (node.classList.contains('glm-CodeBar')) {
      return 0;
    }
    if (node.dataset.weight) {
      return Number(node.dataset.weight);
    }
  }
  return [...node.childNodes].reduce((sum, child) => sum + weight(child), 0);
}

/** Leave the first `left` characters of what is in `node`; how many are left of them then. */
export function cut(node: Node, left: number): number {
  for (const child of [...node.childNodes]) {
    if (left <= 0) {
      child.remove();
    } else if (child instanceof Text) {
      if (child.length > left) {
        const half = /[\uD800-\uDBFF]/.test(child.data[left - 1]); // of a character
        child.data = child.data.slice(0, half ? left + 1 : left);
        left = 0;
      } else {
        left -= child.length;
      }
    } else if (child instanceof HTMLElement && 'weight' in child.dataset) {
      left -= weight(child);
    } else if (!(child instanceof HTMLElement && child.classList.contains('glm-CodeBar'))) {
      left = cut(child, left);
    }
  }
  return left;
}
