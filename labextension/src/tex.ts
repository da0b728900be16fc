// One formula: TeX as a model writes it -> TeX that MathJax typesets, and that changes nothing else.
// The kernel does the same, for more front ends (glm_jupyter/render/tex.py).

// Links, styles and markup; definitions, which would outlive the formula.
const REFUSED = new Set(
  (
    'href url style class cssId htmlClass htmlId htmlStyle htmlData data html mmlToken unicode ' +
    'bbox includegraphics special tooltip mathtip texttip toggle input include write immediate ' +
    'def edef gdef xdef let futurelet global newcommand renewcommand providecommand ' +
    'newenvironment renewenvironment DeclareMathOperator DeclarePairedDelimiter Newextarrow ' +
    'csname endcsname catcode'
  ).split(' ')
);
const TEXT = /^\\(?:text(?:rm|bf|it|sf|tt|normal)?|[mh]box)$/;
// Where only the inner kind of an environment is allowed.
const INNER: Record<string, string | undefined> = {
  align: 'aligned',
  alignat: 'alignedat',
  flalign: 'aligned',
  gather: 'gathered',
  multline: 'gathered'
};
const TOKEN = /\\[a-zA-Z]+\*?|\\[\s\S]|[%#$]/g;
// In text: a formula of its own, what is escaped already, and what means something else there.
const TEXT_TOKEN = /\$[^$]*\$|\\\((?:(?!\\\))[\s\S])*\\\)|\\[\s\S]|[_%#&$]|\^(\w)/g;

/** TeX for `body`, or null if it must not be typeset. */
export function typesettable(body: string, display: boolean): string | null {
  let out = '';
  let at = 0;
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(body); found; found = TOKEN.exec(body)) {
    const [token] = found;
    out += body.slice(at, found.index);
    at = found.index + token.length;
    if (REFUSED.has(token.slice(1).replace('*', ''))) {
      return null;
    }
    if (token === '%') {
      if (/\d(?:\\[ ,;!])?\s*$/.test(out)) {
        out += '\\%'; // a percentage
      } else {
        const line = body.indexOf('\n', at);
        at = line < 0 ? body.length : line; // a comment
      }
    } else if (token === '#' || token === '$') {
      out += '\\' + token;
    } else {
      const group = groupAt(body, at);
      if (group && TEXT.test(token)) {
        const text = inText(group.content);
        if (text === null) {
          return null;
        }
        out += `${token}{${text}}`;
        at = group.end;
      } else if (group && (token === '\\label' || token === '\\require')) {
        at = group.end; // nothing can refer to a label, and a second one is an error
      } else if (group && !display && (token === '\\begin' || token === '\\end')) {
        const inner = INNER[group.content.replace('*', '')];
        out += `${token}{${inner ?? group.content}}`;
        at = group.end;
      } else {
        out += token;
      }
    }
    TOKEN.lastIndex = at;
  }
  // A delimiter after a backslash would be taken as escaped.
  return (out + body.slice(at)).replace(/[\\\s]+$/, '');
}

/** The content of `\text{...}` without what is an error there. */
function inText(text: string): string | null {
  const commands = text.match(/\\[a-zA-Z]+/g) ?? [];
  if (commands.some(command => REFUSED.has(command.slice(1)))) {
    return null;
  }
  return text.replace(TEXT_TOKEN, (token: string, raised?: string) =>
    raised ? `$^{${raised}}$` : token.length === 1 ? '\\' + token : token
  );
}

function groupAt(text: string, at: number): { content: string; end: number } | null {
  const start = /\s*\{/y;
  start.lastIndex = at;
  if (!start.test(text)) {
    return null;
  }
  let depth = 1;
  for (let i = start.lastIndex; i < text.length; i++) {
    if (text[i] === '\\') {
      i += 1;
    } else if (text[i] === '{') {
      depth += 1;
    } else if (text[i] === '}' && --depth === 0) {
      return { content: text.slice(start.lastIndex, i), end: i + 1 };
    }
  }
  return null;
}
