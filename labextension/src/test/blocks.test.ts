import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { mend, openCode, Splitter } from '../blocks.js';

function split(text: string, size = text.length || 1): string[] {
  const splitter = new Splitter();
  const blocks: string[] = [];
  for (let at = 0; at < text.length; at += size) {
    blocks.push(...splitter.append(text.slice(at, at + size)));
  }
  return [...blocks, ...splitter.end()].map(block => block.trim());
}

const WHOLE: [string, string[]][] = [
  ['one\ntwo\n\nthree', ['one\ntwo', 'three']],
  ['# Head\ntext', ['# Head', 'text']],
  ['Head\n---\ntext', ['Head\n---', 'text']],
  ['a\n\n---\n\nb', ['a', '---', 'b']],
  ['a\n```py\nx\n\ny\n```\nb', ['a', '```py\nx\n\ny\n```', 'b']],
  ['````\n```\n````\nb', ['````\n```\n````', 'b']],
  ['- a\n- b\n\n  more\n\n- c\n\nend', ['- a\n- b\n\n  more\n\n- c', 'end']],
  ['1. a\n   \\[\n   x\n   \\]\n2. b\n\nend', ['1. a\n   \\[\n   x\n   \\]\n2. b', 'end']],
  ['1. a\n   ```\n   x\n\n   y\n   ```\n2. b', ['1. a\n   ```\n   x\n\n   y\n   ```\n2. b']],
  ['\\[\na\n\n+ b\n- c\n\\]\n\nend', ['\\[\na\n\n+ b\n- c\n\\]', 'end']],
  ['$$\na\n# b\n$$\nend', ['$$\na\n# b\n$$\nend']],
  ['> a\n> ```\n> x\n\nend', ['> a\n> ```\n> x', 'end']],
  ['| a |\n|---|\n| 1 |\n\nend', ['| a |\n|---|\n| 1 |', 'end']],
  [
    '<details>\n<summary>s</summary>\n\na\n\n</details>\n\nend',
    ['<details>\n<summary>s</summary>\n\na\n\n</details>', 'end']
  ],
  ['text\n- a', ['text', '- a']],
  ['born in\n1985. A year', ['born in\n1985. A year']]
];

for (const [text, expected] of WHOLE) {
  test(`splits ${JSON.stringify(text)}`, () => {
    assert.deepEqual(split(text), expected);
  });
}

const TEXTS = ['covariance.md', 'hostile.md'].map(name =>
  readFileSync(new URL(`../../../tests/texts/${name}`, import.meta.url), 'utf8')
);

test('blocks do not depend on how the text is cut', () => {
  for (const text of [...TEXTS, ...WHOLE.map(([text]) => text)]) {
    for (const size of [1, 2, 3, 7, 50]) {
      assert.deepEqual(split(text, size), split(text));
    }
  }
});

test('no text is lost', () => {
  const bare = (text: string) => text.replace(/\s+/g, '');
  for (const text of TEXTS) {
    assert.equal(bare(split(text).join('')), bare(text));
  }
});

test('a long list is drawn in parts that go on counting', () => {
  const items = Array.from({ length: 200 }, (_, i) => `${i + 1}. item number ${i + 1} of many`);
  const blocks = split(items.join('\n'));
  assert.ok(blocks.length > 1);
  assert.ok(blocks.every(block => /^\d+\. item/.test(block)));
});

test('a formula that nothing closes does not swallow the rest', () => {
  const blocks = split('\\[ a\n\n' + 'A paragraph of prose.\n\n'.repeat(1000));
  assert.ok(blocks.length > 100);
});

test('code that is being written grows without its fences', () => {
  assert.equal(openCode('```py'), null);
  assert.deepEqual(openCode('```py\nx = 1\n``'), { info: 'py', code: 'x = 1' });
  assert.deepEqual(openCode('```\na\n\nb\n'), { info: '', code: 'a\n\nb' });
});

test('open emphasis is closed', () => {
  assert.equal(mend('so **bold te'), 'so **bold te**');
  assert.equal(mend('so **'), 'so ');
  assert.equal(mend('done **x** and `**`'), 'done **x** and `**`');
  assert.equal(mend('a \\'), 'a ');
});
