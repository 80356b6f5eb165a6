import assert from 'node:assert/strict';
import { test } from 'node:test';

import { scope, shows, showsAll, summary } from './model/grants.js';
import { Hotel } from './model/hotel.js';
import { truth } from './model/truth.js';
import { key, nights, state } from './model/words.js';

const plan = {
  rooms: [{ id: 'R1', floor: 1, category: 'Double' }, { id: 'R2', floor: '1', category: 'Double' }],
  categories: [{ id: 'C1', name: 'Double' }],
  rates: [{ id: 'T1', name: 'Best available' }],
};

const upstream = (type, id, event = {}, { received = '2026-11-21T10:00:05Z', origin = 'live', entity } = {}) => (
  ['message', { source: 'hotel', type, id, origin, received, event: { Type: type, Id: id, ...event }, entity }]);
const ready = (...states) => ['bellhop.ready', { now: '2026-11-21T10:00:00Z', sources: states.map((state, i) => ({ source: `s${i}`, state })) }];
const whole = ['bellhop.snapshot', { count: 0 }];

test('a room takes the state of its event, whatever the case of its id', () => {
  const hotel = new Hotel(plan);
  assert.equal(hotel.take(...upstream('Resource', 'r1', { State: 'Dirty' })), 'rooms');
  assert.equal(hotel.room('R1').state, 'Dirty');
  assert.equal(hotel.room('R1').floor, '1');
});

test('names and numbers are those of the entity, and stay when an event comes without it', () => {
  const hotel = new Hotel(plan);
  hotel.take(...upstream('Resource', 'R1', { State: 'Dirty' }, { entity: { Name: '101' } }));
  hotel.take(...upstream('Resource', 'R1', { State: 'Clean' }));
  hotel.take(...upstream('Resource', 'R2', { State: 'Clean' }, { entity: { Name: { odd: true } } }));
  assert.deepEqual([hotel.room('R1').name, hotel.room('R2').name], ['101', '']);
  hotel.take(...upstream('Resource', 'R1', { State: 'Clean' }, { entity: { Name: '101A' } }));
  assert.equal(hotel.room('R1').name, '101A');

  const stay = (entity) => {
    hotel.take(...upstream('Reservation', 'S1', { State: 'Confirmed' }, { entity }));
    const { number, asked } = hotel.reservations.get('s1');
    return [number, asked];
  };
  assert.deepEqual(stay(undefined), ['', '']);
  assert.deepEqual(stay({ Number: '1042', RequestedResourceCategoryId: 'C1' }), ['1042', 'C1']);
  assert.deepEqual(stay(null), ['1042', 'C1']);
});

test('only what came after the opening, and not with the snapshot, is news', () => {
  const hotel = new Hotel(plan);
  hotel.take(...ready('live'));
  const news = (more) => {
    hotel.take(...upstream('Resource', 'R1', { State: 'Dirty' }, more));
    return hotel.room('R1').news;
  };
  assert.equal(news({ received: '2026-11-21T09:59:59Z' }), false);
  assert.equal(news({ received: '2026-11-21T10:00:01Z' }), true);
  assert.equal(news({ received: '2026-11-21T10:00:01Z', origin: 'snapshot' }), false);
  assert.equal(news({ received: '2026-11-21T10:00:01Z', origin: 'backfill' }), true);
});

test('what is not known is not there only behind a whole snapshot, once the source was live', () => {
  const settled = (...blocks) => {
    const hotel = new Hotel(plan);
    for (const block of blocks) hotel.take(...block);
    return hotel.settled;
  };
  const said = (state) => ['bellhop.source', { source: 's0', state }];
  assert.equal(settled(ready('live')), false);
  assert.equal(settled(ready('live'), whole), true);
  assert.equal(settled(ready('catching-up'), whole), false);
  assert.equal(settled(ready('catching-up'), whole, said('live')), true);
  assert.equal(settled(ready('live'), whole, said('down')), true);
  assert.equal(settled(ready('live', 'down'), whole), false);
  const hotel = new Hotel(plan);
  hotel.take(...ready('live'));
  hotel.take(...whole);
  hotel.drop();
  assert.deepEqual([hotel.whole, hotel.settled], [false, false]);
});

test('what was missed and caught up is marked and counted, until the next time or until it is seen', () => {
  const hotel = new Hotel(plan);
  const said = (state) => hotel.take('bellhop.source', { source: 's0', state });
  const caught = (type, id) => hotel.take(...upstream(type, id, { State: 'Clean' }, { origin: 'backfill' }));
  const late = () => [hotel.room('R1').late, hotel.reservations.get('s1')?.late, hotel.commands.get('d1')?.late, hotel.caughtUp];
  hotel.take(...ready('catching-up'));
  caught('Resource', 'R1'); // how the hotel was first read
  hotel.take(...whole);
  said('live');
  assert.deepEqual(late(), [false, undefined, undefined, 0]);

  for (const state of ['down', 'down', 'catching-up']) said(state);
  for (const [type, id] of [['Resource', 'R1'], ['Reservation', 'S1'], ['DeviceCommand', 'D1']]) caught(type, id);
  said('live');
  assert.deepEqual(late(), [true, true, true, 3]);
  hotel.take(...upstream('Resource', 'R1', { State: 'Dirty' }));
  assert.deepEqual(late(), [false, true, true, 3]);
  said('down');
  assert.deepEqual(late(), [false, false, false, 0]);
  assert.equal(hotel.room('R1').state, 'Dirty');
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
  assert.deepEqual([hotel.room('R1').heard, hotel.room('R1').state], [false, '']);
  assert.equal(hotel.reservations.size + hotel.commands.size, 0);
});

test('a plan that is learnt later gives places and keeps what was heard', () => {
  const hotel = new Hotel();
  hotel.take(...upstream('Resource', 'R1', { State: 'Clean' }, { entity: { Name: '101' } }));
  hotel.learn(plan);
  const { name, state: now, floor } = hotel.room('R1');
  assert.deepEqual([name, now, floor, hotel.rooms.size], ['101', 'Clean', '1', 2]);
});

test('odd data is taken without harm', () => {
  const hotel = new Hotel({ rooms: null, categories: 5, rates: [null, {}] });
  const odd = [null, undefined, 5, 'text', [], {}, { type: 5 }, { type: 'Resource' }, { type: 'Reservation', id: {}, event: 'x' },
    { type: 'PriceUpdate', id: '', event: { StartUtc: 7, EndUtc: 'never', RateId: {} } }, { type: 'DeviceCommand', id: 'x', event: { State: {} } },
    { type: 'Resource', id: 'x', event: null, entity: 5 }, { type: 'Reservation', id: 'x', entity: [null], origin: {} }, { source: {}, state: [] },
    { sources: 'x' }, { sources: [null] }, { types: { length: -1 } }];
  for (const name of ['message', 'bellhop.ready', 'bellhop.snapshot', 'bellhop.source', 'bellhop.left', 'bellhop.gap', 'bellhop.later']) {
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
const house = (...states) => ({
  whole: true,
  settled: true,
  sources: new Map(states.map((s, i) => [`s${i}`, { source: `s${i}`, state: s, since: '1970-01-01T00:00:00Z', reason: 'closed' }])),
});

test('the badge is live only over an open stream, a recent block, a whole snapshot and a live source', () => {
  const tone = (link, states, now = 0) => truth({ ...open, ...link }, house(...states), now).tone;
  assert.equal(tone({}, ['live']), 'live');
  for (const states of [['down'], ['stale'], ['catching-up'], ['unknown'], ['live', 'down'], [], ['hibernating'], [undefined]]) {
    assert.notEqual(tone({}, states), 'live', states);
  }
  for (const state of ['connecting', 'reconnecting', 'session', 'other']) assert.notEqual(tone({ state }, ['live']), 'live', state);
  assert.equal(tone({}, ['live'], 15_000), 'live');
  assert.notEqual(tone({}, ['live'], 17_000), 'live');
  assert.equal(truth(open, { ...house('live'), whole: false }, 0).label, 'Loading');
  assert.equal(truth(open, { ...house('down'), whole: false }, 0).label, 'Hotel system down');
});

test('the badge says why', () => {
  const detail = (hotel, now = 0) => truth({ ...open, heard: now }, hotel, now).detail;
  assert.match(detail(house('down')), /closed the connection/);
  assert.match(detail(house('down'), 7900), /; for 7 s/);
  assert.doesNotMatch(detail(house('down'), 3_600_000), /for \d/);
  assert.match(detail(house('catching-up')), /missed/);
  assert.doesNotMatch(detail({ ...house('catching-up'), settled: false }), /missed/);
  assert.match(truth({ ...open, state: 'reconnecting', bye: 'shutdown' }, house('live'), 0).detail, /restarting/);
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
  assert.equal(scope(guest, 'Resource', hotel), 'This token shows only room …r2.');
  hotel.take(...upstream('Resource', 'R2', { State: 'Clean' }, { entity: { Name: '102' } }));
  assert.equal(scope(guest, 'Resource', hotel), 'This token shows only room 102.');
  assert.equal(scope(guest, 'Reservation', hotel), 'This token shows only reservations of room 102.');
  assert.equal(showsAll(guest, 'Resource'), false);
  assert.equal(showsAll([...guest, { sources: ['hotel'], types: ['Resource'] }], 'Resource'), true);
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
