// The hotel as this page knows it: state made from events, with no DOM in it and never more of it
// than the limits allow. It takes whatever comes; what it does not know, it counts.

import { key, moment, shortID, state, text } from './words.js';

const limits = { rooms: 500, reservations: 2000, prices: 40, commands: 40, gaps: 3, unknown: 12 };

const done = new Set(['Processed', 'Canceled']);

export class Hotel {
  rooms = new Map(); // by key: {id, name, floor, category, state, since, news}
  reservations = new Map(); // by key: {id, state, start, end, room, at, news}
  commands = new Map(); // by key: {id, state, at, news}
  prices = []; // newest first: {id, at, start, end, rate, category, news}
  gaps = []; // newest first: {from, to, types, reason}
  sources = new Map(); // by name: {source, state, since, confirmed, reason}
  events = 0;
  strange = 0; // events of types that are not known here
  unknown = new Map(); // how often each of the first few of those types came
  connected = NaN; // the gateway's clock when the stream opened: what came later is news

  #plan;
  #categories;
  #rates;

  constructor(plan) {
    this.learn(plan);
  }

  // learn takes the answer of demo/hotel, what the rooms, categories and rates are called, and keeps
  // the state of the rooms that were heard of.
  learn(plan) {
    this.#plan = list(plan?.rooms).slice(0, limits.rooms);
    this.#categories = names(plan?.categories);
    this.#rates = names(plan?.rates);
    const heard = [...this.rooms].filter(([, room]) => room.state);
    this.#unheard();
    for (const [id, { state, since, news, ...room }] of heard) {
      this.rooms.set(id, { ...room, ...this.rooms.get(id), state, since, news });
    }
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
    const room = ({ id, name, floor, category }) => ({
      id, name: label(name) || shortID(id), floor: label(floor), category: label(category), state: '', since: NaN, news: false,
    });
    this.rooms = new Map(this.#plan.map((planned) => [key(planned.id), room(planned)]));
  }

  #event({ type, id, received, event }) {
    this.events++;
    const at = moment(received);
    const news = at >= this.connected;
    const body = event && typeof event === 'object' ? event : {};
    switch (type) {
      case 'Resource': return this.#resource(id, body, at, news);
      case 'Reservation': return this.#reservation(id, body, at, news);
      case 'PriceUpdate': return this.#price(id, body, at, news);
      case 'DeviceCommand': return this.#command(id, body, at, news);
      default: return this.#other(text(type, 60) || 'no type');
    }
  }

  #resource(id, body, at, news) {
    const room = this.room(id) ?? { id, name: shortID(id), floor: '', category: '' };
    if (this.rooms.size >= limits.rooms && !this.room(id)) return '';
    this.rooms.set(key(id), { ...room, state: state(body.State), since: at, news });
    return 'rooms';
  }

  #reservation(id, body, at, news) {
    const stay = {
      id, at, news,
      state: state(body.State),
      start: moment(body.StartUtc),
      end: moment(body.EndUtc),
      room: text(body.AssignedResourceId),
    };
    put(this.reservations, id, stay, limits.reservations, (old) => done.has(old.state));
    return 'reservations';
  }

  #price(id, body, at, news) {
    const tick = {
      id, at, news,
      start: moment(body.StartUtc),
      end: moment(body.EndUtc),
      rate: text(body.RateId),
      category: text(body.ResourceCategoryId),
    };
    this.prices = [tick, ...this.prices].slice(0, limits.prices);
    return 'prices';
  }

  #command(id, body, at, news) {
    put(this.commands, id, { id, at, news, state: state(body.State) }, limits.commands);
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
    return 'sources';
  }

  #source(source) {
    this.sources.set(text(source.source), source);
    return 'sources';
  }

  #left({ type, id }) {
    switch (type) {
      case 'Resource': {
        const room = this.room(id);
        if (room) this.rooms.set(key(id), { ...room, state: '', since: NaN, news: false });
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
