import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answerOf, shownOf, wholeSeconds, type AnswerData } from '../data.js';

const ANSWER: AnswerData = {
  version: 1,
  id: 'a',
  model: 'glm-4-airx',
  seconds: 1,
  complete: true,
  sources: [],
  tool_calls: []
};
const MARKDOWN = 'head\n\nthink\n\nend\n\none\n\ntwo\n\nlast line';

test('a saved answer shows its parts of the markdown', () => {
  const blocks = { reasoning: [6, 11], text: [18, 23, 26] };
  assert.deepEqual(shownOf({ ...ANSWER, blocks }, MARKDOWN), {
    reasoning: { markdown: 'think', blocks: [0, 5] },
    text: { markdown: 'one\n\ntwo', blocks: [0, 5, 8] }
  });
});

test('without blocks, or with such as do not fit, it shows all the markdown', () => {
  const whole = { markdown: MARKDOWN, blocks: [0, MARKDOWN.length] };
  for (const text of [undefined, [3, 1], [0, 999], [-1, 2], ['0', 1], [0.5, 1]] as number[][]) {
    const shown = shownOf({ ...ANSWER, blocks: { reasoning: [], text } }, MARKDOWN);
    assert.deepEqual(shown.text, whole);
  }
  assert.deepEqual(shownOf(ANSWER, MARKDOWN).text, whole);
});

test('of an answer in a later form only the markdown is drawn', () => {
  const later = { version: 2, id: 'a', blocks: { text: 'elsewhere' } } as unknown as AnswerData;
  const { text, reasoning } = shownOf(answerOf(later), MARKDOWN);
  assert.deepEqual([text.markdown, reasoning.markdown], [MARKDOWN, '']);
  assert.deepEqual(answerOf(later).tool_calls, []);
});

test('a time that is running has whole seconds', () => {
  assert.equal(wholeSeconds(3.2), '3 s');
});

test('of a bundle that somebody has written only what has its type is taken', () => {
  for (const value of [null, 'x', [], {}, { words: 1, sources: {}, tool_calls: [null, 1] }]) {
    const answer = answerOf(value);
    assert.deepEqual(answer.sources, []);
    assert.equal(answer.model, '');
    assert.ok(answer.tool_calls.every(call => call.function.name === ''));
  }
  const words = { line: 'l', calls: ['c', 1], details: [['a', 'b'], 'x'] };
  const given = { ...ANSWER, words, sources: [{ title: 't', link: 5 }] };
  assert.deepEqual(answerOf(given).words?.details, [
    ['a', 'b'],
    ['', '']
  ]);
  assert.deepEqual(answerOf(given).sources, [{ title: 't', link: '' }]);
  assert.equal(answerOf(given).seconds, 1);
});
