import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Kernel } from '@jupyterlab/services';

import { NOTHING, type AnswerData } from '../data.js';
import {
  Link,
  PROTOCOL,
  Streams,
  TARGET,
  type Live,
  type Notebooks,
  type Place,
  type SessionMessage
} from '../stream.js';
import { english } from './english.js';

/** A kernel connection of which only what the stream uses is there. */
class FakeKernel {
  readonly id = 'k';
  readonly handleComms = true;
  readonly said: { type: string; protocol?: number; id?: string }[] = [];

  /** What the page has said after its hello. */
  get asked() {
    return this.said.slice(1);
  }

  open: ((comm: Kernel.IComm, message: unknown) => void) | null = null;
  comm: { onMsg: (message: unknown) => void } | null = null;
  private readonly _listeners: Record<string, ((sender: unknown, value: unknown) => void)[]> = {};

  readonly iopubMessage = this._signal('iopub');
  readonly statusChanged = this._signal('status');
  readonly disposed = this._signal('disposed');

  registerCommTarget(_: string, open: (comm: Kernel.IComm, message: unknown) => void): void {
    this.open = open;
  }

  hasComm(): boolean {
    return this.comm !== null;
  }

  createComm(): Kernel.IComm {
    const comm = {
      isDisposed: false,
      onMsg: () => undefined,
      send: (data: { type: string }) => this.said.push(data)
    };
    this.comm = comm;
    return comm as unknown as Kernel.IComm;
  }

  /** Open the comm, as `%load_ext` does. */
  greet(protocol = PROTOCOL): void {
    const data = { type: 'hello', protocol, version: '9.9' };
    this.open?.(this.createComm(), { content: { comm_id: TARGET, data } });
  }

  /** As JupyterLab does: the comm gets the message, then all are told of it. */
  receive(data: unknown): void {
    const message = { header: { msg_type: 'comm_msg' }, content: { comm_id: TARGET, data } };
    this.comm?.onMsg(message);
    this.emit('iopub', message);
  }

  emit(name: string, value: unknown): void {
    for (const listener of this._listeners[name] ?? []) {
      listener(this, value);
    }
  }

  private _signal(name: string) {
    return {
      connect: (listener: (sender: unknown, value: unknown) => void) => {
        (this._listeners[name] ??= []).push(listener);
      }
    };
  }
}

/** A notebook that has the answer's display, or not. */
class FakeNotebooks implements Notebooks {
  readonly adopted: string[] = [];
  readonly finished: Record<string, unknown>[] = [];
  readonly kept: string[] = [];
  final = false;
  waiting: string[] = [];

  began = (_: string, live: Live) => this.adopted.push(live.data.id);
  isFinal = () => this.final;
  finish = (_: string, __: string, ___: Place, bundle: Record<string, unknown>) => {
    this.finished.push(bundle);
    return Promise.resolve();
  };
  keep = (_: string, live: Live) => this.kept.push(live.shown.text.markdown);
  above = () => [];
  unfinished = () => this.waiting;
}

function setUp(waiting: string[] = []) {
  const kernel = new FakeKernel();
  const notebooks = new FakeNotebooks();
  notebooks.waiting = waiting;
  const streams = new Streams();
  const connection = kernel as unknown as Kernel.IKernelConnection;
  const link = new Link(connection, streams, notebooks, english, 'zh-CN');
  return { kernel, link, notebooks, streams };
}

function state(n: number, text: string, id = 'a') {
  const answer = { id, seconds: null, complete: false } as AnswerData;
  const shown = { text: { markdown: text, blocks: [0, text.length] }, reasoning: NOTHING };
  return { type: 'state', n, id, cell: 'c', display: 'd', request: 'r', answer, shown };
}

/** What changes the answer from the place `at` on, in its one block. */
function edit(n: number, at: number, text: string, id = 'a') {
  return {
    type: 'edit',
    id,
    n,
    text: { at, text, keep: 1, blocks: [at + text.length] }
  };
}

test('says hello, and in which language it is read, when the kernel opens the channel', () => {
  const { kernel } = setUp();
  kernel.greet();
  assert.deepEqual(kernel.said, [{ type: 'hello', protocol: PROTOCOL, language: 'zh-CN' }]);
});

for (const [protocol, older] of [
  [PROTOCOL + 1, true],
  [PROTOCOL - 1, false]
] as const) {
  test(`a kernel that speaks protocol ${protocol} is not listened to, which is said`, () => {
    const { kernel, link, streams } = setUp();
    const told: SessionMessage[] = [];
    link.told.connect((_, message) => told.push(message));
    kernel.greet(protocol);
    kernel.receive(state(0, 'one'));
    assert.equal(streams.get('a'), undefined);
    assert.deepEqual(told, [{ type: 'skewed', version: '9.9', older }]);
  });

  test(`a page that joins late hears that the kernel speaks protocol ${protocol}`, () => {
    const { kernel, link, streams } = setUp();
    const told: SessionMessage[] = [];
    link.told.connect((_, message) => told.push(message));
    link.join();
    assert.deepEqual(kernel.said, [{ type: 'hello', protocol: PROTOCOL, language: 'zh-CN' }]);
    kernel.receive({ type: 'hello', protocol, version: '9.9' });
    kernel.receive(state(0, 'one'));
    assert.equal(streams.get('a'), undefined);
    assert.deepEqual(told.at(-1), { type: 'skewed', version: '9.9', older });
  });
}

test('a kernel that was brought up to date is listened to after its restart', () => {
  const { kernel, streams } = setUp();
  kernel.greet(PROTOCOL + 1);
  kernel.greet(PROTOCOL);
  kernel.receive(state(0, 'one'));
  assert.equal(streams.get('a')?.shown.text.markdown, 'one');
});

test('edits grow the answer', () => {
  const { kernel, streams } = setUp();
  kernel.receive(state(0, 'one'));
  kernel.receive(edit(1, 3, ' two'));
  assert.equal(streams.get('a')?.shown.text.markdown, 'one two');
});

test('an edit takes back what a later text has made another', () => {
  const { kernel, streams } = setUp();
  kernel.receive(state(0, 'so **bo**'));
  const text = { at: 7, text: 'ld** it is\n\nnext', keep: 1, blocks: [19, 23] };
  kernel.receive({ type: 'edit', id: 'a', n: 1, text });
  assert.deepEqual(streams.get('a')?.shown, {
    text: { markdown: 'so **bold** it is\n\nnext', blocks: [0, 19, 23] },
    reasoning: NOTHING
  });
});

test('a repeated message changes nothing', () => {
  const { kernel, streams } = setUp();
  kernel.receive(state(0, 'one'));
  kernel.receive(edit(1, 3, ' two'));
  kernel.receive(edit(1, 3, ' two'));
  assert.equal(streams.get('a')?.shown.text.markdown, 'one two');
});

test('after a gap the whole state is asked for', () => {
  const { kernel, streams } = setUp();
  kernel.receive(state(0, 'one'));
  kernel.receive(edit(2, 7, ' three'));
  kernel.receive(edit(3, 13, ' four'));
  assert.deepEqual(kernel.asked, [{ type: 'state', id: 'a' }]);
  kernel.receive(state(4, 'one two three four'));
  kernel.receive(edit(5, 18, ' five'));
  assert.equal(streams.get('a')?.shown.text.markdown, 'one two three four five');
});

test('a page that comes late asks for the state', () => {
  const { kernel, notebooks, streams } = setUp();
  kernel.receive(edit(7, 3, ' more'));
  assert.deepEqual(kernel.asked, [{ type: 'state', id: 'a' }]);
  kernel.receive(state(8, 'all the more'));
  assert.equal(streams.get('a')?.shown.text.markdown, 'all the more');
  assert.deepEqual(notebooks.adopted, ['a']);
});

test('a page that missed the final display asks for it', async () => {
  const { kernel, notebooks, streams } = setUp();
  kernel.receive(state(0, 'one'));
  kernel.receive({ type: 'end', id: 'a' });
  assert.deepEqual(kernel.asked, [{ type: 'state', id: 'a' }]);
  kernel.receive({ type: 'end', id: 'a', bundle: { 'text/plain': 'one' } });
  assert.deepEqual(notebooks.finished, [{ 'text/plain': 'one' }]);
  await Promise.resolve(); // for the notebook to be written
  assert.equal(streams.get('a'), undefined);
});

test('a page that has the final display asks for nothing', () => {
  const { kernel, notebooks, streams } = setUp();
  kernel.receive(state(0, 'one'));
  notebooks.final = true;
  kernel.receive({ type: 'end', id: 'a' });
  assert.deepEqual(kernel.asked, []);
  assert.equal(streams.get('a'), undefined);
});

test('an answer that a saved notebook shows as unfinished is asked for', () => {
  const { kernel } = setUp(['a']);
  assert.deepEqual(kernel.asked, [{ type: 'state', id: 'a' }]);
});

test('what has come is kept when the kernel restarts', () => {
  const { kernel, notebooks, streams } = setUp();
  kernel.receive(state(0, 'one'));
  kernel.receive(edit(1, 3, ' two'));
  const live = streams.get('a');
  kernel.emit('status', 'restarting');
  assert.deepEqual(notebooks.kept, ['one two']);
  assert.equal(live?.over, true);
  assert.equal(live?.data.complete, false);
});

test('two answers at once do not mix', () => {
  const { kernel, streams } = setUp();
  kernel.receive(state(0, 'a0', 'a'));
  kernel.receive(state(0, 'b0', 'b'));
  kernel.receive(edit(1, 2, 'a1', 'a'));
  kernel.receive(edit(1, 2, 'b1', 'b'));
  assert.equal(streams.get('a')?.shown.text.markdown, 'a0a1');
  assert.equal(streams.get('b')?.shown.text.markdown, 'b0b1');
});
