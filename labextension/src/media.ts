// What a model has made: pictures, videos and sound, with a way to save each.

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { MediaData } from './data.js';
import { element } from './dom.js';

/** The types that are shown, of the many that a bundle may name. */
const PICTURES = ['image/png', 'image/jpeg'];
const SOUNDS = ['audio/wav', 'audio/mpeg'];
const BASE64 = /^[A-Za-z0-9+/=\s]+$/;
/** Where the kernel keeps what was made, relative to the notebook; nothing is loaded from elsewhere. */
const KEPT = /^glm-media\/[^/\\:]+$/;

/** Draws what one answer has made; the bytes are in the output's bundle, or in a file beside it. */
export class Media {
  readonly node = element('div', 'glm-Media');
  /** The sizes, and what saves each. */
  readonly caption = element('span', 'glm-Sizes');

  constructor(
    private readonly _resolver: IRenderMime.IResolver | null,
    private readonly _trans: TranslationBundle
  ) {
    this.node.hidden = true;
  }

  /** Show what is listed; `bundle` is the output's, `words` says what each is. */
  show(list: MediaData[], bundle: Record<string, unknown>, words: string[] = []): void {
    const said = JSON.stringify(list);
    if (said === this._said) {
      return;
    }
    this._said = said;
    this.node.hidden = list.length === 0;
    this.caption.replaceChildren();
    this.node.replaceChildren(
      ...list.map((media, index) => this._figure(media, bundle, index, words[index] ?? ''))
    );
  }

  private _figure(
    media: MediaData,
    bundle: Record<string, unknown>,
    index: number,
    says: string
  ): HTMLElement {
    // The bundle has the bytes of the first.
    const own = index === 0 ? bundle : {};
    const figure = element('figure', `glm-Made glm-${media.kind}`);
    if (media.kind === 'image') {
      this._picture(figure, media, own, says);
    } else {
      this._player(figure, media, own, says);
    }
    return figure;
  }

  private _picture(
    figure: HTMLElement,
    media: MediaData,
    bundle: Record<string, unknown>,
    says: string
  ): void {
    const data = embedded(bundle, PICTURES);
    const picture = document.createElement('img');
    picture.alt = says;
    if (data) {
      picture.src = data;
      this.caption.append(this._save(data, media));
    } else if (!this._load(picture, media, says)) {
      figure.append(this._missing(media, says));
      return;
    }
    figure.append(picture);
    if (media.width && media.height) {
      picture.width = media.width;
      picture.height = media.height;
      this.caption.prepend(element('span', '', `${media.width} × ${media.height}`));
    }
  }

  private _player(
    figure: HTMLElement,
    media: MediaData,
    bundle: Record<string, unknown>,
    says: string
  ): void {
    const player = document.createElement(media.kind === 'video' ? 'video' : 'audio');
    player.controls = true;
    player.preload = 'metadata';
    player.setAttribute('aria-label', says);
    const sound = media.kind === 'audio' ? embedded(bundle, SOUNDS) : '';
    if (player instanceof HTMLVideoElement) {
      const cover = embedded(bundle, PICTURES);
      if (cover) {
        player.poster = cover; // an empty one would be the page's own address
      }
      player.playsInline = true;
    }
    if (sound) {
      player.src = sound;
      this.caption.append(this._save(sound, media));
    } else if (!this._load(player, media, says)) {
      figure.append(this._missing(media, says));
      return;
    }
    figure.append(player);
  }

  /** Have an element take its file from beside the notebook; false where there is none to take. */
  private _load(
    node: HTMLImageElement | HTMLMediaElement,
    media: MediaData,
    says: string
  ): boolean {
    const { path } = media;
    const resolver = this._resolver;
    if (!path || !KEPT.test(path) || !resolver) {
      return false;
    }
    node.addEventListener('error', () => {
      // A cover says more than nothing.
      const cover = node instanceof HTMLVideoElement ? node.poster : '';
      const left = element('div', '', this._missing(media, says));
      if (cover) {
        const picture = document.createElement('img');
        picture.src = cover;
        picture.alt = '';
        left.prepend(picture);
      }
      node.replaceWith(left);
    });
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    void resolver
      .resolveUrl(encoded)
      .then(async url => resolver.getDownloadUrl(url))
      .then(url => {
        node.src = url;
      });
    return true;
  }

  private _missing(media: MediaData, says: string): HTMLElement {
    const where = media.path ?? '';
    return element(
      'p',
      'glm-Missing',
      where
        ? this._trans.__('%1 is not there: it was moved or removed.', where)
        : this._trans.__('%1 was not kept.', says)
    );
  }

  private _save(url: string, media: MediaData): HTMLElement {
    const anchor = element('a', 'glm-Button glm-save', this._trans.__('Save')) as HTMLAnchorElement;
    anchor.href = url;
    anchor.download = media.path?.split('/').pop() ?? media.kind;
    anchor.title = this._trans.__('Save it as a file');
    return anchor;
  }

  private _said = '[]';
}

/** The bytes of the first of `types` that a bundle has, as an address of their own. */
function embedded(bundle: Record<string, unknown>, types: string[]): string {
  for (const type of types) {
    const data = bundle[type];
    if (typeof data === 'string' && BASE64.test(data)) {
      return `data:${type};base64,${data.replace(/\s/g, '')}`;
    }
  }
  return '';
}
