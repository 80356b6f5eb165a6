// The badge: what the page may say of itself. A live source counts only over an open stream that
// is still heard, and an open stream only over a live source.

import { atSecond, moment } from './words.js';

const quietBeats = 1.5; // heartbeats of silence after which the page stops saying "live"

const links = {
  connecting: { tone: 'wait', label: 'Connecting', detail: 'opening the stream' },
  reconnecting: { tone: 'wait', label: 'Reconnecting', detail: 'the stream was cut' },
  session: { tone: 'wait', label: 'Asking for a new session', detail: 'the old one does not count any more' },
};

const farewells = {
  shutdown: 'the gateway is restarting',
  draining: 'the gateway is restarting',
  busy: 'the gateway is full for the moment',
  slow: 'this page was too slow',
  expired: 'the token has expired',
  revoked: 'the token was revoked',
  lifetime: 'the stream had its time',
  closed: 'an operator closed the stream',
};

const reasons = {
  dial: 'the hotel’s system cannot be reached',
  silent: 'the hotel’s system does not answer',
  closed: 'the hotel’s system closed the connection',
  rejected: 'the hotel’s system refuses our token',
  disabled: 'the integration is disabled',
  enterprise: 'the hotel is not known yet',
  log: 'the log cannot be written',
  stopped: 'the source is stopped',
};

const states = {
  live: { tone: 'live', label: 'Live' },
  'catching-up': { tone: 'wait', label: 'Catching up' },
  stale: { tone: 'stale', label: 'Stale' },
  down: { tone: 'down', label: 'Hotel system down' },
  unknown: { tone: 'down', label: 'Unknown source' },
};
const worst = ['unknown', 'down', 'stale', 'catching-up', 'live'];

// truth returns {tone, label, detail} for a link {state, note, bye, heard, heartbeat} and the hotel.
export function truth(link, { sources, whole, settled }, now = Date.now()) {
  if (link.state !== 'open') {
    const said = links[link.state] ?? links.connecting;
    return { ...said, detail: link.note || farewells[link.bye] || said.detail };
  }
  const silence = Math.floor((now - link.heard) / 1000);
  if (silence > link.heartbeat * quietBeats) {
    return { tone: 'stale', label: 'No heartbeat', detail: `nothing heard for ${silence} s` };
  }
  const source = weakest(sources);
  const said = states[source?.state] ?? { tone: 'stale', label: 'State unknown' };
  if (!whole && said.tone === 'live') return { tone: 'wait', label: 'Loading', detail: 'the hotel as it is now' };
  return { ...said, detail: about(source, settled, now) };
}

function weakest(sources) {
  const rank = ({ state }) => worst.indexOf(state);
  return [...sources.values()].sort((a, b) => rank(a) - rank(b))[0];
}

function about(source, settled, now) {
  if (!source) return 'no source is shown to this token';
  if (source.state === 'unknown') return 'the gateway has no such source';
  if (source.state === 'live') return since('since', source.since);
  if (source.state === 'catching-up') return settled ? 'reading what was missed' : 'reading the hotel as it is';
  const reason = reasons[source.reason] ?? since('since', source.since);
  return [reason, source.state === 'down' && lasting(source.since, now), since('complete up to', source.confirmed)].filter(Boolean).join('; ');
}

// lasting is for how long, as far as seconds are worth telling.
function lasting(time, now) {
  const seconds = Math.max(0, Math.floor((now - moment(time)) / 1000));
  return seconds < 100 ? `for ${seconds} s` : '';
}

function since(word, time) {
  const at = moment(time);
  return Number.isFinite(at) ? `${word} ${atSecond(at)}` : '';
}
