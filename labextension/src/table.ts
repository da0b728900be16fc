// The answers of a map as a table that can be sorted; all of it is plain text.

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { list, number, record, string, strings } from './data.js';
import { button, element } from './dom.js';

export const TABLE_MIME = 'application/vnd.glm-jupyter.table+json';

interface TableData {
  headers: string[];
  numbers: string[];
  rows: string[][];
  first: number;
  caption: string;
}

/** Draws a table; a click on a header sorts by its column, another one the other way round. */
export class TableView extends Widget implements IRenderMime.IRenderer {
  constructor(private readonly _trans: TranslationBundle) {
    super();
    this._more = button('glm-all', '', _trans.__('Show the rows that are left out'), () => {
      this._all = true;
      this._paint();
    });
    this.addClass('jp-RenderedHTMLCommon');
    this.addClass('glm-Sortable');
    this.node.append(
      element('div', 'glm-Table', element('table', '', this._head, this._body)),
      this._more,
      this._caption
    );
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const given = record(model.data[TABLE_MIME]);
    this._data = {
      headers: strings(given.headers),
      numbers: strings(given.numbers),
      rows: list(given.rows).map(strings),
      first: number(given.first) ?? 0,
      caption: string(given.caption)
    };
    this._rows = [...this._data.rows];
    this._column = -1;
    this._descending = false;
    this._caption.textContent = this._data.caption;
    this._caption.hidden = this._data.caption === '';
    this._paint();
    return Promise.resolve();
  }

  private _paint(): void {
    const data = this._data;
    if (!data) {
      return;
    }
    const isNumber = data.headers.map(header => data.numbers.includes(header));
    const headers = data.headers.map((header, column) => {
      const cell = element('th', '');
      cell.setAttribute('scope', 'col');
      const sorted = column === this._column;
      cell.ariaSort = !sorted ? 'none' : this._descending ? 'descending' : 'ascending';
      const mark = !sorted ? '' : this._descending ? ' ▾' : ' ▴';
      const sort = button('glm-sort', header + mark, this._trans.__('Sort by %1', header), () => {
        this._sortBy(column);
      });
      cell.append(sort);
      cell.classList.toggle('glm-mod-number', isNumber[column] ?? false);
      return cell;
    });
    this._head.replaceChildren(element('tr', '', ...headers));
    const shown = this._all ? this._rows : this._rows.slice(0, data.first);
    this._body.replaceChildren(
      ...shown.map(row =>
        element(
          'tr',
          '',
          ...row.map((text, column) =>
            element('td', isNumber[column] ? 'glm-mod-number' : '', text)
          )
        )
      )
    );
    this._more.hidden = this._all || this._rows.length <= data.first;
    this._more.textContent = this._trans.__('Show all %1 rows', this._rows.length);
  }

  private _sortBy(column: number): void {
    this._descending = column === this._column && !this._descending;
    this._column = column;
    const direction = this._descending ? -1 : 1;
    const numeric = this._data?.numbers.includes(this._data.headers[column] ?? '') ?? false;
    this._rows.sort((one, other) => {
      const a = one[column] ?? '';
      const b = other[column] ?? '';
      const order = numeric
        ? value(a) - value(b)
        : a.localeCompare(b, undefined, { numeric: true });
      return direction * order;
    });
    this._paint();
    this._head.querySelectorAll<HTMLElement>('.glm-sort')[column]?.focus();
  }

  private readonly _head = element('thead');
  private readonly _body = element('tbody');
  private readonly _more: HTMLButtonElement;
  private readonly _caption = element('p', 'glm-Caption');
  private _data: TableData | null = null;
  private _rows: string[][] = [];
  private _column = -1;
  private _descending = false;
  private _all = false;
}

/** What is no number goes before all numbers. */
function value(text: string): number {
  const found = Number.parseFloat(text);
  return Number.isNaN(found) ? -1 : found;
}
