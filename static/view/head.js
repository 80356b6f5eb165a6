// The top of the page: the badge, the roles and the notices.

import { atMinute, list } from '../model/words.js';
import { el, icon, keyed, put } from './dom.js';

const roleNames = { frontdesk: 'Front desk', housekeeper: 'Housekeeper', revenue: 'Revenue', guest: 'Guest' };

const gapReasons = {
  upstream: 'the hotel’s system was away',
  frame: 'a frame could not be read whole',
  api: 'a read was refused',
  size: 'an event was too large',
  rate: 'more came than the source may send',
  log: 'the log lost its tail',
  moved: 'the log was moved',
};
const gapTypes = { Reservation: 'reservations', Resource: 'rooms', PriceUpdate: 'prices', DeviceCommand: 'device commands' };

// renderBadge shows the truth about connection and source. The detail is not announced: it changes every second.
export function renderBadge(nodes, { tone, label, detail }, heard) {
  document.documentElement.dataset.tone = tone;
  put(nodes.label, label);
  put(nodes.detail, detail);
  put(nodes.heard, heard);
}

// makeRoles fills the choice of roles.
export function makeRoles(root, roles, choose) {
  root.replaceChildren(...roles.map((role) => {
    const button = el('button', { type: 'button', 'data-role': role, 'aria-pressed': 'false' }, roleNames[role] ?? role);
    button.addEventListener('click', () => choose(role));
    return button;
  }));
}

// renderRoles marks the role that the session has, and the one that is being asked for.
export function renderRoles(root, role, wanted) {
  for (const button of root.children) {
    button.setAttribute('aria-pressed', String(button.dataset.role === role && !wanted));
    button.classList.toggle('wanted', button.dataset.role === wanted);
  }
}

// renderGaps shows what the gateway says may be missing, until it is dismissed.
export function renderGaps(root, hotel, dismiss) {
  keyed(root, hotel.gaps, {
    key: (gap) => gap,
    create: (gap) => {
      const button = el('button', { type: 'button', 'aria-label': 'Dismiss this notice' }, '×');
      button.addEventListener('click', () => dismiss(gap));
      return el('li', { class: 'notice' }, icon('gap'), el('span', {}, sayGap(gap)), button);
    },
    update: () => {},
  });
}

// renderCaughtUp says how many changes were missed and caught up, until it is dismissed.
export function renderCaughtUp(root, hotel) {
  const n = hotel.caughtUp;
  root.hidden = n === 0;
  if (n === 0) return;
  const changes = n === 1 ? '1 change' : `${n.toLocaleString()} changes`;
  put(root.querySelector('span'), `${changes} caught up: missed while the hotel’s system was away, read from it since, and outlined like this.`);
}

function sayGap({ from, to, types, reason }) {
  const [begin, end] = [atMinute(from), atMinute(to)];
  const when = begin === end ? `Around ${begin}` : `Between ${begin} and ${end}`;
  const what = types.length === 0 || types.length >= 4 ? 'updates' : `updates of ${list(types.map((type) => gapTypes[type] ?? type))}`;
  const why = gapReasons[reason];
  return `${when} ${what} may be missing${why ? `: ${why}` : ''}.`;
}
