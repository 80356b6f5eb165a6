// A supervised EventSource.
//
// A browser's EventSource comes back by itself after a cut, and that is enough for three lines of
// code. What it does not do: it gives up for good on any answer but 200 without saying why, it
// cannot tell a quiet stream from a dead one, it knows nothing of tokens that expire, and a new
// one cannot send the last id as a header. This file adds exactly that, and nothing else.
//
//   const link = new Supervisor({ url: 'events?source=hotel&snapshot=true&as=message', role, session, page });
//   link.start();
//
// session  { current(signal), signIn(role, signal) }, as in session.js
// page     what is told to the page:
//            block({ name, id, text, data })   every block; data is its JSON, null if it is none
//            drop()                            forget all state: what follows starts afresh
//            session({ sub, expires, grants }) whom the stream speaks to, from now on
//            link(state, note)                 'connecting', 'open', 'reconnecting' or 'session'

const second = 1000;
const missedBeats = 2.5; // heartbeats of silence after which a stream counts as dead
const retryPatience = 120 * second; // a gateway may ask the browser to wait a minute: no watchdog before that
const longestPause = 30 * second;

const controls = ['ready', 'source', 'left', 'gap', 'reset', 'snapshot', 'heartbeat', 'expiring', 'bye'];

export class Supervisor {
  heartbeat = 15; // seconds; the gateway's own once ready has named it
  heard = 0; // when the last block came, as Date.now() counts

  #url; #session; #page; #role;
  #wanted = ''; // a role that was chosen and has no session yet
  #id = ''; // the last id: where a new EventSource goes on
  #stale = ''; // the id that a snapshot has made void; browsers go on to name it until there is another
  #view = ''; // what the page's state was filtered by
  #attempt = 0; // openings since the last ready
  #stream = null;
  #watchdog = 0;
  #work = new AbortController(); // what is under way for the present attempt

  constructor({ url, role, session, page }) {
    this.#url = url;
    this.#role = role;
    this.#session = session;
    this.#page = page;
  }

  // start opens the stream for the session that the browser has, or else for a new one.
  start() {
    this.#recover(0);
  }

  // stop ends the stream. A later start goes on where it was.
  stop() {
    this.#begin();
  }

  // choose asks for another role and starts afresh with what it may see.
  choose(role) {
    this.#wanted = role;
    this.#forget();
    this.#view = '';
    this.#page.link('session');
    this.#recover(0);
  }

  // recover makes sure of a session, then opens. It first ends whatever was under way.
  async #recover(pauseFor) {
    const signal = this.#begin();
    try {
      await pause(pauseFor, signal);
      const session = await this.#ensureSession(signal);
      signal.throwIfAborted();
      this.#role = session.sub;
      this.#page.session(session);
      this.#open();
    } catch (err) {
      if (!signal.aborted) this.#lost(err.message);
    }
  }

  async #ensureSession(signal) {
    const held = this.#wanted ? null : await this.#session.current(signal);
    if (held) return held;
    this.#page.link('session');
    return this.#signIn(signal);
  }

  async #signIn(signal) {
    await this.#session.signIn(this.#wanted || this.#role, signal);
    const held = await this.#session.current(signal);
    if (!held) throw new Error('the browser did not keep the session cookie');
    this.#wanted = '';
    return held;
  }

  // lost is called where neither browser nor stream will come back by themselves.
  #lost(note) {
    this.#page.link('reconnecting', note);
    const longest = Math.min(longestPause, second * 2 ** this.#attempt++);
    this.#recover(longest * (0.5 + Math.random() / 2));
  }

  #open() {
    this.#stream?.close();
    this.#page.link('connecting');
    // Browsers set Last-Event-ID only when they reconnect by themselves, so a new EventSource names it here.
    const stream = new EventSource(this.#id ? `${this.#url}&last_event_id=${encodeURIComponent(this.#id)}` : this.#url);
    this.#stream = stream;
    const hear = (event) => stream === this.#stream && this.#block(event);
    stream.onmessage = hear;
    for (const name of controls) stream.addEventListener(`bellhop.${name}`, hear);
    stream.onerror = () => stream === this.#stream && this.#cut(stream);
    this.#watch(this.heartbeat * missedBeats * second);
  }

  #cut(stream) {
    if (stream.readyState === EventSource.CLOSED) return this.#lost();
    this.#page.link('reconnecting');
    this.#watch(retryPatience);
  }

  #block(event) {
    this.heard = Date.now();
    this.#watch(this.heartbeat * missedBeats * second);
    const name = event.type;
    const data = parse(event.data);
    if (name === 'bellhop.reset' || (name === 'bellhop.ready' && !data?.resumed)) this.#void(event.lastEventId);
    if (event.lastEventId && event.lastEventId !== this.#stale) this.#id = event.lastEventId;
    this.#page.block({ name, id: event.lastEventId, text: event.data, data });
    if (name === 'bellhop.ready') this.#ready(data ?? {});
    else if (name === 'bellhop.reset') this.#page.drop();
    else if (name === 'bellhop.expiring') this.#renew(data?.expires);
  }

  // void forgets the last id where the stream begins anew without one of its own. Before the snapshot's
  // end no block has an id: who is cut off midway starts over.
  #void(id) {
    if (id && id !== this.#id) return;
    this.#stale = id;
    this.#id = '';
  }

  #ready(ready) {
    this.#attempt = 0;
    if (ready.heartbeat > 0) this.heartbeat = ready.heartbeat;
    const changed = this.#view !== '' && this.#view !== ready.view;
    this.#view = ready.view ?? '';
    if (changed) {
      // The session is the browser's: another tab has chosen another role, and the state held is not its.
      this.#forget();
      return this.#recover(0);
    }
    if (!ready.resumed) this.#page.drop();
    this.#page.link('open');
  }

  // renew replaces a token that is about to expire while the stream goes on; should that fail, the
  // stream's end and the 401 after it lead to the same place.
  async #renew(expires) {
    const { signal } = this.#work;
    try {
      let session = await this.#session.current(signal);
      // Another tab may have renewed it already, or have chosen a role of its own.
      const renewed = session && Date.parse(session.expires) > Date.parse(expires);
      if (!renewed) session = await this.#signIn(signal);
      signal.throwIfAborted();
      this.#role = session.sub;
      this.#page.session(session);
      this.#open();
    } catch {
      // Nothing is lost: see above.
    }
  }

  #forget() {
    this.#id = '';
    this.#page.drop();
  }

  // begin ends what is under way and returns the signal of what begins.
  #begin() {
    this.#work.abort();
    this.#work = new AbortController();
    this.#stream?.close();
    this.#stream = null;
    clearTimeout(this.#watchdog);
    return this.#work.signal;
  }

  #watch(silence) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#lost('the stream fell silent'), silence);
  }
}

function pause(ms, signal) {
  if (!ms) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
