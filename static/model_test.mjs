import assert from 'node:assert/strict';
import { test } from 'node:test';

import { scope, shows, summary } from './model/grants.js';
import { Hotel } from './model/hotel.js';
import { truth } from './model/truth.js';
import { key, nights, state } from './model/words.js';

const plan = {
  rooms: [{ id: 'R1', name: '101', floor: 1, category: 'Double' }, { id: 'R2', name: '102', floor: '1', category: 'Double' }],
  categories: [{ id: 'C1', name: 'Double' }],
  rates: [{ id: 'T1', name: 'Best available' }],
};

const upstream = (type, id, event = {}, received = '2026-11-21T10:00:05Z') => ['message', { source: 'hotel', type, id, received, event: { Type: type, Id: id, ...event } }];

test('a room takes the state of its event, whatever the case of its id', () => {
  const hotel = new Hotel(plan);
  assert.equal(hotel.take(...upstream('Resource', 'r1', { State: 'Dirty' })), 'rooms');
  assert.equal(hotel.room('R1').state, 'Dirty');
  assert.equal(hotel.room('R1').name, '101');
});

test('only what came after the opening is news', () => {
  const hotel = new Hotel(plan);
  hotel.take('bellhop.ready', { now: '2026-11-21T10:00:00Z', sources: [] });
  hotel.take(...upstream('Resource', 'R1', { State: 'Dirty' }, '2026-11-21T09:59:59Z'));
  hotel.take(...upstream('Resource', 'R2', { State: 'Dirty' }, '2026-11-21T10:00:01Z'));
  assert.deepEqual([hotel.room('R1').news, hotel.room('R2').news], [false, true]);
});

test('a room that is checked in to is occupied until it is left', () => {
  const hotel = new Hotel(plan);
  const stay = (State) => hotel.take(...upstream('Reservation', 'S1', { State, AssignedResourceId: 'R2' }));
  stay('Confirmed');
  assert.equal(hotel.occupied().size, 0);
  stay('Started');
  assert.equal(hotel.occupied().get('r2').id, 'S1');
  stay('Processed');
  assert.equal(hotel.occupied().size, 0);
});

test('what has left the view is taken off', () => {
  const hotel = new Hotel(plan);
  hotel.take(...upstream('Resource', 'R1', { State: 'Dirty' }));
  hotel.take(...upstream('Reservation', 'S1', { State: 'Started' }));
  hotel.take(...upstream('DeviceCommand', 'D1', { State: 'Pending' }));
  for (const [type, id] of [['Resource', 'r1'], ['Reservation', 's1'], ['DeviceCommand', 'd1'], ['Other', 'x']]) {
    hotel.take('bellhop.left', { source: 'hotel', type, id });
  }
  assert.equal(hotel.room('R1').state, '');
  assert.equal(hotel.reservations.size + hotel.commands.size, 0);
});

test('a plan that is learnt later gives names and keeps state', () => {
  const hotel = new Hotel();
  hotel.take(...upstream('Resource', 'R1', { State: 'Clean' }));
  hotel.learn(plan);
  assert.deepEqual([hotel.room('R1').name, hotel.room('R1').state, hotel.rooms.size], ['101', 'Clean', 2]);
});

test('odd data is taken without harm', () => {
  const hotel = new Hotel({ rooms: null, categories: 5, rates: [null, {}] });
  const odd = [null, undefined, 5, 'text', [], {}, { type: 5 }, { type: 'Resource' }, { type: 'Reservation', id: {}, event: 'x' },
    { type: 'PriceUpdate', id: '', event: { StartUtc: 7, EndUtc: 'never', RateId: {} } }, { type: 'DeviceCommand', id: 'x', event: { State: {} } },
    { sources: 'x' }, { sources: [null] }, { types: { length: -1 } }];
  for (const name of ['message', 'bellhop.ready', 'bellhop.source', 'bellhop.left', 'bellhop.gap', 'bellhop.later']) {
    for (const data of odd) hotel.take(name, data);
  }
  assert.equal(hotel.prices[0].start, NaN);
  assert.equal(nights(hotel.prices[0].start, hotel.prices[0].end), 'all dates');
  assert.equal(hotel.rateName(hotel.prices[0].rate), 'all rates');
});

test('types not known here are counted, and few of them kept', () => {
  const hotel = new Hotel(plan);
  for (let i = 0; i < 100; i++) hotel.take(...upstream(`Type${i % 50}`, 'x'));
  assert.deepEqual([hotel.events, hotel.strange, hotel.unknown.size], [100, 100, 12]);
});

test('memory is bounded, and a stay that goes on outlives those that are over', () => {
  const hotel = new Hotel(plan);
  hotel.take(...upstream('Reservation', 'guest', { State: 'Started' }));
  for (let i = 0; i < 5000; i++) {
    hotel.take(...upstream('Reservation', `s${i}`, { State: 'Processed' }));
    hotel.take(...upstream('Resource', `r${i}`, { State: 'Clean' }));
    hotel.take(...upstream('PriceUpdate', `p${i}`));
    hotel.take(...upstream('DeviceCommand', `d${i}`, { State: 'Pending' }));
    hotel.take('bellhop.gap', { from: '', to: '', types: [], reason: 'api' });
  }
  assert.ok(hotel.reservations.has('guest'));
  assert.deepEqual([hotel.reservations.size, hotel.rooms.size, hotel.prices.length, hotel.commands.size, hotel.gaps.length], [2000, 500, 40, 40, 3]);
});

const open = { state: 'open', heard: 0, heartbeat: 10 };
const sources = (...states) => new Map(states.map((s, i) => [`s${i}`, { source: `s${i}`, state: s, since: '2026-11-21T10:00:00Z', reason: 'closed' }]));

test('the badge is live only over an open stream, a recent block and a live source', () => {
  const tone = (link, states, now = 0) => truth({ ...open, ...link }, sources(...states), now).tone;
  assert.equal(tone({}, ['live']), 'live');
  for (const states of [['down'], ['stale'], ['catching-up'], ['unknown'], ['live', 'down'], [], ['hibernating'], [undefined]]) {
    assert.notEqual(tone({}, states), 'live', states);
  }
  for (const state of ['connecting', 'reconnecting', 'session', 'other']) assert.notEqual(tone({ state }, ['live']), 'live', state);
  assert.equal(tone({}, ['live'], 15_000), 'live');
  assert.notEqual(tone({}, ['live'], 17_000), 'live');
});

test('the badge says why', () => {
  assert.match(truth(open, sources('down'), 0).detail, /closed the connection/);
  assert.match(truth({ ...open, state: 'reconnecting', bye: 'shutdown' }, sources('live'), 0).detail, /restarting/);
});

test('grants tell which panels a token fills', () => {
  const housekeeper = [{ sources: ['hotel'], types: ['Resource'] }, { sources: ['hotel'], types: ['Reservation'], states: ['Started', 'Processed'] }];
  const hotel = new Hotel(plan);
  assert.equal(shows(housekeeper, 'Resource'), true);
  assert.equal(scope(housekeeper, 'Resource', hotel), '');
  assert.equal(scope(housekeeper, 'Reservation', hotel), 'This token shows only reservations that are checked in or checked out.');
  assert.equal(scope(housekeeper, 'PriceUpdate', hotel), 'This token shows no prices.');
  assert.equal(scope([{ types: ['*'], redact: ['event.StartUtc', 'event.EndUtc'] }], 'Reservation', hotel), 'It hides event.StartUtc and event.EndUtc.');
  assert.equal(summary(housekeeper), 'This token shows rooms and some reservations; no prices or device commands.');
  assert.equal(summary([{ sources: ['*'], types: ['*'] }]), 'This token shows everything.');
  assert.equal(summary(undefined), 'This token shows nothing of the hotel.');
});

test('a grant narrowed by what a type cannot have shuts it out', () => {
  const guest = [{ sources: ['hotel'], types: ['*'], resources: ['r2'] }];
  const hotel = new Hotel(plan);
  assert.equal(shows(guest, 'PriceUpdate'), false);
  assert.equal(shows(guest, 'DeviceCommand'), false);
  assert.equal(scope(guest, 'Resource', hotel), 'This token shows only room 102.');
  assert.equal(scope(guest, 'Reservation', hotel), 'This token shows only reservations of room 102.');
  const own = [{ sources: ['hotel'], types: ['Reservation'], ids: ['s1'] }];
  assert.equal(scope(own, 'Reservation', hotel), 'This token shows only one reservation.');
});

test('words', () => {
  assert.equal(key('AbÇ'), 'abÇ');
  assert.equal(key(5), '');
  assert.equal(state('Enquired'), 'Inquired');
  assert.equal(state('Cancelled'), 'Canceled');
  const [day, next] = [Date.parse('2026-07-04T12:00:00Z'), Date.parse('2026-07-05T12:00:00Z')];
  assert.doesNotMatch(nights(day, day), /–/);
  assert.match(nights(day, next), /–/);
  assert.match(nights(day, NaN), /^from /);
  assert.match(nights(NaN, day), /^until /);
});
