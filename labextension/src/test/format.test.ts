import assert from 'node:assert/strict';
import { test } from 'node:test';

import { details, duration, ending, price, summary, thought, type AnswerData } from '../format.js';

const ANSWER: AnswerData = {
  version: 1,
  id: 'a',
  model: 'glm-4-airx',
  endpoint: 'bigmodel',
  text: 'Hello.',
  reasoning: '',
  usage: {
    prompt_tokens: 12,
    completion_tokens: 1530,
    total_tokens: 1542,
    cached_tokens: 0,
    reasoning_tokens: 530
  },
  cost: '0.00918',
  currency: 'RMB',
  finish_reason: 'stop',
  complete: true,
  request_id: 'r1',
  seconds: 3.21,
  first_token_seconds: 0.4,
  thinking_seconds: 12.3,
  sources: [],
  tool_calls: []
};

test('the last line says what the answer took', () => {
  assert.equal(
    summary(ANSWER).join(' · '),
    'glm-4-airx · 12 → 1\u202f530 tokens · 0.00918 RMB · 3.2 s'
  );
});

test('an unknown price is not shown as none', () => {
  assert.equal(price({ ...ANSWER, cost: null }), 'cost unknown');
  assert.equal(price({ ...ANSWER, cost: '0.00' }), 'free');
  const usage = { ...ANSWER.usage, estimated: true };
  assert.equal(price({ ...ANSWER, usage }), 'at least 0.00918 RMB');
});

test('the fold says for how long was thought', () => {
  assert.equal(thought(ANSWER, null), 'Thought for 12 s, 530 tokens');
  assert.equal(thought(ANSWER, 61), 'Thinking… 1 min 1 s');
});

test('times are as in the saved markdown', () => {
  const times = [0, 0.44, 9.94, 9.96, 59.4, 59.6, 125].map(duration);
  assert.deepEqual(times, ['0.0 s', '0.4 s', '9.9 s', '10 s', '59 s', '1 min 0 s', '2 min 5 s']);
});

test('an answer that is not whole says so', () => {
  assert.equal(ending(ANSWER), null);
  const cut = { ...ANSWER, complete: false, finish_reason: 'length' };
  assert.equal(ending(cut), 'Cut off at the token limit.');
  assert.ok(ending({ ...ANSWER, complete: false, finish_reason: null }));
});

test('the details name the request', () => {
  assert.ok(details(ANSWER).some(([name, value]) => name === 'Request id' && value === 'r1'));
});
