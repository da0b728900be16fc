import assert from 'node:assert/strict';
import { test } from 'node:test';

import { portable, prepare, scan } from '../math.js';

/** The formulas in a text, display ones between double bars. */
function formulas(source: string): string[] {
  return prepare(source).formulas.map(({ tex, display }) => (display ? `||${tex}||` : tex));
}

const FOUND: [string, string, string[]][] = [
  ['inline dollars', 'a $x$ b', ['x']],
  ['spaces inside the dollars', 'a $ x^2 $ b', ['x^2']],
  ['GLM inline', 'a \\( x \\) b', ['x']],
  ['GLM display', 'a\n\\[\nx\n\\]\nb', ['||x||']],
  ['escaped once more', 'a \\\\(x\\\\) and \\\\[y\\\\]', ['x', '||y||']],
  ['display dollars in a sentence', 'so $$x$$ holds', ['||x||']],
  [
    'a bare environment',
    '\\begin{align}a&=b\\\\c&=d\\end{align}',
    ['||\\begin{align}a&=b\\\\c&=d\\end{align}||']
  ],
  [
    'a line break with space inside of a matrix',
    '\\[\\begin{pmatrix}1\\\\[2pt]2\\end{pmatrix}\\]',
    ['||\\begin{pmatrix}1\\\\[2pt]2\\end{pmatrix}||']
  ],
  ['a blank line inside of display', '$$\na\n\nb\n$$', ['||a\n\nb||']],
  ['prices', 'It costs $5 and $10', []],
  ['a price before a formula', '$5, where $x=5$', ['x=5']],
  ['a range of prices', '$5-$10', []],
  ['an escaped dollar', '\\$5 and \\$10', []],
  ['a formula beside Chinese', '中文$x^2$中文', ['x^2']],
  ['dollars inside of text', '$x \\text{ if $y$}$', ['x \\text{ if $y$}']],
  ['bars in a table', '| $|z|$ | b |\n|---|---|', ['|z|']],
  ['code', '`$a$` and ``\\(b\\)``', []],
  ['a fence', '```tex\n\\(a\\) $b$\n```\nthen $c$', ['c']],
  ['a fence in a list', '- a\n  ~~~\n  $x$\n  ~~~\n- $y$', ['y']],
  ['a delimiter that nothing closes', 'a \\( x and more', []],
  ['an inline formula over a blank line', '\\(a\n\nb\\)', []],
  ['less and greater', '$a<b$ and $c>d$', ['a<b', 'c>d']]
];

for (const [name, source, expected] of FOUND) {
  test(`finds mathematics: ${name}`, () => {
    assert.deepEqual(formulas(source), expected);
  });
}

test('pieces put together are the source', () => {
  for (const [, source] of FOUND) {
    assert.equal(
      scan(source)
        .map(piece => piece.source ?? piece.text)
        .join(''),
      source
    );
  }
});

test('a formula that is still being written is shown as one', () => {
  assert.deepEqual(
    prepare('then \\(\\frac{a', true).formulas.map(({ tex, open }) => [tex, open]),
    [['\\frac{a', true]]
  );
  assert.equal(prepare('then \\(\\frac{a', false).markdown, 'then \\(\\frac{a');
});

test('the characters of the marks cannot be forged', () => {
  assert.equal(prepare('\uE0000\uE001 $x$').markdown, '\uFFFD0\uFFFD \uE0000\uE001');
});

test('nothing of a formula is in the markdown, whatever stands beside it', () => {
  const source = 'https://example.com/$\\text{" onclick="x()}$ <a href="$\\text{">}$">';
  assert.equal(
    prepare(source).markdown,
    'https://example.com/\uE0000\uE001 <a href="\uE0001\uE001">'
  );
});

test('marks that JupyterLab itself would use are no marks here', () => {
  assert.equal(prepare('$x$ @@0@@ @\\@1@@').markdown, '\uE0000\uE001 @@0@@ @\\@1@@');
});

test('a copy has delimiters that notebooks know', () => {
  assert.equal(portable('a \\( x \\), `\\(c\\)`'), 'a $x$, `\\(c\\)`');
  assert.equal(portable('a\n\\[\nx\n\n\\]'), 'a\n\n$$\nx\n$$\n');
});
