// The floor plan: every floor a corridor with rooms on both sides, every room in its state's colour.

import { atMinute, say, shortID } from '../model/words.js';
import { el, flash, icon, keyed, put } from './dom.js';

const order = ['Inspected', 'Clean', 'Dirty', 'OutOfService', 'OutOfOrder'];
const signs = { Inspected: 'inspected', Clean: 'clean', Dirty: 'dirty', OutOfService: 'service', OutOfOrder: 'order' };

// renderRooms draws the plan into root and the legend with its counts beside it. For a token that shows
// all rooms, one that is not heard of is none; for others it is quiet.
export function renderRooms(root, legend, hotel, all) {
  const occupied = hotel.occupied();
  const tiles = [...hotel.rooms].map(([key, room]) => ({ key, room, stay: occupied.get(key) }))
    .filter(({ room }) => room.heard || !all || !hotel.settled);
  keyed(root, floors(tiles), { key: (floor) => floor.name, create: makeFloor, update: drawFloor });
  drawLegend(legend, tiles);
}

// floors is the tiles by floor, the top one first, as one looks at a house.
function floors(tiles) {
  const number = ({ name }) => (name === '' ? -Infinity : Number.parseFloat(name) || 0);
  return [...Map.groupBy(tiles, ({ room }) => room.floor)]
    .map(([name, rooms]) => ({ name, rooms }))
    .sort((a, b) => number(b) - number(a));
}

function makeFloor({ name }) {
  const side = () => el('ul', { class: 'side' });
  const title = name === '' ? 'Other rooms' : `Floor ${name}`;
  return el('section', { class: 'floor', 'aria-label': title },
    el('h3', {}, name === '' ? 'Other' : el('span', { class: 'floor-word' }, 'Floor '), name),
    el('div', { class: 'sides' }, side(), el('div', { class: 'corridor', 'aria-hidden': 'true' }), side()));
}

function drawFloor(node, { rooms }) {
  const sides = node.querySelectorAll('.side');
  const half = Math.ceil(rooms.length / 2);
  node.style.setProperty('--across', half);
  keyed(sides[0], rooms.filter((_, i) => i % 2 === 0), tileView);
  keyed(sides[1], rooms.filter((_, i) => i % 2 === 1), tileView);
}

const tileView = {
  key: (tile) => tile.key,
  create: () => el('li', { class: 'room' },
    el('span', { class: 'room-name' }), el('span', { class: 'room-stay' }), el('span', { class: 'room-state' })),
  update: drawRoom,
  same: (a, b) => a.room === b.room && a.stay === b.stay,
};

function drawRoom(node, { room, stay }) {
  const [name, guest, state] = node.children;
  const changed = node.dataset.state !== room.state;
  node.dataset.state = room.state;
  put(name, room.name || (room.heard ? shortID(room.id) : ''));
  guest.replaceChildren(...(stay ? [icon('bed'), el('span', { class: 'unseen' }, ' occupied')] : []));
  state.replaceChildren(...(signs[room.state] ? [icon(signs[room.state])] : []), el('span', {}, say(room.state) || 'not shown'));
  node.classList.toggle('late', room.late);
  node.title = [
    room.late && 'missed and caught up',
    room.state && `${say(room.state)} since ${atMinute(room.since)}`,
    stay && `occupied until ${atMinute(stay.end)}`,
  ].filter(Boolean).join('; ');
  if (changed && room.news) flash(node);
}

function drawLegend(legend, tiles) {
  const counts = new Map(order.map((state) => [state, 0]));
  for (const { room } of tiles) if (room.state) counts.set(room.state, (counts.get(room.state) ?? 0) + 1);
  const entries = [...counts].slice(0, 8).map(([state, count]) => ({ state, count }));
  entries.push({ state: 'occupied', count: tiles.filter(({ stay }) => stay).length });
  keyed(legend, entries, {
    key: ({ state }) => state,
    create: ({ state }) => el('li', { 'data-state': state },
      icon(state === 'occupied' ? 'bed' : signs[state] ?? 'dirty'), el('span', {}, say(state)), el('b')),
    update: (node, { count }) => put(node.lastElementChild, String(count)),
  });
}
