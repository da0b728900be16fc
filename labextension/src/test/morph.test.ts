import './page.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cut, weight } from '../cut.js';
import { morph } from '../morph.js';
import { htmlOf, nodes } from './page.js';

const PAIRS: [string, string][] = [
  ['', '<p>a</p>'],
  ['<p>a</p>', ''],
  ['<p>a</p>', '<p>a b</p><ul><li>c</li></ul>'],
  ['<p>a <b>b</b></p>', '<p>a <i>b</i> c</p>'],
  ['<p>a</p><p>b</p>', '<h1>a</h1>'],
  ['<code class="language-x">a</code>', '<code class="language-y">a</code>'],
  ['<code class="x">a</code>', '<code>a</code>'],
  ['<p><span class="glm-Math">x</span></p>', '<p><span class="glm-Math">xy</span></p>']
];

for (const [old, fresh] of PAIRS) {
  test(`${old || 'nothing'} becomes ${fresh || 'nothing'}`, () => {
    const target = nodes(old);
    morph(target, nodes(fresh));
    assert.equal(htmlOf(target), fresh);
  });
}

test('what is alike stays, and text grows where it stands', () => {
  const target = nodes('<p>one</p><p>two</p>');
  const [first, second] = target.children;
  const text = second.firstChild;
  morph(target, nodes('<p>one</p><p>two three</p>'));
  assert.equal(target.children[0], first);
  assert.equal(target.children[1].firstChild, text);
});

test('a fold that the reader opened stays open', () => {
  const target = nodes('<details open=""><summary>a</summary></details>');
  morph(target, nodes('<details><summary>b</summary></details>'));
  assert.equal(target.querySelector('details')?.hasAttribute('open'), true);
});

const DRAWN =
  '<p>ab<b>cd</b></p><ul><li>ef</li><li>gh</li></ul>' +
  '<div class="glm-CodeBar">Copy</div><span data-weight="5">x</span>ij';

test('what is drawn can be shown up to a place', () => {
  assert.equal(weight(nodes(DRAWN)), 15);
  const beginning = (left: number) => {
    const drawn = nodes(DRAWN);
    cut(drawn, left);
    return htmlOf(drawn);
  };
  assert.equal(beginning(0), '');
  assert.equal(beginning(3), '<p>ab<b>c</b></p>');
  assert.equal(beginning(6), '<p>ab<b>cd</b></p><ul><li>ef</li></ul>');
  assert.equal(beginning(14), DRAWN.slice(0, -1));
  assert.equal(beginning(Infinity), DRAWN);
});

test('a character is never cut in half', () => {
  const drawn = nodes('a😀b');
  cut(drawn, 2);
  assert.equal(htmlOf(drawn), 'a😀');
});
