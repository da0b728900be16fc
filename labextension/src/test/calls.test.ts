import './page.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Calls } from '../calls.js';

const CALL = { function: { name: 'add', arguments: '{"a": 1}' } };

test('a call has the title that the kernel tells, and its arguments and result below', () => {
  const calls = new Calls();
  calls.show([{ ...CALL, result: '3' }], ['add(a=1) = 3']);
  assert.equal(calls.node.querySelector('summary')?.textContent, 'add(a=1) = 3');
  const parts = [...calls.node.querySelectorAll('pre')].map(part => part.textContent);
  assert.deepEqual(parts, ['{\n "a": 1\n}', '3']);
});

test('a call without a title is called by its name', () => {
  const calls = new Calls();
  calls.show([CALL]);
  assert.equal(calls.node.querySelector('summary')?.textContent, 'add');
});

test('in a title nothing is hidden or turned round', () => {
  const calls = new Calls();
  calls.show([CALL], ['add\u001b[2J\u202e()']);
  assert.equal(calls.node.querySelector('summary')?.textContent, 'add[2J()');
});
