// The demo's plug: pulls it, and counts down until it is in again.

import { put } from './dom.js';

export class Plug {
  #button; #note; #says;
  #asked = false;
  #back = 0; // when it is in again, as Date.now() counts

  constructor({ root, button, note }) {
    this.#button = button;
    this.#note = note;
    this.#says = note.textContent;
    button.addEventListener('click', () => this.#pull());
    root.hidden = false;
  }

  // render says how long the plug is out, so it wants to be called every second.
  render() {
    const left = Math.ceil((this.#back - Date.now()) / 1000);
    put(this.#button, left > 0 ? `Back in ${left} s` : 'Pull the plug');
    this.#button.setAttribute('aria-disabled', String(left > 0));
  }

  async #pull() {
    if (this.#asked || this.#back > Date.now()) return;
    this.#asked = true;
    try {
      const answer = await fetch('demo/plug', { method: 'POST', signal: AbortSignal.timeout(10_000) });
      if (!answer.ok) throw new Error(`demo/plug: ${answer.status}`);
      const { seconds } = await answer.json();
      this.#back = Date.now() + seconds * 1000;
      put(this.#note, this.#says);
    } catch {
      put(this.#note, 'That did not work: the gateway does not answer.');
    }
    this.#asked = false;
    this.render();
  }
}
