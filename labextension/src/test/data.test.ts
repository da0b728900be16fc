import assert from 'node:assert/strict';
import { test } from 'node:test';

import { shownOf, understood, wholeSeconds, type AnswerData } from '../data.js';

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
  assert.equal(understood(ANSWER), ANSWER);
  const later = { version: 2, id: 'a', blocks: { text: 'elsewhere' } } as unknown as AnswerData;
  const { text, reasoning } = shownOf(understood(later), MARKDOWN);
  assert.deepEqual([text.markdown, reasoning.markdown], [MARKDOWN, '']);
  assert.deepEqual(understood(later).tool_calls, []);
});

test('a time that is running has whole seconds', () => {
  assert.equal(wholeSeconds(3.2), '3 s');
});
