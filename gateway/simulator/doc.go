// Package simulator is a Mews hotel to develop and test against: a
// believable property that lives through its days, the WebSocket by which
// Mews tells of them and the Connector API by which it shows them, with the
// faults that such a socket and such an API can have.
//
// It is written from what is publicly known of the Mews Connector API and
// shares no code with the clients of this module, so that a mistake in one
// is not repeated in the other.
//
// # The hotel
//
// A [Hotel] is made from a seed. Rooms, names, ids and everything that will
// happen follow from seed, size and start, whatever the speed. Guests book,
// cancel, arrive, move, stay longer and leave; housekeeping cleans and
// inspects; rooms fall out of order; prices change; keys are cut. Once in a
// month or so a room gets another number, or is closed for some days, which no
// event tells.
//
// It has two clocks. The hotel's own runs [Options.Speed] minutes a second
// and dates whatever concerns guests (arrivals, departures, price
// intervals). The wall clock, package time, dates what concerns the
// upstream's bookkeeping (creation, update), so that a client may ask what
// changed while it was away. At a speed of 1/60 both agree.
//
// # The socket
//
// GET /ws/connector takes the tokens from the Cookie header, as strictly as
// Mews does, and tells of events from then on: there is no replay. Several
// sockets with one token are all told everything. Pings are answered,
// messages from the client are read and forgotten.
//
// A command for a device that was linked after a socket had connected is not
// told to that socket.
//
// # The API
//
// POST /api/connector/v1/… answers the operations by which a client reads what
// it missed: configuration/get, enterprises/getAll, services/getAll,
// resources/getAll, resourceCategories/getAll, resourceBlocks/getAll,
// reservations/getAll/2023-06-06, rates/getAll, rates/getPricing,
// commands/getAllActive, commands/getAllByIds, devices/getAll and
// customers/getAll. Its rows are made from the same entities as events, and
// change together with them or, with a lag, after them.
//
// It is strict, so that a wrong client notices: whatever the documents limit
// or require is held to, members that no document knows are refused, and
// every such refusal is remembered ([Hotel.Violations]). Where the documents
// are silent it takes what a client can least rely on: an empty list of ids
// is refused; reservations without States are the confirmed, started and
// processed ones; customers and blocks that are deleted have to be asked for.
// Ids that do not exist are left out of an answer, as are rows that the lag
// keeps back; services and enterprises that do not exist are refused. Pages
// are in order of creation, the newest first.
//
// # Control
//
// Everything that a test or a demo may want of the hotel is a method of
// [Hotel], and the same by HTTP under /control/. The query parameter hotel,
// an access token, chooses a hotel; without it the first is meant. Bodies
// and answers are JSON; unknown members are refused. Durations are Go's, as
// strings ("90s"). An operation answers {"sockets": n}, the number of
// sockets it reached or, where it is not about sockets, that are connected;
// a mistake is {"error": "…"} with 400, or 404 for an unknown hotel or room.
//
//	GET  /control/hotels    [{"name","accessToken","sockets"}]
//	GET  /control/layout    [Layout]: rooms, categories and rates by name
//	GET  /control/state     [State]: what is true now
//	GET  /control/facts     [Fact]: what events would tell of what is true now
//	GET  /control/calls     {"calls": [Call…], "limited"}: of the API, and how
//	                        many of all were answered 429
//	GET  /control/violations  ["operation: status text"]: see [Hotel.Violations]
//	GET  /control/events    {"events": [Event…], "complete"}; with ?from= and
//	                        &to= (RFC 3339, wall clock, to excluded), or
//	                        ?after= a sequence number
//	POST /control/pause     stop the hotel's clock
//	POST /control/resume    let it go on
//	POST /control/skip      {"for":"3h"}: let that much of its time pass at once
//	POST /control/room      {"id","state"}: put a room into a state
//	POST /control/rename    {"id","name"}: give a room another name
//	POST /control/deactivate  {"id"}: take a room out of the hotel
//	POST /control/reactivate  {"id"}: bring it back
//	POST /control/link      {"name"}: link another device
//	POST /control/say       tell every room's and reservation's present state
//	POST /control/send      the body, byte by byte, is sent as one message
//	                        of text, or with ?binary=true of binary
//	POST /control/drop      {"code","reason"}: close with that code; 0 or
//	                        none is a close frame without one.
//	                        {"reset":true}: break off by a TCP reset
//	POST /control/unplug    {"for":"20s"}: break sockets off and let none in
//	POST /control/stall     {"for":"30s"}: go silent; without for until
//	                        /control/unstall or a drop
//	POST /control/unstall   speak again
//	POST /control/refuse    [Refusal]: {"status","retryAfter","close",
//	                        "reason","mute","connects"}
//	POST /control/admit     refuse no longer
//	POST /control/manner    {"delay":"200ms","noPongs":true}, see [Manner]
//	POST /control/quirks    [Quirks]: {"duplicates":0.1,…}
//	POST /control/faults    [Faults]: [{"kind","operations","probability",
//	                        "calls","delay":"3s","maxCount","maxWork",
//	                        "maxBytes","sockets"}…]; none ends them
//	POST /control/limiter   {"calls","window":"30s","retryAfter"}, see [Limiter]
//	POST /control/lag       {"for":"5s"}: let what the API shows trail
//	POST /control/dialect   [Dialect]: {"lenient","exclusiveStart","omitNulls"}
//	POST /control/enterprise  {"id"}: answer with another enterprise
//	POST /control/portfolio {"on"}: be a token for several enterprises
//
// Cross-origin requests of browsers to these are refused, except GET.
package simulator
