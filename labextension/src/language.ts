// Which code of an answer can become a cell of the notebook, by the language that it is marked with.

// The kernel's `--code` takes these for Python, too.
const PYTHON = ['', 'python', 'python3', 'py', 'py3', 'ipython', 'ipython3'];
const SHELLS = ['bash', 'sh', 'shell', 'zsh'];

/** Whether code marked so is Python, as unmarked code mostly is. */
export function isPython(language: string): boolean {
  return PYTHON.includes(language.toLowerCase());
}

/** Whether code marked so can be run in a cell; what has no mark of its own comes as text. */
export function canBeCell(language: string): boolean {
  return isPython(language) || language === 'text' || isShell(language);
}

/** The source of a cell that runs `code`. */
export function asCell(language: string, code: string): string {
  return isShell(language) ? `%%bash\n${code}` : code;
}

function isShell(language: string): boolean {
  return SHELLS.includes(language.toLowerCase());
}
