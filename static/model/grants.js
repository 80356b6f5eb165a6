// What a token shows, told from the grants that GET session names. Nothing here decides anything:
// the gateway has already left out what the token does not show. It only lets a panel say why it is empty.

import { list, say, shortID, state } from './words.js';

// The narrowings that an event of a type can meet at all; any other narrowing shuts the type out.
const attributes = {
  Resource: ['ids', 'resources', 'states'],
  Reservation: ['ids', 'resources', 'states'],
  PriceUpdate: ['ids'],
  DeviceCommand: ['ids', 'states'],
};
const narrowings = ['ids', 'resources', 'states', 'threads', 'conversations', 'channels'];

const states = {
  Resource: ['Dirty', 'Clean', 'Inspected', 'OutOfService', 'OutOfOrder'],
  Reservation: ['Inquired', 'Confirmed', 'Started', 'Processed', 'Canceled', 'Optional', 'Requested'],
  DeviceCommand: ['Pending', 'Received', 'Processing', 'Processed', 'Cancelled', 'Error'],
};
const stays = { Started: 'checked in', Processed: 'checked out' };
const plurals = { Resource: 'rooms', Reservation: 'reservations', PriceUpdate: 'prices', DeviceCommand: 'device commands' };

// letting is the grants under which events of the type can come.
function letting(grants, type) {
  return (Array.isArray(grants) ? grants : []).filter((grant) => {
    if (!grant?.types?.includes(type) && !grant?.types?.includes('*')) return false;
    return narrowings.every((name) => !grant[name] || attributes[type].includes(name));
  });
}

// shows tells whether the grants let any event of the type through.
export function shows(grants, type) {
  return letting(grants, type).length > 0;
}

// showsAll tells whether the grants let every event of the type through, so that one that leaves is gone.
export function showsAll(grants, type) {
  return letting(grants, type).some((grant) => narrowings.every((name) => !grant[name]));
}

// scope says in words what of a type the grants show: '' for all of it.
export function scope(grants, type, hotel) {
  const open = letting(grants, type);
  if (open.length === 0) return `This token shows no ${plurals[type]}.`;
  const parts = [...new Set(open.map((grant) => narrowed(grant, type, hotel)))];
  const hidden = [...new Set(open.flatMap(({ redact }) => redact ?? []))];
  return [
    !parts.includes('') && `This token shows only ${list(parts, 'or')}.`,
    hidden.length && `It hides ${list(hidden)}.`,
  ].filter(Boolean).join(' ');
}

function narrowed(grant, type, hotel) {
  const rooms = [...(grant.resources ?? []), ...(type === 'Resource' ? grant.ids ?? [] : [])];
  const own = type === 'Resource' ? '' : count(grant.ids, type);
  const which = rooms.length ? `${rooms.length > 1 ? 'rooms' : 'room'} ${list(rooms.map((id) => hotel.room(id)?.name || shortID(id)))}` : '';
  const that = someStates(grant.states, type);
  if (type === 'Resource') return which + (that && `${which ? '' : 'rooms'} that are ${that}`);
  if (!own && !which && !that) return '';
  return [own || plurals[type], which && `of ${which}`, that && `that are ${that}`].filter(Boolean).join(' ');
}

function count(ids, type) {
  if (!ids) return '';
  return ids.length === 1 ? `one ${plurals[type].slice(0, -1)}` : `${ids.length} ${plurals[type]}`;
}

// someStates is '' where the list has every state that the type can have.
function someStates(named, type) {
  if (!named) return '';
  const has = new Set(named.map(state));
  const these = states[type].filter((name) => has.has(state(name)));
  if (these.length === states[type].length) return '';
  return these.length ? list(these.map((name) => wording(name, type)), 'or') : 'in no known state';
}

function wording(name, type) {
  return (type === 'Reservation' && stays[name]) || say(name).toLowerCase();
}

// summary says in one sentence what the token is for.
export function summary(grants) {
  const types = Object.keys(plurals);
  const [seen, unseen] = [types.filter((t) => shows(grants, t)), types.filter((t) => !shows(grants, t))];
  const partly = (type) => (showsAll(grants, type) ? plurals[type] : `some ${plurals[type]}`);
  if (seen.length === 0) return 'This token shows nothing of the hotel.';
  if (unseen.length === 0 && !seen.some((t) => partly(t) !== plurals[t])) return 'This token shows everything.';
  const not = unseen.length ? `; no ${list(unseen.map((t) => plurals[t]), 'or')}` : '';
  return `This token shows ${list(seen.map(partly))}${not}.`;
}
