import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { Supervisor } from './supervisor.js';

// Stream stands in for the browser's EventSource: the test plays browser and gateway.
class Stream extends EventTarget {
  static CLOSED = 2;
  static opened = [];
  readyState = 0;

  constructor(url) {
    super();
    this.url = url;
    Stream.opened.push(this);
  }

  close() {
    this.readyState = Stream.CLOSED;
  }

  // block is one block of the stream, as the browser would hand it on.
  block(name, data, lastEventId = '') {
    const event = Object.assign(new Event(name), { data: typeof data === 'string' ? data : JSON.stringify(data), lastEventId });
    if (name === 'message') this.onmessage(event);
    else this.dispatchEvent(event);
  }

  ready(more = {}, id = 'k3.1') {
    this.readyState = 1;
    this.block('bellhop.ready', { position: id, resumed: this.url.includes('last_event_id'), view: 'v1', heartbeat: 10, sources: [], ...more }, id);
  }

  // cut is a lost connection that the browser mends by itself, or one that it has given up.
  cut(forGood) {
    this.readyState = forGood ? Stream.CLOSED : 0;
    this.onerror(new Event('error'));
  }
}

const last = () => Stream.opened.at(-1);
const settle = async () => { for (let i = 0; i < 20; i++) await null; };

// tab is a page under supervision, with what it was told, in a browser whose session the test holds.
function tab(browser) {
  const told = { links: [], roles: [], drops: 0, blocks: [] };
  const session = {
    async current() {
      browser.asked++;
      if (browser.down) throw new Error('no network');
      return browser.role && { sub: browser.role, expires: browser.expires, grants: [] };
    },
    async signIn(role) {
      if (browser.down) throw new Error('no network');
      browser.signedIn.push(role);
      browser.role = role;
      browser.expires = browser.next;
    },
  };
  const page = {
    block: ({ name }) => told.blocks.push(name),
    drop: () => told.drops++,
    session: ({ sub }) => told.roles.push(sub),
    link: (state) => told.links.push(state),
  };
  const link = new Supervisor({ url: 'events?source=hotel', role: 'frontdesk', session, page });
  return { link, told };
}

let browser;
let link;
let told;

// tick lets time pass, in seconds.
async function tick(seconds) {
  mock.timers.tick(seconds * 1000);
  await settle();
}

async function open() {
  link.start();
  await settle();
  last().ready();
}

beforeEach(() => {
  Stream.opened = [];
  globalThis.EventSource = Stream;
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2026-11-21T10:00:00Z') });
  mock.method(Math, 'random', () => 1);
  browser = { role: '', asked: 0, signedIn: [], down: false, expires: '', next: '2026-11-21T11:00:00Z' };
  ({ link, told } = tab(browser));
});

afterEach(() => {
  link.stop();
  mock.timers.reset();
  mock.restoreAll();
});

test('a browser without a session gets one, then a stream without an id', async () => {
  await open();
  assert.deepEqual(browser.signedIn, ['frontdesk']);
  assert.equal(last().url, 'events?source=hotel');
  assert.deepEqual(told.links, ['session', 'connecting', 'open']);
  assert.deepEqual(told.roles, ['frontdesk']);
});

test('a browser with a session shows the role that it names', async () => {
  browser.role = 'guest';
  await open();
  assert.deepEqual(browser.signedIn, []);
  assert.deepEqual(told.roles, ['guest']);
});

test('a cut that the browser mends is left to it', async () => {
  await open();
  last().cut(false);
  assert.equal(told.links.at(-1), 'reconnecting');
  await tick(60); // as long as a gateway may ask it to wait
  last().ready({ resumed: true });
  assert.equal(Stream.opened.length, 1);
  assert.equal(told.links.at(-1), 'open');
});

test('a stream that ended for good is reopened from the last id, after a pause', async () => {
  await open();
  last().block('message', {}, 'k3.7');
  last().cut(true);
  await tick(0.9);
  assert.equal(Stream.opened.length, 1);
  await tick(0.2);
  assert.equal(last().url, 'events?source=hotel&last_event_id=k3.7');
  assert.deepEqual(browser.signedIn, ['frontdesk']);
});

test('where the session has ended, the role that was shown signs in again', async () => {
  browser.role = 'housekeeper';
  await open();
  browser.role = '';
  last().cut(true);
  await tick(1);
  assert.deepEqual(browser.signedIn, ['housekeeper']);
  assert.equal(last().url, 'events?source=hotel&last_event_id=k3.1');
});

test('pauses grow to half a minute and no further, and ready ends them', async () => {
  await open();
  browser.down = true;
  last().cut(true);
  const asked = browser.asked;
  await tick(1);
  await tick(2);
  await tick(4);
  await tick(8);
  await tick(16);
  await tick(30);
  await tick(30);
  assert.equal(browser.asked - asked, 7);
  browser.down = false;
  await tick(30);
  last().ready();
  last().cut(true);
  await tick(1);
  assert.equal(Stream.opened.length, 3);
});

test('silence of two and a half heartbeats is a dead stream', async () => {
  await open();
  await tick(20);
  last().block('bellhop.heartbeat', { now: '' }, 'k3.9');
  await tick(24);
  assert.equal(told.links.at(-1), 'open');
  await tick(1);
  assert.equal(told.links.at(-1), 'reconnecting');
  await tick(1);
  assert.equal(last().url, 'events?source=hotel&last_event_id=k3.9');
});

test('a stream that never answers is not waited for without end', async () => {
  link.start();
  await settle();
  await tick(37.5);
  await tick(1);
  assert.equal(Stream.opened.length, 2);
  assert.equal(Stream.opened[0].readyState, Stream.CLOSED);
});

test('what the gateway cannot resume is dropped', async () => {
  await open();
  last().cut(false);
  const before = told.drops;
  last().ready({ resumed: false }, '');
  assert.equal(told.drops, before + 1);
  last().block('bellhop.reset', { reason: 'trimmed' }, 'k3.90');
  assert.equal(told.drops, before + 2);
  last().cut(true);
  await tick(1);
  assert.equal(last().url, 'events?source=hotel&last_event_id=k3.90');
});

test('a stream that was cut within its snapshot starts over', async () => {
  link.start();
  await settle();
  last().ready({ position: undefined }, '');
  last().block('message', { origin: 'snapshot' });
  const before = told.drops;
  last().cut(true);
  await tick(1);
  assert.equal(last().url, 'events?source=hotel');
  last().ready({ position: undefined }, '');
  assert.equal(told.drops, before + 1);
  last().block('bellhop.snapshot', { count: 0 }, 'k3.5');
  last().cut(true);
  await tick(1);
  assert.equal(last().url, 'events?source=hotel&last_event_id=k3.5');
});

test('the id from before a snapshot does not outlive it, though the browser goes on to name it', async () => {
  await open();
  last().cut(false);
  last().ready({ position: undefined, resumed: false }, 'k3.1'); // it bears none: this is the browser's
  last().block('bellhop.reset', { reason: 'trimmed' }, 'k3.1');
  last().block('message', { origin: 'snapshot' }, 'k3.1');
  last().cut(true);
  await tick(1);
  assert.equal(last().url, 'events?source=hotel');
});

test('so it is with a stream that trimming overtakes', async () => {
  await open();
  last().block('bellhop.reset', { reason: 'trimmed' }, 'k3.1');
  last().block('message', { origin: 'snapshot' }, 'k3.1');
  last().block('bellhop.snapshot', { count: 1 }, 'k3.8');
  last().block('bellhop.reset', { reason: 'trimmed' }, 'k3.8');
  last().cut(true);
  await tick(1);
  assert.equal(last().url, 'events?source=hotel');
  last().block('bellhop.bye', { reason: 'busy' });
  last().cut(true);
  await tick(2);
  assert.equal(last().url, 'events?source=hotel');
});

test('a view that changed means another role: state is dropped and the stream begun without an id', async () => {
  await open();
  browser.role = 'guest'; // another tab
  last().cut(false);
  const before = told.drops;
  last().ready({ resumed: true, view: 'v2' });
  await settle();
  assert.equal(told.drops, before + 1);
  assert.equal(told.roles.at(-1), 'guest');
  assert.equal(last().url, 'events?source=hotel');
  last().ready({ view: 'v2' });
  await settle();
  assert.equal(Stream.opened.length, 2);
  assert.equal(told.links.at(-1), 'open');
});

test('choosing a role signs in and starts afresh', async () => {
  await open();
  link.choose('revenue');
  assert.equal(Stream.opened[0].readyState, Stream.CLOSED);
  await settle();
  last().ready({ view: 'v2' });
  await settle();
  assert.deepEqual(browser.signedIn, ['frontdesk', 'revenue']);
  assert.equal(told.roles.at(-1), 'revenue');
  assert.equal(last().url, 'events?source=hotel');
  assert.equal(Stream.opened.length, 2);
});

test('a role that was chosen does not take back what another tab chooses later', async () => {
  await open();
  link.choose('revenue');
  await settle();
  last().ready({ view: 'v2' });
  browser.role = 'guest';
  last().cut(true);
  await tick(1);
  assert.deepEqual(browser.signedIn, ['frontdesk', 'revenue']);
  assert.equal(told.roles.at(-1), 'guest');
});

test('a role chosen while the network is away is still asked for when it is back', async () => {
  await open();
  browser.down = true;
  link.choose('revenue');
  await settle();
  browser.down = false;
  await tick(1);
  assert.deepEqual(browser.signedIn, ['frontdesk', 'revenue']);
});

test('of two roles chosen in a row the later is shown', async () => {
  await open();
  link.choose('revenue');
  link.choose('guest');
  await settle();
  assert.equal(told.roles.at(-1), 'guest');
  assert.equal(Stream.opened.length, 2);
});

test('an expiring token is replaced and the stream goes on from its last id', async () => {
  await open();
  browser.next = '2026-11-21T12:00:00Z';
  last().block('bellhop.expiring', { expires: '2026-11-21T11:00:00Z' });
  await settle();
  assert.deepEqual(browser.signedIn, ['frontdesk', 'frontdesk']);
  assert.equal(Stream.opened.length, 2);
  assert.equal(Stream.opened[0].readyState, Stream.CLOSED);
  assert.equal(last().url, 'events?source=hotel&last_event_id=k3.1');
});

test('a session that another tab has renewed is taken as it is', async () => {
  await open();
  Object.assign(browser, { role: 'guest', expires: '2026-11-21T12:00:00Z' });
  last().block('bellhop.expiring', { expires: '2026-11-21T11:00:00Z' });
  await settle();
  assert.deepEqual(browser.signedIn, ['frontdesk']);
  assert.equal(told.roles.at(-1), 'guest');
  assert.equal(Stream.opened.length, 2);
});

test('a renewal that fails leaves the stream open', async () => {
  await open();
  browser.down = true;
  last().block('bellhop.expiring', { expires: '2026-11-21T11:00:00Z' });
  await settle();
  assert.equal(Stream.opened.length, 1);
  assert.equal(last().readyState, 1);
});

test('after stop nothing happens, and start goes on from the last id', async () => {
  await open();
  link.stop();
  await tick(600);
  assert.equal(Stream.opened.length, 1);
  link.start();
  await settle();
  assert.equal(last().url, 'events?source=hotel&last_event_id=k3.1');
});

test('a stream that was replaced is not heard any more', async () => {
  await open();
  const old = last();
  link.choose('guest');
  await settle();
  const heard = told.blocks.length;
  old.block('message', {}, 'k3.99');
  old.cut(true);
  await tick(1);
  assert.equal(told.blocks.length, heard);
  assert.equal(Stream.opened.length, 2);
});

test('a block that is no JSON is handed on and does no harm', async () => {
  await open();
  for (const text of ['{', 'null', '5', '']) {
    last().block('message', text);
    last().block('bellhop.reset', text);
  }
  assert.equal(told.links.at(-1), 'open');
});
