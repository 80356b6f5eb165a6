// Reads an event stream with one of the clients of others and writes what it dispatches: a line of
// JSON for each event, [name, last id, data]. The name is "message" where the stream gave none.
//
//   node read.mjs CLIENT URL TOKEN NAMES
//
// NAMES are the names to listen for, as a JSON array, for clients that want to be told.

import { fetchEventSource } from '@microsoft/fetch-event-source';
import { EventSource } from 'eventsource';
import { createEventSource } from 'eventsource-client';

const [client, url, token, names] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };
const write = (...event) => process.stdout.write(`${JSON.stringify(event)}\n`);

let lastID = ''; // of clients that tell only a block's own
function own({ event, id, data }) {
  lastID = id || lastID;
  write(event || 'message', lastID, data);
}

const clients = {
  'eventsource'() {
    const source = new EventSource(url, {
      fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
    });
    for (const name of ['message', ...JSON.parse(names)]) {
      source.addEventListener(name, (event) => write(name, event.lastEventId, event.data));
    }
  },
  'eventsource-client'() {
    createEventSource({ url, headers, onMessage: own });
  },
  'fetch-event-source'() {
    // It is made for browsers, of which it needs these two.
    globalThis.window = globalThis;
    globalThis.document = { addEventListener() {}, removeEventListener() {} };
    fetchEventSource(url, { headers, openWhenHidden: true, onmessage: own });
  },
};

clients[client]();
