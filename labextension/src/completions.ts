// What Tab offers on our lines, with a few words about each thing beside it.

import {
  KernelCompleterProvider,
  type CompletionHandler,
  type ICompletionContext,
  type ICompletionProvider
} from '@jupyterlab/completer';
import { consoleIcon, settingsIcon, type LabIcon } from '@jupyterlab/ui-components';

import { icon } from './icon.js';

const OURS = /^\s*%%?glm(\s|$)/;
const ICONS: Record<string, LabIcon | undefined> = {
  command: consoleIcon,
  model: icon,
  option: settingsIcon
};

interface Offer {
  text: string;
  type: string;
  signature: string;
}

/** As the kernel's own completions, which would show only the kind of each. */
export class Completions implements ICompletionProvider {
  readonly identifier = 'glm-jupyter:completions';
  readonly rank = 600; // before those, so that theirs are the ones left out as repeated
  readonly renderer = null;

  async isApplicable(context: ICompletionContext): Promise<boolean> {
    const { editor } = context;
    const line = editor?.getLine(editor.getCursorPosition().line) ?? '';
    return OURS.test(line) && (await this._kernel.isApplicable(context));
  }

  async fetch(
    request: CompletionHandler.IRequest,
    context: ICompletionContext
  ): Promise<CompletionHandler.ICompletionItemsReply> {
    const kernel = context.session?.kernel;
    const none = { start: request.offset, end: request.offset, items: [] };
    if (!kernel) {
      return none;
    }
    const contents = { code: request.text, cursor_pos: request.offset };
    const { content } = await kernel.requestComplete(contents);
    if (content.status !== 'ok') {
      return none;
    }
    const offers = content.metadata._jupyter_types_experimental as unknown as Offer[] | undefined;
    const items = (offers ?? []).map(({ text, type, signature }) => ({
      label: text,
      insertText: text,
      type: signature || type,
      icon: ICONS[type]
    }));
    return { start: content.cursor_start, end: content.cursor_end, items };
  }

  /** What is known of an item, for the panel beside the list. */
  resolve: KernelCompleterProvider['resolve'] = (...of) => this._kernel.resolve(...of);

  private readonly _kernel = new KernelCompleterProvider();
}
