// Arrivals and departures, as a station shows them: those nearest to now, in the order of their time.

import { atMinute, key, nights, shortID } from '../model/words.js';
import { el, flash, keyed, put, wash } from './dom.js';

const rows = 8;

const arrivals = {
  time: 'start',
  words: {
    Confirmed: 'Expected', Optional: 'Held', Requested: 'Waiting list', Inquired: 'Enquiry',
    Started: 'Arrived', Canceled: 'Canceled',
  },
  due: 'Confirmed',
};
const departures = { time: 'end', words: { Started: 'In house', Processed: 'Departed' }, due: 'Started' };

export const renderArrivals = (body, more, hotel, now) => render(body, more, hotel, now, arrivals);
export const renderDepartures = (body, more, hotel, now) => render(body, more, hotel, now, departures);

function render(body, more, hotel, now, board) {
  const candidates = [...hotel.reservations.values()].filter((stay) => board.words[stay.state]);
  const shown = nearest(candidates, board.time, now).map((stay) => ({ stay, place: hotel.room(stay.room) }));
  keyed(body, shown, {
    key: ({ stay }) => key(stay.id),
    create: () => el('tr', {}, el('td', { class: 'time' }), el('td', { class: 'room-cell' }),
      el('td', { class: 'kind' }), el('td', { class: 'number' }), el('td')),
    update: (node, row, fresh) => draw(node, row, fresh, hotel),
    same: (a, b) => a.stay === b.stay && a.place === b.place,
  });
  for (const [i, { stay }] of shown.entries()) drawTime(body.children[i], stay, now, board);
  const rest = candidates.length - shown.length;
  put(more, candidates.length === 0 ? 'None yet.' : rest > 0 ? `and ${rest} more` : '');
}

// nearest is the few reservations whose time is nearest to now, earliest first; those without a time come last.
function nearest(stays, time, now) {
  const away = (stay) => (Number.isFinite(stay[time]) ? Math.abs(stay[time] - now) : Infinity);
  const compare = (a, b) => (a === b ? 0 : a < b ? -1 : 1);
  return stays.sort((a, b) => compare(away(a), away(b))).slice(0, rows)
    .sort((a, b) => compare(a[time] || Infinity, b[time] || Infinity));
}

function draw(node, { stay, place }, fresh, hotel) {
  const [, room, kind, number] = node.children;
  put(room, place?.name || (stay.room ? shortID(stay.room) : '–'));
  put(kind, category(stay, place, hotel));
  put(number, stay.number || shortID(stay.id));
  node.classList.toggle('late', stay.late);
  node.title = [
    stay.late && 'missed and caught up',
    Number.isFinite(stay.booked.end) && `booked for ${nights(stay.booked.start, stay.booked.end)}`,
  ].filter(Boolean).join('; ');
  if (stay.news && (fresh || node.dataset.state !== stay.state)) flash(node, wash);
  node.dataset.state = stay.state;
}

// category is that of the room or, before there is one, that asked for.
function category(stay, place, hotel) {
  if (place) return place.category;
  return stay.asked ? hotel.categoryName(stay.asked) : 'no room yet';
}

// drawTime says what changes with the clock too: the time, with its day, and whether someone is due.
function drawTime(node, stay, now, board) {
  const due = stay.state === board.due && stay[board.time] <= now;
  const word = due ? 'Due' : board.words[stay.state];
  put(node.firstElementChild, atMinute(stay[board.time], now));
  if (node.lastElementChild.textContent === word) return;
  node.lastElementChild.replaceChildren(el('span', { class: 'chip', 'data-state': due ? 'Due' : stay.state }, word));
}
