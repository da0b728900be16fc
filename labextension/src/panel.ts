// The widget panel is drawn by ipywidgets; here JupyterLab's keys are kept out of it.

/**
 * Let plain keys belong to the panel's controls while one of them has the focus.
 *
 * The notebook takes letters and arrows typed at a list for its own commands: choosing a model by
 * its first letters could delete a cell. Keys with Ctrl, Alt or Meta stay JupyterLab's.
 */
export function keepKeys(): void {
  // On the window, because JupyterLab listens at the document and must find the mark there.
  window.addEventListener(
    'keydown',
    ({ target, ctrlKey, altKey, metaKey }) => {
      if (target instanceof Element && target.closest('.glm-panel')) {
        // The mark counts only if it is met before the node that a shortcut is for.
        target.toggleAttribute('data-lm-suppress-shortcuts', !(ctrlKey || altKey || metaKey));
      }
    },
    { capture: true }
  );
}
