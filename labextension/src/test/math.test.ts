import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { portable, prepare, scan } from '../math.js';
import { typesettable } from '../tex.js';

interface Case {
  name: string;
  text: string;
  formulas: string[];
}

// The kernel's tests read the same cases (tests/unit/test_formulas_found.py).
const CASES = JSON.parse(
  readFileSync(new URL('../../../tests/texts/formulas.json', import.meta.url), 'utf8')
) as Case[];

const bare = (text: string) => text.replace(/\s/g, '');

for (const { name, text, formulas } of CASES) {
  test(`formulas are found: ${name}`, () => {
    const found = prepare(text)
      .formulas.filter(({ tex }) => tex !== null)
      .map(({ tex, display }) => (display ? `$$${tex}$$` : `$${tex}$`));
    assert.deepEqual(found.map(bare), formulas.map(bare));
  });
}

const TYPESET: [string, string][] = [
  ['\\text{a_b}', '\\text{a\\_b}'],
  ['\\text{if $y_1$ or \\(z_1\\)}', '\\text{if $y_1$ or \\(z_1\\)}'],
  ['\\text{m^2 is 5\\%}', '\\text{m$^{2}$ is 5\\%}'],
  ['x \\label{a}\\tag{1}', 'x \\tag{1}'],
  ['\\require{cancel}\\cancel{x}', '\\cancel{x}'],
  ['x\\ ', 'x']
];

for (const [body, tex] of TYPESET) {
  test(`typesets ${body}`, () => {
    assert.equal(typesettable(body, true), tex);
  });
}

test('pieces put together are the source', () => {
  for (const { text } of CASES) {
    const pieces = scan(text).map(piece => piece.source ?? piece.text);
    assert.equal(pieces.join(''), text);
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
