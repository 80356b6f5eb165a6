// Price ticks and device commands: two short lists, newest first.

import { atSecond, key, nights, say, shortID } from '../model/words.js';
import { el, flash, keyed, put, wash } from './dom.js';

const rows = 7;
const span = 90 * 86_400_000; // ms; what a price's track shows of the year ahead
const steps = ['Pending', 'Received', 'Processing', 'Processed'];

// renderPrices lists the latest price updates, each with its dates on a track of the next 90 days.
export function renderPrices(root, more, hotel, now) {
  keyed(root, hotel.prices.slice(0, rows), {
    key: (tick) => tick,
    create: (tick) => makePrice(tick, hotel, now),
    update: (node, tick) => tick.news && flash(node, wash),
  });
  put(more, hotel.prices.length ? '' : 'None yet.');
}

function makePrice(tick, hotel, now) {
  const bar = el('i');
  const [from, to] = extent(tick, now);
  bar.style.setProperty('--from', `${from}%`);
  bar.style.setProperty('--width', `${Math.max(2, to - from)}%`);
  return el('li', { class: 'tick' },
    el('span', { class: 'time' }, atSecond(tick.at)),
    el('span', { class: 'what' }, el('b', {}, hotel.rateName(tick.rate)), el('span', {}, hotel.categoryName(tick.category))),
    el('span', { class: 'dates' }, nights(tick.start, tick.end)),
    el('span', { class: 'track', 'aria-hidden': 'true' }, bar));
}

// extent is where on the track a price begins and ends, in percent.
function extent({ start, end }, now) {
  const place = (at, open) => (Number.isFinite(at) ? Math.min(98, Math.max(0, ((at - now) / span) * 100)) : open);
  return [place(start, 0), place(end, 100)];
}

// renderCommands lists the device commands that changed last, each with how far it has come.
export function renderCommands(root, more, hotel) {
  keyed(root, [...hotel.commands.values()].reverse().slice(0, rows), {
    key: (command) => key(command.id),
    create: (command) => el('li', { class: 'command' },
      el('span', { class: 'time' }), el('span', { class: 'what' }, el('b', {}, shortID(command.id))),
      el('span', { class: 'steps', 'aria-hidden': 'true' }, ...steps.map(() => el('i'))), el('span', { class: 'chip' })),
    update: drawCommand,
  });
  put(more, hotel.commands.size ? '' : 'None yet.');
}

function drawCommand(node, command, fresh) {
  const [time, , bars, chip] = node.children;
  const reached = steps.indexOf(command.state);
  put(time, atSecond(command.at));
  put(chip, say(command.state));
  for (const [i, bar] of [...bars.children].entries()) bar.classList.toggle('done', i <= reached);
  if (command.news && (fresh || node.dataset.state !== command.state)) flash(node, wash);
  node.classList.toggle('late', command.late);
  node.dataset.state = command.state;
  chip.dataset.state = command.state;
}
