// The function calls of an answer, each in a fold: the call and its time, arguments and result.

import { duration, type CallData } from './data.js';
import { element, write } from './dom.js';

const LONGEST_TITLE = 120;
const LONGEST_VALUE = 60;
const LONGEST_PART = 20000;
const AT_ONCE = 0.05; // seconds

// Control characters, and the overrides of direction that can make text lie.
const UNSEEN = /(?![\n\t])[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** Shows calls as plain text. A newer state keeps what the reader has unfolded. */
export class Calls {
  readonly node = element('div', 'glm-Calls');

  show(calls: CallData[]): void {
    this.node.hidden = calls.length === 0;
    while (this._views.length > calls.length) {
      this._views.pop()?.node.remove();
    }
    calls.forEach((call, index) => {
      let view = this._views[index];
      if (!view) {
        view = new CallView();
        this._views.push(view);
        this.node.append(view.node);
      }
      view.show(call);
    });
  }

  private readonly _views: CallView[] = [];
}

class CallView {
  readonly node = element('details', 'glm-Call');

  constructor() {
    this.node.append(this._title, this._given, this._result);
  }

  show(call: CallData): void {
    write(this._title, callTitle(call));
    write(this._given, short(visible(indented(call.function.arguments)), LONGEST_PART));
    write(this._result, short(visible(call.result ?? ''), LONGEST_PART));
    this._result.hidden = call.result === undefined;
  }

  private readonly _title = element('summary');
  private readonly _given = element('pre', 'glm-mod-arguments');
  private readonly _result = element('pre', 'glm-mod-result');
}

/** What was called, and its value, or how long it took where that is to be noticed. */
export function callTitle(call: CallData): string {
  const { name } = call.function;
  // Some servers write nothing where there are no arguments.
  const given = call.function.arguments || (call.result === undefined ? '' : '{}');
  const line = visible(`${name}(${listed(given)})`).replace(/\s+/g, ' ');
  const what = short(line, LONGEST_TITLE);
  if (call.result === undefined) {
    return `Call of ${what}`;
  }
  const seconds = call.seconds ?? 0;
  if (call.failed || seconds >= AT_ONCE) {
    return `${what} ${call.failed ? 'failed after' : 'took'} ${duration(seconds)}`;
  }
  const value = visible(call.result).trim().replace(/\s+/g, ' ');
  return value ? `${what} = ${short(value, LONGEST_VALUE)}` : `${what} returned nothing`;
}

/** The arguments in a line; of what is still coming, or is no object, nothing. */
function listed(given: string): string {
  try {
    const value: unknown = JSON.parse(given);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return Object.entries(value)
        .map(([name, part]) => `${name}=${JSON.stringify(part)}`)
        .join(', ');
    }
  } catch {
    // no JSON, or nested too deeply
  }
  return '…';
}

/** JSON in lines; what is none as the model wrote it. */
function indented(given: string): string {
  try {
    return JSON.stringify(JSON.parse(given), null, 1);
  } catch {
    return given;
  }
}

function visible(text: string): string {
  return text.replace(UNSEEN, '');
}

function short(text: string, longest: number): string {
  return text.length <= longest ? text : text.slice(0, longest - 1) + '…';
}
