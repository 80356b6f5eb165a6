// The page: joins the stream to the model and the model to the views. Events only mark what they
// changed; it is drawn at most once a frame, however many came.

import { scope, shows, showsAll, summary } from './model/grants.js';
import { Hotel } from './model/hotel.js';
import { truth } from './model/truth.js';
import { atDay } from './model/words.js';
import * as session from './session.js';
import { Supervisor } from './supervisor.js';
import { renderArrivals, renderDepartures } from './view/board.js';
import { put } from './view/dom.js';
import { makeRoles, renderBadge, renderCaughtUp, renderGaps, renderRoles } from './view/head.js';
import { Plug } from './view/plug.js';
import { Raw } from './view/raw.js';
import { renderRooms } from './view/rooms.js';
import { renderCommands, renderPrices } from './view/ticks.js';

const byId = (id) => document.getElementById(id);
const known = new Set(['Resource', 'Reservation', 'PriceUpdate', 'DeviceCommand']);

const hotel = new Hotel();
const connection = { state: 'connecting', note: '', bye: '' };
const role = { shown: '', wanted: '', grants: [] };
const badge = { label: byId('truth'), detail: byId('detail'), heard: byId('heard') };
const raw = new Raw({ list: byId('raw'), note: byId('counts'), button: byId('pause'), changed: () => draw('raw') });
let link; // the supervisor, once it is known what hotel this is
let plug;

const page = {
  block({ name, id, text, data }) {
    raw.add({ name, id, text, data }, known.has(data?.type));
    if (name === 'bellhop.bye') connection.bye = data?.reason;
    if (name === 'bellhop.reset') learn(); // another log may be another run of the demo
    draw('raw', 'caught', hotel.take(name, data));
  },
  drop() {
    hotel.drop();
    draw(...Object.keys(views));
  },
  session({ sub, grants }) {
    if (sub !== role.shown) raw.clear();
    Object.assign(role, { shown: sub, wanted: '', grants });
    draw('role');
  },
  link(state, note = '') {
    Object.assign(connection, { state, note, bye: state === 'open' ? '' : connection.bye });
    showTruth();
  },
};

const views = {
  rooms() {
    renderRooms(byId('plan'), byId('legend'), hotel, showsAll(role.grants, 'Resource'));
    showScopes(); // they name rooms
  },
  reservations(now) {
    renderArrivals(byId('arrivals'), byId('arrivals-more'), hotel, now);
    renderDepartures(byId('departures'), byId('departures-more'), hotel, now);
    views.rooms();
  },
  prices: (now) => renderPrices(byId('prices'), byId('prices-more'), hotel, now),
  commands: () => renderCommands(byId('commands'), byId('commands-more'), hotel),
  gaps: () => renderGaps(byId('gaps'), hotel, (gap) => {
    hotel.gaps = hotel.gaps.filter((other) => other !== gap);
    draw('gaps');
  }),
  // What is known of the sources says which rooms there are, and which changes were caught up.
  sources(now) {
    showTruth();
    views.reservations(now);
    views.commands();
  },
  caught: () => renderCaughtUp(byId('caught'), hotel),
  raw: () => raw.render(hotel),
  role: showRole,
};

// The hotel lives faster than we do. This is its clock, from what it was when we asked.
const clock = { read: Date.now(), hotel: Date.now(), speed: 1 };
const hotelNow = () => clock.hotel + (Date.now() - clock.read) * clock.speed;

function setClock({ now, speed } = {}) {
  Object.assign(clock, { read: Date.now(), hotel: Date.parse(now), speed });
}

function showClock() {
  const day = Math.round(1440 / clock.speed);
  put(byId('clock'), `· its clock says ${atDay(hotelNow())}, a day takes ${day < 2 ? 'a minute' : `${day} minutes`}`);
}

const marked = new Set();

// draw marks views to be drawn in the next frame.
function draw(...names) {
  if (marked.size === 0) requestAnimationFrame(drawMarked);
  for (const name of names) marked.add(name);
}

function drawMarked() {
  const names = [...marked].filter((name) => name in views);
  marked.clear();
  if (names.includes('reservations') && names.includes('rooms')) names.splice(names.indexOf('rooms'), 1);
  for (const name of names) views[name](hotelNow());
}

function showTruth() {
  const now = Date.now();
  const said = truth({ ...connection, heard: link?.heard, heartbeat: link?.heartbeat }, hotel, now);
  const ago = Math.max(0, Math.floor((now - link?.heard) / 1000));
  renderBadge(badge, said, link?.heard ? `heard ${ago < 2 ? 'just now' : `${ago} s ago`}` : '');
  plug?.render();
  document.title = `${said.tone === 'live' ? '' : `${said.label} · `}${byId('hotel').textContent}`;
}

function showRole() {
  renderRoles(byId('roles'), role.shown, role.wanted);
  put(byId('summary'), role.shown ? summary(role.grants) : '');
  for (const node of document.querySelectorAll('[data-needs]')) node.hidden = !shows(role.grants, node.dataset.needs);
  views.rooms();
}

function showScopes() {
  for (const node of document.querySelectorAll('[data-scope]')) put(node, scope(role.grants, node.dataset.scope, hotel));
}

function choose(wanted) {
  role.wanted = wanted;
  draw('role');
  link.choose(wanted);
}

async function plan() {
  const answer = await fetch('demo/hotel', { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`demo/hotel: ${answer.status}`);
  return answer.json();
}

async function learn() {
  try {
    const { clock: said, ...rest } = await plan();
    setClock(said);
    hotel.learn(rest);
    draw(...Object.keys(views));
  } catch {
    // The names that are known go on to serve.
  }
}

async function start() {
  try {
    const { source, name, roles, clock: said, ...rest } = await plan();
    put(byId('hotel'), name);
    setClock(said);
    setInterval(showClock, 1000);
    hotel.learn(rest);
    makeRoles(byId('roles'), roles, choose);
    plug = new Plug({ root: byId('plug'), button: byId('pull'), note: byId('pull-note') });
    const url = `events?${new URLSearchParams({ source, snapshot: true, as: 'message' })}`;
    link = new Supervisor({ url, role: roles[0], session, page });
    link.start();
  } catch (err) {
    const other = err.message.endsWith(': 404'); // of bellhop serve
    page.link('connecting', other ? 'these pages show the demo’s hotel, and this gateway is not the demo’s' : 'the demo’s hotel cannot be read');
    if (!other) setTimeout(start, 3000 + Math.random() * 3000);
  }
}

byId('seen').addEventListener('click', () => {
  hotel.unmark();
  draw('sources', 'caught');
});

// A page that is put aside gives its connection back, and goes on where it was when it is shown again.
addEventListener('pagehide', () => link?.stop());
addEventListener('pageshow', ({ persisted }) => persisted && link?.start());
setInterval(showTruth, 1000);
setInterval(() => draw('reservations'), 1000); // who is due changes with the hotel's clock
start();
