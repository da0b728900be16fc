// What is left on a page of GitHub's: HTML through GitHub's list of what is allowed, its formulas
// typeset. From a JSON list of HTML on standard input to a JSON list of what is seen of each.

const { text } = require('node:stream/consumers');
const { pathToFileURL } = require('node:url');
const katex = require('katex');
const { parse } = require('node-html-parser');

const load = name => import(pathToFileURL(require.resolve(name)));

/** The formulas in a text between dollars, with braces in pairs, and what is left of the text. */
function typeset(words) {
  const found = [];
  let rest = '';
  for (let at = 0; at < words.length;) {
    const mark = /^(?:\\\$|\$\$?)/.exec(words.slice(at))?.[0] ?? '';
    const end = mark.startsWith('$') ? ending(words, at + mark.length, mark) : -1;
    if (end < 0) {
      rest += mark || words[at];
      at += mark.length || 1;
    } else {
      found.push(words.slice(at + mark.length, end).trim());
      at = end + mark.length;
    }
  }
  return { found, rest };
}

function ending(words, from, mark) {
  let depth = 0;
  for (let at = from; at < words.length; at++) {
    if (words[at] === '\\') {
      at += 1;
    } else if (depth === 0 && words.startsWith(mark, at)) {
      return at;
    } else {
      depth += { '{': 1, '}': -1 }[words[at]] ?? 0;
    }
  }
  return -1;
}

function seen(html) {
  const page = parse(html, { blockTextElements: {} });
  const formulas = [];
  const errors = [];
  const elements = {};
  const read = node => {
    for (const child of [...node.childNodes]) {
      if (child.nodeType === 3) {
        const { found, rest } = typeset(child.text);
        formulas.push(...found);
        for (const tex of found) {
          try {
            // As a display, for MathJax sets in a line what KaTeX does not: CD, numbers.
            katex.renderToString(tex, { displayMode: true, strict: false });
          } catch (error) {
            errors.push(String(error));
          }
        }
        child.rawText = rest;
      } else if (child.nodeType === 1) {
        const name = child.rawTagName.toLowerCase();
        elements[name] = (elements[name] ?? 0) + 1;
        if (name !== 'code' && name !== 'pre') {
          read(child);
        }
      }
    }
  };
  read(page);
  return { formulas, errors, elements, text: page.textContent };
}

async function main() {
  const { rehype } = await load('rehype');
  const { default: sanitize } = await load('rehype-sanitize');
  const allowed = rehype().data('settings', { fragment: true }).use(sanitize);
  const pages = JSON.parse(await text(process.stdin)).map(html =>
    String(allowed.processSync(html))
  );
  process.stdout.write(JSON.stringify(pages.map(html => ({ html, ...seen(html) }))));
}

void main();
