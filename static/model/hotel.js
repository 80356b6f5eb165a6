// The hotel as this page knows it: state made from events, with no DOM in it and never more of it
// than the limits allow. It takes whatever comes; what it does not know, it counts.

import { key, moment, shortID, state, text } from './words.js';

const limits = { rooms: 500, reservations: 2000, prices: 40, commands: 40, gaps: 3, unknown: 12 };

const done = new Set(['Processed', 'Canceled']);
const quiet = { heard: false, state: '', since: NaN, news: false, late: false }; // what is known of a room that is not shown

export class Hotel {
  // What is late was missed while the hotel's system was away, and caught up.
  rooms = new Map(); // by key: {id, name, floor, category, heard, state, since, news, late}
  reservations = new Map(); // by key: {id, number, state, start, end, booked: {start, end}, room, asked, at, news, late}
  commands = new Map(); // by key: {id, state, at, news, late}
  prices = []; // newest first: {id, at, start, end, rate, category, news}
  gaps = []; // newest first: {from, to, types, reason}
  sources = new Map(); // by name: {source, state, since, confirmed, reason}
  events = 0;
  strange = 0; // events of types that are not known here
  unknown = new Map(); // how often each of the first few of those types came
  connected = NaN; // the gateway's clock when the stream opened: what came later is news
  whole = false; // the snapshot has been given whole
  settled = false; // and the source has been live since: what is not known is not there
  caughtUp = 0; // changes since the source was last away that were missed and caught up

  #plan = new Map(); // by key: {id, floor, category}
  #categories;
  #rates;

  constructor(plan) {
    this.learn(plan);
  }

  // learn takes the answer of demo/hotel, where the rooms are and what categories and rates are
  // called, and keeps the rooms that were heard of. What a room is called comes with its events.
  learn(plan) {
    this.#plan = new Map(list(plan?.rooms).slice(0, limits.rooms).map(({ id, floor, category }) => (
      [key(id), { id, floor: label(floor), category: label(category) }])));
    this.#categories = names(plan?.categories);
    this.#rates = names(plan?.rates);
    const heard = [...this.rooms].filter(([, room]) => room.heard);
    this.#unheard();
    for (const [id, room] of heard) this.rooms.set(id, { ...room, ...this.#plan.get(id) });
  }

  // drop forgets all that events have told.
  drop() {
    this.#unheard();
    this.reservations.clear();
    this.commands.clear();
    this.prices = [];
    this.gaps = [];
    this.events = 0;
    this.strange = 0;
    this.unknown.clear();
    this.whole = false;
    this.settled = false;
    this.caughtUp = 0;
  }

  // unmark forgets which changes were caught up.
  unmark() {
    this.caughtUp = 0;
    for (const held of [this.rooms, this.reservations, this.commands]) {
      for (const [id, value] of held) if (value.late) held.set(id, { ...value, late: false });
    }
  }

  // take takes one block of the stream and says what it changed: 'rooms', 'reservations',
  // 'prices', 'commands', 'gaps', 'sources', or '' where nothing that is shown.
  take(name, data) {
    if (!data || typeof data !== 'object') return '';
    switch (name) {
      case 'message': return this.#event(data);
      case 'bellhop.ready': return this.#ready(data);
      case 'bellhop.source': return this.#source(data);
      case 'bellhop.left': return this.#left(data);
      case 'bellhop.gap': return this.#gap(data);
      case 'bellhop.snapshot': return this.#snapshot();
      default: return '';
    }
  }

  categoryName(id) {
    return named(this.#categories, id, 'all rooms');
  }

  rateName(id) {
    return named(this.#rates, id, 'all rates');
  }

  // room is the room of an id, where there is one.
  room(id) {
    return this.rooms.get(key(id));
  }

  // occupied is the rooms that someone has checked in to, by key, each with the reservation.
  occupied() {
    const rooms = new Map();
    for (const stay of this.reservations.values()) {
      if (stay.state === 'Started' && stay.room) rooms.set(key(stay.room), stay);
    }
    return rooms;
  }

  #unheard() {
    this.rooms = new Map([...this.#plan].map(([id, planned]) => [id, { ...quiet, name: '', ...planned }]));
  }

  #event({ type, id, origin, received, event, entity }) {
    this.events++;
    const at = moment(received);
    const news = origin !== 'snapshot' && at >= this.connected;
    const late = origin === 'backfill' && this.settled; // before that it is how the hotel was first read
    if (late) this.caughtUp++;
    const [body, more] = [object(event), object(entity)];
    switch (type) {
      case 'Resource': return this.#resource(id, body, more, { since: at, news, late });
      case 'Reservation': return this.#reservation(id, body, more, { at, news, late });
      case 'PriceUpdate': return this.#price(id, body, { at, news });
      case 'DeviceCommand': return this.#command(id, body, { at, news, late });
      default: return this.#other(text(type, 60) || 'no type');
    }
  }

  #resource(id, body, { Name }, marks) {
    const room = this.room(id) ?? { id, name: '', floor: '', category: '' };
    if (this.rooms.size >= limits.rooms && !this.room(id)) return '';
    this.rooms.set(key(id), { ...room, ...marks, heard: true, name: label(Name) || room.name, state: state(body.State) });
    return 'rooms';
  }

  #reservation(id, body, more, marks) {
    const before = this.reservations.get(key(id)); // an event may come without its entity
    const stay = {
      id, ...marks,
      number: label(more.Number) || (before?.number ?? ''),
      state: state(body.State),
      start: moment(body.StartUtc),
      end: moment(body.EndUtc),
      booked: { start: moment(more.ScheduledStartUtc), end: moment(more.ScheduledEndUtc) },
      room: text(body.AssignedResourceId),
      asked: text(more.RequestedResourceCategoryId) || (before?.asked ?? ''),
    };
    put(this.reservations, id, stay, limits.reservations, (old) => done.has(old.state));
    return 'reservations';
  }

  #price(id, body, marks) {
    const tick = {
      id, ...marks,
      start: moment(body.StartUtc),
      end: moment(body.EndUtc),
      rate: text(body.RateId),
      category: text(body.ResourceCategoryId),
    };
    this.prices = [tick, ...this.prices].slice(0, limits.prices);
    return 'prices';
  }

  #command(id, body, marks) {
    put(this.commands, id, { id, ...marks, state: state(body.State) }, limits.commands);
    return 'commands';
  }

  #other(type) {
    this.strange++;
    if (this.unknown.has(type) || this.unknown.size < limits.unknown) {
      this.unknown.set(type, (this.unknown.get(type) ?? 0) + 1);
    }
    return '';
  }

  #ready({ now, sources }) {
    this.connected = moment(now);
    this.sources = new Map(list(sources).map((source) => [source.source, source]));
    return this.#settle();
  }

  #source(source) {
    const name = text(source.source);
    if (source.state === 'down' && this.sources.get(name)?.state !== 'down') this.unmark();
    this.sources.set(name, source);
    return this.#settle();
  }

  #snapshot() {
    this.whole = true;
    return this.#settle();
  }

  #settle() {
    this.settled ||= this.whole && [...this.sources.values()].every((source) => source.state === 'live');
    return 'sources';
  }

  #left({ type, id }) {
    switch (type) {
      case 'Resource': {
        const room = this.room(id);
        if (room) this.rooms.set(key(id), { ...room, ...quiet });
        return 'rooms';
      }
      case 'Reservation': return this.reservations.delete(key(id)) ? 'reservations' : '';
      case 'DeviceCommand': return this.commands.delete(key(id)) ? 'commands' : '';
      default: return '';
    }
  }

  #gap({ from, to, types, reason }) {
    const gap = { from: moment(from), to: moment(to), types: list(types, 'string'), reason: text(reason, 40) };
    this.gaps = [gap, ...this.gaps].slice(0, limits.gaps);
    return 'gaps';
  }
}

// put sets a value as the newest and, beyond the limit, takes out the oldest that may rather go, or
// else the oldest.
function put(map, id, value, limit, rather = () => true) {
  map.delete(key(id));
  map.set(key(id), value);
  if (map.size <= limit) return;
  for (const [old, held] of map) {
    if (rather(held)) return map.delete(old);
  }
  map.delete(map.keys().next().value);
}

const object = (value) => (value && typeof value === 'object' ? value : {});

// list is the objects (or values of another kind) in what should be an array of them.
function list(values, kind = 'object') {
  return Array.isArray(values) ? values.filter((value) => value !== null && typeof value === kind) : [];
}

function names(entries) {
  return new Map(list(entries).map(({ id, name }) => [key(id), label(name)]));
}

// label is a name or a number, as a label.
function label(value) {
  return typeof value === 'number' ? String(value) : text(value, 60);
}

function named(map, id, none) {
  return id ? map.get(key(id)) || shortID(id) : none;
}
