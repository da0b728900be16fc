// The panel of the current notebook in the right sidebar.

import type { NotebookPanel } from '@jupyterlab/notebook';
import { MimeModel } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel, Widget } from '@lumino/widgets';

import { button, element } from './dom.js';
import { icon } from './icon.js';
import { absence, spent } from './said.js';
import type { Session } from './session.js';
import type { Sessions } from './sessions.js';
import type { Standing } from './stream.js';

const VIEW = 'application/vnd.jupyter.widget-view+json';

/** Shows the panel as a widget where the page has ipywidgets, else what the kernel tells. */
export class Sidebar extends Panel {
  constructor(
    private readonly _sessions: Sessions,
    private readonly _trans: TranslationBundle,
    private readonly _load: () => void
  ) {
    super();
    this.id = 'glm-jupyter-panel';
    this.title.icon = icon;
    this.title.caption = _trans.__('GLM: models and spending');
    this.addClass('glm-Sidebar');
    this.node.setAttribute('role', 'region');
    this.node.ariaLabel = this.title.caption;
    this.addWidget(this._plain);
    _sessions.changed.connect(() => {
      this.update();
    }, this);
  }

  protected override onAfterShow(): void {
    this.update();
  }

  protected override onUpdateRequest(): void {
    if (!this.isVisible) {
      return;
    }
    const { notebook, current } = this._sessions;
    const widgets = notebook?.content.rendermime.mimeTypes.includes(VIEW) ?? false;
    if (widgets && current?.presence === 'loaded') {
      current.askForPanel();
    }
    const bundle = current?.panel;
    if (bundle !== this._bundle) {
      this._bundle = bundle;
      this._widget?.dispose();
      this._widget = notebook && bundle ? this._show(notebook, bundle) : null;
    }
    this._plain.setHidden(this._widget !== null);
    this._plain.node.replaceChildren(...this._words(current, widgets));
  }

  private _show(notebook: NotebookPanel, bundle: Record<string, unknown>): Widget {
    const renderer = notebook.content.rendermime.createRenderer(VIEW);
    const data = bundle as MimeModel.IOptions['data'];
    void renderer.renderModel(new MimeModel({ data, trusted: true }));
    this.addWidget(renderer);
    return renderer;
  }

  private _words(session: Session | null, widgets: boolean): Node[] {
    const trans = this._trans;
    const standing = session?.standing;
    if (!session || !standing) {
      const words = element('p', '', absence(session, trans));
      const load = button(
        'glm-load',
        trans.__('Load It'),
        trans.__('Run it in a new cell'),
        this._load
      );
      return session?.presence === 'missing' ? [words, load] : [words];
    }
    const stop = button('glm-stop', trans.__('Stop'), trans.__('Keep what has come'), () => {
      session.stop();
    });
    return [
      this._facts(standing),
      ...(standing.running.length ? [stop] : []),
      ...(widgets ? [] : [element('p', 'glm-Hint', this._hint())])
    ];
  }

  private _facts(standing: Standing): HTMLElement {
    const trans = this._trans;
    const { model, endpoint, trouble, running, answers } = standing;
    const rows = [
      [trans.__('Model'), model ? `${endpoint}/${model}` : trouble],
      [trans.__('Answers'), String(answers)],
      [trans.__('Spent'), spent(standing, trans)],
      ...(running.length ? [[trans.__('Answering now'), running.join(', ')]] : [])
    ];
    return element(
      'dl',
      'glm-Facts',
      ...rows.flatMap(([name, value]) => [element('dt', '', name), element('dd', '', value)])
    );
  }

  private _hint(): string {
    return this._trans.__(
      'This JupyterLab has no ipywidgets, so the choices of the panel cannot be shown. ' +
        '%glm use MODEL chooses the model, %glm usage tells more about the spending. ' +
        'To have the panel, install jupyterlab_widgets beside JupyterLab and load the page again.'
    );
  }

  private readonly _plain = new Widget({ node: element('div', 'glm-Plain') });
  private _widget: Widget | null = null;
  private _bundle: Record<string, unknown> | null | undefined = null;
}
