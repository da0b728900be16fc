import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import { absence, line, spent } from '../said.js';
import { Session } from '../session.js';
import { TARGET, type Link, type SessionMessage, type Standing } from '../stream.js';
import { english } from './english.js';

const STANDING: Standing = {
  model: 'glm-4.7',
  endpoint: 'bigmodel',
  trouble: '',
  running: [],
  answers: 1,
  spent: [['0.044', 'RMB']],
  unpriced: 0
};

/** A kernel and a link to it of which only what a session uses is there. */
function setUp({ loaded = false, language = 'python' } = {}) {
  const asked: string[] = [];
  const link = {
    told: new Signal<object, SessionMessage>({}),
    ask: (type: string) => asked.push(type),
    join: () => {
      link.told.emit({ type: 'joined' });
    }
  };
  const kernel = {
    loaded,
    statusChanged: new Signal<object, string>({}),
    info: Promise.resolve({ language_info: { name: language } }),
    requestCommInfo: () =>
      Promise.resolve({ content: { status: 'ok', comms: kernel.loaded ? { [TARGET]: {} } : {} } })
  };
  const session = new Session(
    kernel as unknown as Kernel.IKernelConnection,
    link as unknown as Link
  );
  return { session, kernel, link, asked };
}

const settled = () => new Promise(done => setTimeout(done));

test('where the extension is loaded the session is asked for', async () => {
  const { session, link, asked } = setUp({ loaded: true });
  await settled();
  assert.equal(session.presence, 'loaded');
  assert.deepEqual(asked, ['status']);
  link.told.emit({ type: 'status', ...STANDING });
  assert.equal(session.standing?.model, 'glm-4.7');
});

test('where it is not loaded that is said, until it is', async () => {
  const { session, link } = setUp();
  await settled();
  assert.match(absence(session, english), /%load_ext glm_jupyter/);
  link.told.emit({ type: 'joined' });
  assert.equal(session.presence, 'loaded');
  link.told.emit({ type: 'closed' });
  assert.equal(session.presence, 'missing');
});

test('a kernel with another version is said to have it', async () => {
  const { session, link } = setUp({ loaded: true });
  await settled();
  link.told.emit({ type: 'skewed', version: '0.2.0', older: true });
  assert.equal(session.presence, 'skewed');
  assert.match(absence(session, english), /an older glm-jupyter than the kernel \(0\.2\.0\)/);
  link.told.emit({ type: 'skewed', version: '0.2.0', older: false });
  assert.match(absence(session, english), /%pip install --upgrade glm-jupyter/);
});

test('a kernel of another language is not asked to load anything', async () => {
  const { session } = setUp({ language: 'R' });
  await settled();
  assert.match(absence(session, english), /Python kernels/);
});

test('after a restart it is looked for anew', async () => {
  const { session, kernel, link } = setUp({ loaded: true });
  await settled();
  link.told.emit({ type: 'status', ...STANDING });
  kernel.statusChanged.emit('restarting');
  assert.equal(session.standing, null);
  kernel.loaded = false;
  kernel.statusChanged.emit('idle');
  await settled();
  assert.equal(session.presence, 'missing');
});

test('the panel is asked for once', async () => {
  const { session, asked } = setUp({ loaded: true });
  await settled();
  session.askForPanel();
  session.askForPanel();
  assert.deepEqual(asked, ['status', 'panel']);
});

test('an unknown price is never said to be nothing', () => {
  assert.equal(spent({ ...STANDING, spent: [] }, english), 'nothing spent');
  assert.equal(
    spent({ ...STANDING, spent: [], unpriced: 1 }, english),
    '1 answer of unknown price'
  );
  assert.equal(
    spent({ ...STANDING, unpriced: 2 }, english),
    '0.044 RMB + 2 answers of unknown price'
  );
});

test('the line names who is answering', () => {
  assert.equal(line(STANDING, english), 'glm-4.7 · 0.044 RMB');
  const running = ['glm-4.7', 'glm-4.7', 'glm-5'];
  assert.equal(line({ ...STANDING, running }, english), 'glm-4.7, glm-5 is answering …');
});
