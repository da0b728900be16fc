// What a kernel says of an answer, and where in its markdown the blocks begin.

import type { TranslationBundle } from '@jupyterlab/translation';

/** A function call, with its result once it was made. */
export interface CallData {
  function: { name: string; arguments: string };
  result?: string;
}

/** All that is said about an answer, in words that the kernel chose; what is empty is not said. */
export interface Words {
  thought: string;
  ending: string;
  line: string;
  /** The titles of the calls, in their order. */
  calls: string[];
  /** What each thing that was made is. */
  media?: string[];
  details: [string, string][];
}

/** What was made; its bytes are in the bundle's own types, or in the file beside the notebook. */
export interface MediaData {
  kind: 'image' | 'video' | 'audio';
  mime: string;
  path: string | null;
  width: number | null;
  height: number | null;
  seconds: number | null;
}

/** The payload of `application/vnd.glm-jupyter.answer+json`, version 1, as far as it is shown. */
export interface AnswerData {
  version: number;
  id: string;
  model: string;
  /** What the model sent; not of an answer that is growing. */
  text?: string;
  reasoning?: string;
  seconds: number | null;
  complete: boolean;
  sources: { title?: string; link?: string }[];
  tool_calls: CallData[];
  media?: MediaData[];
  words?: Words;
  /** What is shown is the value that the text, JSON, stands for. */
  structured?: boolean;
  /** Where the blocks of each part begin in the bundle's markdown, and the last one ends. */
  blocks?: { text: number[]; reasoning: number[] };
}

/** Markdown in blocks: where each begins, and at last where the last one ends. */
export interface Marked {
  markdown: string;
  blocks: number[];
}

/** An answer's two texts, as they are shown. */
export interface Shown {
  text: Marked;
  reasoning: Marked;
}

/** That of the payload, which the kernel's answer.py writes. */
const VERSION = 1;

export const NOTHING: Marked = { markdown: '', blocks: [] };

/**
 * What a bundle says of an answer. A file can be written by anybody, and a view that fails would
 * take the rest of the notebook with it: what is not of its type is left out. Of an answer of
 * another version only the bundle's markdown can be drawn.
 */
export function answerOf(value: unknown): AnswerData {
  const given = record(value);
  if (given.version !== VERSION) {
    const markdownAlone = { model: '', seconds: 0, complete: true, sources: [], tool_calls: [] };
    return { version: VERSION, id: string(given.id), ...markdownAlone };
  }
  const words = record(given.words);
  return {
    version: VERSION,
    id: string(given.id),
    model: string(given.model),
    text: string(given.text),
    reasoning: string(given.reasoning),
    seconds: number(given.seconds),
    complete: given.complete === true,
    sources: list(given.sources).map(source => ({
      title: string(record(source).title),
      link: string(record(source).link)
    })),
    tool_calls: list(given.tool_calls).map(callOf),
    media: list(given.media).map(mediaOf),
    ...(given.words === undefined
      ? {}
      : {
          words: {
            thought: string(words.thought),
            ending: string(words.ending),
            line: string(words.line),
            calls: strings(words.calls),
            media: strings(words.media),
            details: list(words.details).map(row => {
              const [name = '', said = ''] = strings(row);
              return [name, said];
            })
          }
        }),
    structured: given.structured === true,
    blocks: given.blocks as AnswerData['blocks']
  };
}

function callOf(value: unknown): CallData {
  const { function: called, result } = record(value);
  const { name, arguments: given } = record(called);
  return {
    function: { name: string(name), arguments: string(given) },
    ...(result === undefined ? {} : { result: string(result) })
  };
}

function mediaOf(value: unknown): MediaData {
  const { kind, mime, path, width, height, seconds } = record(value);
  return {
    kind: kind === 'video' || kind === 'audio' ? kind : 'image',
    mime: string(mime),
    path: typeof path === 'string' ? path : null,
    width: number(width),
    height: number(height),
    seconds: number(seconds)
  };
}

export function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function strings(value: unknown): string[] {
  return list(value).map(string);
}

export function string(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

/** Whether the answer may still grow: its clock has not been stopped. */
export function isRunning(data: AnswerData): boolean {
  return data.seconds === null || data.seconds === undefined;
}

/** An answer whose kernel went before the end: what it said last is not how the answer ended. */
export function withoutKernel(data: AnswerData, trans: TranslationBundle): AnswerData {
  const words: Words = {
    thought: trans.__('Thought'),
    ending: trans.__('Not complete: the kernel stopped before the end of the answer.'),
    line: data.model,
    calls: data.words?.calls ?? [],
    details: []
  };
  return { ...data, complete: false, words };
}

/** What a saved answer shows: parts of the bundle's markdown, or all of it as one block. */
export function shownOf(data: AnswerData, markdown: string): Shown {
  const text = part(markdown, data.blocks?.text);
  const reasoning = part(markdown, data.blocks?.reasoning);
  return text && reasoning
    ? { text, reasoning }
    : { text: { markdown, blocks: [0, markdown.length] }, reasoning: NOTHING };
}

/** The part of `markdown` that has these blocks; null where they do not fit it. */
function part(markdown: string, blocks: number[] | undefined): Marked | null {
  if (!Array.isArray(blocks)) {
    return null;
  }
  const start = blocks.at(0) ?? 0;
  const fit = blocks.every(
    (place, index) =>
      Number.isInteger(place) && place >= (blocks[index - 1] ?? 0) && place <= markdown.length
  );
  return fit
    ? {
        markdown: markdown.slice(start, blocks.at(-1) ?? 0),
        blocks: blocks.map(place => place - start)
      }
    : null;
}

/** A duration that is still running: "3 s", "1 min 1 s". */
export function wholeSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
