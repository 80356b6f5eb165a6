// The raw stream: the last blocks as they came, newest first. Pausing holds the picture, not the stream.

import { el, put } from './dom.js';

const blocks = 200;
const longest = 1500; // characters shown of one block's data

export class Raw {
  #list; #note; #button;
  #waiting = []; // not drawn yet, oldest first, never more than would be shown
  #held = 0; // came while paused
  #lastID = '';
  #paused = false;

  constructor({ list, note, button, changed }) {
    this.#list = list;
    this.#note = note;
    this.#button = button;
    button.addEventListener('click', () => {
      this.#paused = !this.#paused;
      if (!this.#paused) this.#held = 0;
      changed();
    });
  }

  // add takes one block; known tells whether the page knows its type.
  add(block, known) {
    // A block without an id comes with the one before it, so only an id that is new is shown.
    const id = block.id === this.#lastID ? '' : block.id;
    this.#lastID = block.id;
    this.#waiting.push({ ...block, id, known });
    if (this.#waiting.length > blocks) this.#waiting.shift();
    if (this.#paused) this.#held++;
  }

  // clear empties the picture: what another token has shown is not this one's.
  clear() {
    this.#waiting = [];
    this.#held = 0;
    this.#list.replaceChildren();
  }

  // render draws what is waiting, unless paused, and the counters in any case.
  render(hotel) {
    put(this.#button, this.#paused ? 'Go on' : 'Pause');
    this.#button.setAttribute('aria-pressed', String(this.#paused));
    put(this.#note, [
      `${hotel.events.toLocaleString()} ${hotel.events === 1 ? 'event' : 'events'}`,
      hotel.strange && `${hotel.strange.toLocaleString()} of types not known here (${[...hotel.unknown.keys()].join(', ')})`,
      this.#paused && `paused, ${this.#held.toLocaleString()} held back`,
    ].filter(Boolean).join(' · '));
    if (this.#paused || this.#waiting.length === 0) return;
    this.#list.prepend(...this.#waiting.reverse().map(draw));
    this.#waiting = [];
    while (this.#list.children.length > blocks) this.#list.lastElementChild.remove();
  }
}

function draw({ name, id, text, data, known }) {
  const control = name !== 'message';
  const type = control ? name.slice('bellhop.'.length) : typeof data?.type === 'string' ? data.type.slice(0, 60) : 'no JSON';
  const cut = text.length > longest ? ` … ${(text.length - longest).toLocaleString()} more` : '';
  const kind = control ? 'control' : known ? 'event' : 'unknown';
  return el('li', { class: 'block', 'data-kind': kind, 'data-origin': data?.origin === 'backfill' ? 'backfill' : '' },
    el('b', {}, type),
    id ? line('id', id) : null,
    control ? line('event', name) : null,
    line('data', text.slice(0, longest) + cut));
}

function line(field, value) {
  return el('div', {}, el('span', { class: 'field' }, `${field}: `), value);
}
