// The function calls of an answer, each in a fold: its title, arguments and result.

import type { CallData } from './data.js';
import { element, write } from './dom.js';

const LONGEST_PART = 20000;

/** Shows calls as plain text. A newer state keeps what the reader has unfolded. */
export class Calls {
  readonly node = element('div', 'glm-Calls');

  /** `titles` are the kernel's; a call without one is called by its name. */
  show(calls: CallData[], titles: string[] = []): void {
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
      view.show(call, titles[index] ?? call.function.name);
    });
  }

  private readonly _views: CallView[] = [];
}

class CallView {
  readonly node = element('details', 'glm-Call');

  constructor() {
    this.node.append(this._title, this._given, this._result);
  }

  show(call: CallData, title: string): void {
    write(this._title, title);
    write(this._given, short(indented(call.function.arguments), LONGEST_PART));
    write(this._result, short(call.result ?? '', LONGEST_PART));
    this._result.hidden = call.result === undefined;
  }

  private readonly _title = element('summary');
  private readonly _given = element('pre', 'glm-mod-arguments');
  private readonly _result = element('pre', 'glm-mod-result');
}

/** JSON in lines; what is none as the model wrote it. */
function indented(given: string): string {
  try {
    return JSON.stringify(JSON.parse(given), null, 1);
  } catch {
    return given;
  }
}

function short(text: string, longest: number): string {
  return text.length <= longest ? text : text.slice(0, longest - 1) + '…';
}
