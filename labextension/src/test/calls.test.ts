import assert from 'node:assert/strict';
import { test } from 'node:test';

import { callTitle } from '../calls.js';

const CALL = { function: { name: 'add', arguments: '{"a": 1, "who": "Ada"}' } };

test('the title says what is called', () => {
  assert.equal(callTitle(CALL), 'Call of add(a=1, who="Ada")');
});

test('the title says how a call went', () => {
  const made = { ...CALL, result: '3', seconds: 0.42, failed: false };
  assert.equal(callTitle(made), 'add(a=1, who="Ada") took 0.4 s');
  assert.equal(callTitle({ ...made, failed: true }), 'add(a=1, who="Ada") failed after 0.4 s');
});

test('of a call that took no time the title says the value', () => {
  const made = { ...CALL, result: '461\n', seconds: 0.01, failed: false };
  assert.equal(callTitle(made), 'add(a=1, who="Ada") = 461');
  assert.equal(callTitle({ ...made, result: '' }), 'add(a=1, who="Ada") returned nothing');
});

test('arguments that are still coming, or are no object, are left out', () => {
  const endless = '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000);
  for (const given of ['', '{"a": 1', '[1, 2]', 'null', endless]) {
    assert.equal(callTitle({ function: { name: 'f', arguments: given } }), 'Call of f(…)');
  }
  const made = { result: '3', seconds: 0.42, failed: false };
  assert.equal(callTitle({ function: { name: 'f', arguments: '' }, ...made }), 'f() took 0.4 s');
});

test('a title is one line in which nothing is hidden or turned round', () => {
  const call = { function: { name: 'f\u001b[2J\u202e', arguments: '{"a":"x\\u202e\\n\\ty"}' } };
  assert.equal(callTitle(call), 'Call of f[2J(a="x\\n\\ty")');
});

test('a long title is cut', () => {
  const call = { function: { name: 'f', arguments: JSON.stringify({ a: 'x'.repeat(999) }) } };
  assert.equal(callTitle(call).length, 'Call of '.length + 120);
});
