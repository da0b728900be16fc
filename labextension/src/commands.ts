// The commands: what they are called, when they can be used, and what they do.

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Context } from './context.js';
import { codeOf, failed, insertCell, quotes, run } from './cells.js';
import { asking } from './question.js';
import { absence, notInstalled } from './said.js';
import type { Sessions } from './sessions.js';

export const COMMANDS = {
  newCell: 'glm-jupyter:new-cell',
  ask: 'glm-jupyter:ask',
  explain: 'glm-jupyter:explain',
  insert: 'glm-jupyter:insert-code',
  stop: 'glm-jupyter:stop',
  panel: 'glm-jupyter:open-panel',
  load: 'glm-jupyter:load'
};

/** Add all commands to `app`; `openPanel` shows the panel. */
export function addCommands(
  app: JupyterFrontEnd,
  sessions: Sessions,
  { notebooks, trans }: Context,
  openPanel: () => void
): void {
  const { commands } = app;
  const isEnabled = () => sessions.notebook !== null;

  commands.addCommand(COMMANDS.newCell, {
    label: trans.__('New %%%%glm Cell Below'),
    caption: trans.__('Insert a cell that asks a model'),
    isEnabled,
    execute: () => {
      const { notebook } = sessions;
      if (notebook) {
        insertCell(notebook.content, '%%glm\n', { edit: true });
        remind(app, sessions, trans);
      }
    }
  });

  commands.addCommand(COMMANDS.ask, {
    label: trans.__('Ask GLM About This'),
    caption: trans.__('Insert a cell that asks about the selected text, or the selected cells'),
    isEnabled,
    execute: () => {
      const { notebook } = sessions;
      if (notebook) {
        const { content } = notebook;
        const question = trans.__('Explain this.');
        const cell = asking(question, quotes(content));
        insertCell(content, cell, { edit: true, select: question });
        remind(app, sessions, trans);
      }
    }
  });

  commands.addCommand(COMMANDS.explain, {
    label: trans.__('Explain This Error With GLM'),
    caption: trans.__('Run %glm explain, about the last error, in a cell below'),
    isEnabled,
    isVisible: () => failed(sessions.notebook?.content.activeCell),
    execute: async () => {
      const { notebook } = sessions;
      if (notebook && !remind(app, sessions, trans)) {
        insertCell(notebook.content, '%glm explain');
        await run(notebook);
      }
    }
  });

  commands.addCommand(COMMANDS.insert, {
    label: trans.__('Insert the Code of This Answer Below'),
    caption: trans.__('Put the code of this answer, or of the one above, into a new cell'),
    isEnabled,
    execute: async () => {
      const { notebook } = sessions;
      const found = notebook && codeOf(notebook.content);
      if (found) {
        await notebooks.insertBelow(found.node, found.code);
      } else {
        Notification.info(trans.__('No answer with code is in this cell, or above it.'), {
          autoClose: 5000
        });
      }
    }
  });

  commands.addCommand(COMMANDS.stop, {
    label: trans.__('Stop the Answer'),
    caption: trans.__('Interrupt the kernel; what has come of the answer is kept'),
    isEnabled: () => (sessions.current?.standing?.running.length ?? 0) > 0,
    execute: () => {
      sessions.current?.stop();
    }
  });

  commands.addCommand(COMMANDS.panel, {
    label: trans.__('Show the GLM Panel'),
    caption: trans.__('Models, choices and spending of this notebook, in the right sidebar'),
    execute: openPanel
  });

  commands.addCommand(COMMANDS.load, {
    label: trans.__('Load glm_jupyter in This Notebook'),
    caption: trans.__('Run %load_ext glm_jupyter in a new cell above'),
    isEnabled: () => sessions.current?.presence === 'missing',
    execute: async () => {
      const { notebook } = sessions;
      if (notebook) {
        insertCell(notebook.content, '%load_ext glm_jupyter', { above: true });
        await run(notebook);
        if (failed(notebook.content.activeCell, 'ModuleNotFoundError')) {
          Notification.error(notInstalled(trans), { autoClose: false });
        }
      }
    }
  });

  sessions.changed.connect(() => {
    commands.notifyCommandChanged();
  });
}

/** Whether the kernel cannot answer because nothing is loaded there, which is said then. */
function remind(app: JupyterFrontEnd, sessions: Sessions, trans: TranslationBundle): boolean {
  const session = sessions.current;
  if (session?.presence !== 'missing' && session?.presence !== 'foreign') {
    return false;
  }
  const load = {
    label: trans.__('Load It'),
    callback: () => {
      void app.commands.execute(COMMANDS.load);
    }
  };
  Notification.warning(absence(session, trans), {
    autoClose: 10_000,
    actions: session.presence === 'missing' ? [load] : []
  });
  return true;
}
