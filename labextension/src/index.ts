// Wires the parts of the extension into JupyterLab and Notebook.

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { Kernel } from '@jupyterlab/services';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

import { AnswerView } from './answer.js';
import { showPrompts } from './cell.js';
import { COLUMNS_MIME, ColumnsView } from './columns.js';
import { followMenu } from './cells.js';
import { addCommands, COMMANDS } from './commands.js';
import type { Context } from './context.js';
import { offerExplanations } from './failure.js';
import { Completions } from './completions.js';
import { confirmInsertion } from './insertion.js';
import { tellInPage } from './interrupt.js';
import { keepKeys } from './keys.js';
import { MIME, OpenNotebooks } from './notebooks.js';
import { Session } from './session.js';
import { Sessions } from './sessions.js';
import { Settings } from './settings.js';
import { Sidebar } from './sidebar.js';
import { warnOfSkew } from './skew.js';
import { StatusItem } from './statusitem.js';
import { Link, Streams } from './stream.js';
import { TABLE_MIME, TableView } from './table.js';
import { warmUp } from './typeset.js';

/** What the plugins share: the open notebooks' sessions, and what views have in common. */
interface Shared {
  sessions: Sessions;
  context: Context;
}

const IShared = new Token<Shared>('glm-jupyter:IShared');

/** Shows answers, live where a kernel sends them. */
const answers: JupyterFrontEndPlugin<Shared> = {
  id: 'glm-jupyter:answers',
  description: 'Shows the answers of %%glm, live while they stream.',
  autoStart: true,
  requires: [IRenderMimeRegistry, INotebookTracker],
  optional: [ISettingRegistry, ITranslator],
  provides: IShared,
  activate: (
    _: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    tracker: INotebookTracker,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const { languageCode } = translator ?? nullTranslator;
    const trans = (translator ?? nullTranslator).load('glm_jupyter');
    const settings = new Settings();
    if (registry) {
      void settings.follow(registry, answers.id);
    }
    const streams = new Streams();
    const notebooks = new OpenNotebooks(tracker, code =>
      settings.choices.confirmInsert ? confirmInsertion(code, trans) : Promise.resolve(true)
    );
    const context: Context = { notebooks, settings, trans };
    const sessions = new Sessions(tracker);
    // The first formula of a page would wait for the typesetter to be loaded.
    const warm = () => {
      void warmUp(rendermime.latexTypesetter);
      void rendermime.markdownParser?.render('');
    };
    // Two views of one notebook have one connection.
    const links = new WeakMap<Kernel.IKernelConnection, Link>();
    rendermime.addFactory({
      safe: true,
      mimeTypes: [MIME],
      defaultRank: 40, // before HTML and markdown
      createRenderer: options => new AnswerView(options, streams, context)
    });
    rendermime.addFactory({
      safe: true,
      mimeTypes: [COLUMNS_MIME],
      defaultRank: 40,
      createRenderer: options => new ColumnsView(options, context)
    });
    rendermime.addFactory({
      safe: true,
      mimeTypes: [TABLE_MIME],
      defaultRank: 40,
      createRenderer: () => new TableView(trans)
    });
    tracker.widgetAdded.connect((_, panel) => {
      followMenu(panel.content);
      const connect = () => {
        const kernel = panel.sessionContext.session?.kernel;
        if (kernel && !links.has(kernel)) {
          const link = new Link(kernel, streams, notebooks, trans, languageCode, warm);
          links.set(kernel, link);
          warnOfSkew(link, trans);
          sessions.add(kernel, new Session(kernel, link));
        }
      };
      panel.sessionContext.kernelChanged.connect(connect);
      connect();
      panel.context.saveState.connect((_, state) => {
        const kernel = panel.sessionContext.session?.kernel;
        // So that a save in mid-answer has what there is. A shared notebook is saved by the server.
        if (state === 'started' && kernel && !panel.context.model.collaborative) {
          links.get(kernel)?.keep();
        }
      });
      // Only now are the cells there that an unfinished answer may be in.
      void Promise.all([panel.revealed, panel.sessionContext.ready]).then(() => {
        const kernel = panel.sessionContext.session?.kernel;
        if (kernel) {
          links.get(kernel)?.recover();
        }
      });
    });
    return { sessions, context };
  }
};

/** The commands, the panel in the right sidebar and the line in the status bar. */
const places: JupyterFrontEndPlugin<void> = {
  id: 'glm-jupyter:commands',
  description: 'Commands about %%glm, their panel in the sidebar, and a line in the status bar.',
  autoStart: true,
  requires: [IShared],
  optional: [ICommandPalette, IStatusBar, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    { sessions, context }: Shared,
    palette: ICommandPalette | null,
    statusBar: IStatusBar | null,
    restorer: ILayoutRestorer | null
  ) => {
    const { trans } = context;
    const execute = (command: string) => () => {
      void app.commands.execute(command);
    };
    const sidebar = new Sidebar(sessions, trans, execute(COMMANDS.load));
    app.shell.add(sidebar, 'right', { rank: 900 });
    restorer?.add(sidebar, sidebar.id);
    addCommands(app, sessions, context, () => {
      app.shell.activateById(sidebar.id);
    });
    for (const command of Object.values(COMMANDS)) {
      palette?.addItem({ command, category: 'GLM' });
    }
    app.commands.commandExecuted.connect((_, { id }) => {
      const kernel = sessions.notebook?.sessionContext.session?.kernel;
      if (id === 'notebook:interrupt-kernel' && kernel) {
        tellInPage(kernel); // JupyterLab's own buttons and keys have interrupted it
      }
    });
    const item = new StatusItem(sessions, trans, execute(COMMANDS.panel));
    statusBar?.registerStatusItem('glm-jupyter:status', {
      item,
      align: 'right',
      rank: 10,
      isActive: () => item.active,
      activeStateChanged: sessions.changed as ISignal<unknown, void>
    });
    offerExplanations(
      notebook =>
        sessions.notebook?.content === notebook && sessions.current?.presence === 'loaded',
      execute(COMMANDS.explain),
      trans
    );
  }
};

/** Highlights the prompts in the editor and wraps their lines. */
const prompts: JupyterFrontEndPlugin<void> = {
  id: 'glm-jupyter:prompts',
  description: 'Highlights %%glm cells as markdown and wraps their lines.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_: JupyterFrontEnd, tracker: INotebookTracker) => {
    tracker.widgetAdded.connect((_, panel: NotebookPanel) => {
      showPrompts(panel);
    });
  }
};

/** Completes options, commands and models. */
const completions: JupyterFrontEndPlugin<void> = {
  id: 'glm-jupyter:completions',
  description: 'Shows a few words about each option and model that Tab offers.',
  autoStart: true,
  requires: [ICompletionProviderManager],
  activate: (_: JupyterFrontEnd, manager: ICompletionProviderManager) => {
    manager.registerProvider(new Completions());
  }
};

/** Makes answers and the widget panel usable by keyboard. */
const keys: JupyterFrontEndPlugin<void> = {
  id: 'glm-jupyter:keys',
  description: 'Keeps the keys typed in answers and in the panel of %glm out of the notebook.',
  autoStart: true,
  activate: keepKeys
};

export default [answers, places, prompts, completions, keys];
