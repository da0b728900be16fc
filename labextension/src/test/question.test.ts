import assert from 'node:assert/strict';
import { test } from 'node:test';

import { asking } from '../question.js';

test('what is asked about is quoted in its language', () => {
  assert.equal(
    asking('Why?', [
      { text: 'x = 1\n', language: 'python' },
      { text: '# Title', language: 'markdown' }
    ]),
    '%%glm\nWhy?\n\n```python\nx = 1\n```\n\n```markdown\n# Title\n```'
  );
});

test('a fence is longer than those in what it holds', () => {
  assert.match(asking('Why?', [{ text: '"````"', language: '' }]), /\n`````\n"````"\n`````$/);
});

test('double braces that are quoted are sent as they stand', () => {
  assert.match(asking('Why?', [{ text: 'f"{{x}}"', language: 'python' }]), /^%%glm --raw\nWhy\?/);
});

test('without anything to quote there is only the question', () => {
  assert.equal(asking('Why?', []), '%%glm\nWhy?');
});
