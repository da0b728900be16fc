// What an answer's data look like, and the words for them.

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
  estimated?: boolean;
}

/** A function call, with its result once it was made. */
export interface CallData {
  function: { name: string; arguments: string };
  result?: string;
  seconds?: number;
  failed?: boolean;
}

/** The payload of `application/vnd.glm-jupyter.answer+json`, version 1. */
export interface AnswerData {
  version: number;
  id: string;
  model: string;
  endpoint: string;
  text: string;
  reasoning: string;
  usage: Usage;
  cost: string | null;
  currency: string | null;
  finish_reason: string | null;
  complete: boolean;
  request_id: string | null;
  seconds: number | null;
  first_token_seconds: number | null;
  thinking_seconds?: number | null;
  sources: { title?: string; link?: string }[];
  tool_calls: CallData[];
  notes?: string[];
  /** Of a structured answer: its value, to be shown in place of the text. */
  value_markdown?: string;
}

/** Whether the answer may still grow: its clock has not been stopped. */
export function isRunning(data: AnswerData): boolean {
  return data.seconds === null || data.seconds === undefined;
}

/** The last line of an answer: model, tokens, cost, seconds and what else is to be known. */
export function summary(data: AnswerData): string[] {
  const { usage } = data;
  const parts = [data.model];
  if (usage.total_tokens) {
    const about = usage.estimated ? '≈ ' : '';
    parts.push(`${about}${count(usage.prompt_tokens)} → ${count(usage.completion_tokens)} tokens`);
  }
  parts.push(price(data));
  if (!isRunning(data)) {
    parts.push(duration(data.seconds ?? 0));
  }
  return [...parts, ...(data.notes ?? [])];
}

/** What the answer cost, in words: an unknown price is never shown as none. */
export function price(data: AnswerData): string {
  if (data.cost === null) {
    return 'cost unknown';
  }
  if (/^[0.]*$/.test(data.cost)) {
    return 'free';
  }
  const least = data.usage.estimated ? 'at least ' : '';
  return `${least}${data.cost} ${data.currency ?? ''}`.trimEnd();
}

/** Why an answer that has ended is not whole; null where it is. */
export function ending(data: AnswerData): string | null {
  if (data.complete || isRunning(data)) {
    return null;
  }
  switch (data.finish_reason) {
    case 'length':
      return 'Cut off at the token limit.';
    case 'model_context_window_exceeded':
      return "Cut off: the model's context window is full.";
    default:
      return 'Not complete: the answer stopped here.';
  }
}

/** The details behind the last line, as pairs of name and value. */
export function details(data: AnswerData): [string, string][] {
  const { usage } = data;
  const rows: [string, string | null][] = [
    ['Model', `${data.model} (${data.endpoint})`],
    ['Input tokens', count(usage.prompt_tokens)],
    ['of them cached', count(usage.cached_tokens)],
    ['Output tokens', count(usage.completion_tokens)],
    ['of them reasoning', count(usage.reasoning_tokens)],
    ['Cost', price(data)],
    [
      'First token after',
      data.first_token_seconds === null ? null : duration(data.first_token_seconds)
    ],
    ['Took', isRunning(data) ? null : duration(data.seconds ?? 0)],
    ['Finish reason', data.finish_reason],
    ['Request id', data.request_id]
  ];
  return rows.filter((row): row is [string, string] => row[1] !== null);
}

/** The title of the reasoning's fold. */
export function thought(data: AnswerData, thinkingFor: number | null): string {
  if (thinkingFor !== null) {
    return `Thinking… ${wholeSeconds(thinkingFor)}`;
  }
  const seconds = data.thinking_seconds ?? null;
  const tokens = data.usage.reasoning_tokens;
  const parts = [
    seconds === null ? null : `for ${duration(seconds)}`,
    tokens ? `${count(tokens)} tokens` : null
  ].filter(part => part !== null);
  return parts.length ? `Thought ${parts.join(', ')}` : 'Reasoning';
}

function wholeSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** A duration for people, as in the saved markdown: "0.4 s", "12 s", "2 min 5 s". */
export function duration(seconds: number): string {
  return seconds < 9.95 ? `${seconds.toFixed(1)} s` : wholeSeconds(seconds);
}

function count(tokens: number): string {
  return tokens.toLocaleString('en-US').replaceAll(',', '\u202f');
}
