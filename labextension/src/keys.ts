// Keys typed in an answer or in the panel are not commands of the notebook.

/**
 * Let plain keys belong to the controls of an answer or the panel while one of them has the focus.
 *
 * The notebook takes letters and arrows for its own commands: after a click on Copy, or choosing a
 * model by its first letters, they could delete a cell. Keys with Ctrl, Alt or Meta stay
 * JupyterLab's.
 */
export function keepKeys(): void {
  // On the window, because JupyterLab listens at the document and must find the mark there.
  window.addEventListener(
    'keydown',
    ({ target, ctrlKey, altKey, metaKey }) => {
      if (target instanceof Element && target.closest('.glm-panel, .glm-Answer, .glm-explain')) {
        // The mark counts only if it is met before the node that a shortcut is for.
        target.toggleAttribute('data-lm-suppress-shortcuts', !(ctrlKey || altKey || metaKey));
      }
    },
    { capture: true }
  );
}
