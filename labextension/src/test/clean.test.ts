import './page.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nodesOf, withoutDiagrams } from '../clean.js';
import { setAside, type Formula } from '../formulas.js';
import { english } from './english.js';
import { htmlOf } from './page.js';

const shown = ({ tex }: Formula) => document.createTextNode(`[${tex ?? 'refused'}]`);
const clean = (html: string, formulas: Formula[] = []) =>
  htmlOf(nodesOf(html, formulas, shown, english));

const CLEANED: [string, string, string][] = [
  ['classes, names and styles go', '<p class="jp-Dialog" id="a" style="x">a</p>', '<p>a</p>'],
  [
    'so they do in code',
    '<pre class="jp-Dialog"><span class="lm-MenuBar" id="a">a</span></pre>',
    '<pre><span>a</span></pre>'
  ],
  [
    'the colours of code stay',
    '<pre><code class="language-c++ jp-x"><span class="ͼ1 ͼa jp-x">a</span></code></pre>',
    '<pre><code class="language-c++"><span class="ͼ1 ͼa">a</span></code></pre>'
  ],
  ['unknown elements give their content', '<section><form>a<b>b</b></form></section>', 'a<b>b</b>'],
  [
    'what turns the text around goes',
    '<p>a\u202eb <code>\u2066c</code></p>',
    '<p>ab <code>c</code></p>'
  ],
  ['handlers go', '<b onclick="x()">a</b>', '<b>a</b>'],
  [
    'a link opens beside the page',
    '<a href="https://a.b/c" class="x">a</a>',
    '<a href="https://a.b/c" target="_blank" rel="noopener noreferrer">a</a>'
  ],
  [
    'an image is fetched on request',
    '<a href="https://a.b/c.png">image: cat</a>',
    '<button class="glm-Image" type="button" data-src="https://a.b/c.png" data-alt="cat">' +
      'Load image “cat” from a.b</button>'
  ],
  ['an image that is nowhere is its text', '<img src="x" alt="cat">', 'cat'],
  ['a field that is no tick goes', '<input type="password">', ''],
  [
    'a tick cannot be changed',
    '<input type="checkbox">',
    '<input type="checkbox" disabled="" aria-label="not done">'
  ]
];

for (const [name, html, cleaned] of CLEANED) {
  test(name, () => {
    assert.equal(clean(html), cleaned);
  });
}

for (const address of ['http:/api', 'https:a', '//a.b', '/a', 'javascript:x', 'http://', 'a']) {
  test(`${address} is no link`, () => {
    assert.equal(clean(`<a href="${address}">a</a>`), 'a');
  });
}

test('formulas are set aside, and put back where they stood', () => {
  const { markdown, formulas } = setAside('a $x_1$ $$y\\$$$');
  assert.deepEqual(
    formulas.map(({ tex, display }) => [tex, display]),
    [
      ['x_1', false],
      ['y\\$', true]
    ]
  );
  assert.equal(clean(`<p>${markdown}</p>`, formulas), '<p>a [x_1] [y\\$]</p>');
  assert.equal(clean(`<code>${markdown}</code>`, formulas), '<code>a $x_1$ $$y\\$$$</code>');
});

test('a formula that is nested too deeply is shown as it is written', () => {
  const nested = (count: number) => `$${'{'.repeat(count)}x${'}'.repeat(count)}$`;
  assert.equal(setAside(nested(51)).formulas[0].tex, null);
  assert.notEqual(setAside(nested(50)).formulas[0].tex, null);
});

test('dollars in a block of code are dollars', () => {
  const block = '```sh\necho $A $B\n```';
  assert.deepEqual(setAside(block), { markdown: block, formulas: [] });
});

test('the characters of the marks cannot be forged', () => {
  assert.equal(setAside('\uE0000\uE001 $x$').markdown, '\uFFFD0\uFFFD \uE0000\uE001');
});

test('a formula that would act is shown as it is written', () => {
  for (const tex of [
    '\\href{x}{y}',
    '\\style{x}{y}',
    '\\def\\a{b}',
    '\\let\\a\\href',
    '\\class{a}b'
  ]) {
    assert.equal(setAside(`$${tex}$`).formulas[0].tex, null);
  }
  for (const tex of ['\\lettuce', '\\delta', '\\hrefs', '\\urls', '\\define']) {
    assert.equal(setAside(`$${tex}$`).formulas[0].tex, tex);
  }
});

test('a diagram is code of no language, and reads as before', () => {
  for (const fence of ['```mermaid', '~~~ mermaid', '> ````Mermaid\t']) {
    const marked = withoutDiagrams(`${fence}\nA`);
    assert.doesNotMatch(marked, /[`~]\s*mermaid\s*\n/i);
    assert.equal(clean(marked), clean(`${fence}\nA`));
  }
});
