// Reads markdown as VS Code's notebooks do: markdown-it with VS Code's own KaTeX plugin.
// From a JSON list of markdown on standard input to a JSON list of what is seen of each.

const { readFileSync } = require('node:fs');
const MarkdownIt = require('markdown-it');
const katex = require('@vscode/markdown-it-katex').default;
const { parse } = require('node-html-parser');

// extensions/markdown-language-features/notebook and extensions/markdown-math of VS Code
const reader = MarkdownIt({ html: true, linkify: true });
reader.use(katex, { enableBareBlocks: true, enableFencedBlocks: true });

function seen(markdown) {
  const page = parse(reader.render(markdown), { blockTextElements: {} });
  const errors = page.querySelectorAll('.katex-error').map(node => node.getAttribute('title'));
  for (const node of page.querySelectorAll('.mord.text, [style*="color:#cc0000"]')) {
    errors.push(...(/#cc0000/.test(node.getAttribute('style') ?? '') ? [node.textContent] : []));
  }
  const formulas = page.querySelectorAll('.katex');
  const count = formulas.length;
  for (const formula of formulas) {
    formula.replaceWith('<formula></formula>');
  }
  const elements = {};
  for (const node of page.querySelectorAll('*')) {
    const name = node.rawTagName.toLowerCase();
    elements[name] = (elements[name] ?? 0) + 1;
  }
  return { formulas: count, errors, elements, text: page.textContent };
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(seen)));
