// How times, states and ids are said. Whatever comes in, something sensible goes out.

// key is an id as it is compared: ids have no ASCII case.
export const key = (id) => text(id).replace(/[A-Z]/g, (c) => c.toLowerCase());

// text is a value if it is a string, cut to a length that a page can show, else ''.
export const text = (value, most = 256) => (typeof value === 'string' ? value.slice(0, most) : '');

// shortID is the end of an id, enough to tell two apart.
export const shortID = (id) => `…${text(id).slice(-4)}`;

// moment is a time in ms, or NaN where there is none.
export const moment = (value) => (typeof value === 'string' ? Date.parse(value) : NaN);

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const seconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

const known = (at, say) => (Number.isFinite(at) ? say(at) : '–');

// atSecond is a time of day to the second.
export const atSecond = (at) => known(at, (t) => seconds.format(t));

// atDay is a time of day with its day.
export const atDay = (at) => known(at, (t) => `${weekday.format(t)} ${clock.format(t)}`);

// atMinute is a time of day, with its day where that is not today.
export const atMinute = (at, now = Date.now()) => known(at, (t) => {
  if (sameDay(t, now)) return clock.format(t);
  const near = Math.abs(t - now) < 6 * 86_400_000;
  return `${(near ? weekday : day).format(t)} ${clock.format(t)}`;
});

// nights is an interval of days, both ends inclusive, of which either may be open.
export function nights(start, end) {
  const from = Number.isFinite(start);
  const to = Number.isFinite(end);
  if (from && to) return sameDay(start, end) ? day.format(start) : day.formatRange(Math.min(start, end), Math.max(start, end));
  if (from) return `from ${day.format(start)}`;
  if (to) return `until ${day.format(end)}`;
  return 'all dates';
}

function sameDay(a, b) {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

const spellings = { Enquired: 'Inquired', Cancelled: 'Canceled' };
const words = { OutOfService: 'Out of service', OutOfOrder: 'Out of order' };

// state is a state in the one spelling that this page knows it by.
export const state = (value) => spellings[text(value)] ?? text(value, 40);

// say is a state as a reader wants it; one not known here is shown as it came.
export const say = (value) => words[value] ?? value;

// list joins names as a sentence does.
export function list(names, last = 'and') {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)}`;
}
