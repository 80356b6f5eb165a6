// Package eventlog is the [gateway.Log] on NATS JetStream, by a server inside
// the process that listens nowhere and stores in the data folder.
//
// Records are appended by one goroutine, pipelined, each with the sequence that
// it expects to follow ("Nats-Expected-Last-Sequence"). The process is the
// stream's only writer, so the sequence of every record is known before it is
// published: behind one that fails all others fail too, order cannot change,
// and after a reopening the stream's last sequence tells which of the
// unanswered ones are stored. Message ids and their window are not needed, and of
// records that wait together the last one's answer is for all.
//
// A publish that is not answered in time, or an error, ends the server: it is
// closed and opened anew inside the process, again and again if need be, and
// what is not stored is published once more. A full disk needs just that: after
// ENOSPC JetStream stores nothing any more, whatever space is freed.
//
// Readers use batched direct gets (ADR-31) and no consumer: a page is one
// request, and a damaged message is passed over by the server instead of stalling
// it. A follower is given what was appended last as it was stored, once that is
// acknowledged, and asks for pages only where it is further behind.
//
// The server syncs its files under the locks that an append needs, so that all
// would wait for the disk. The log syncs them itself, beside the server, as often
// as it is told to; the server's own turns come seldom and find little to do.
//
// Beside the log are, as streams of their own that share its fate: the present
// state, one message an entity; what waits in the inboxes; and buckets of small
// values. None of them is opened before its first use, and what fails there does
// not touch the log, unless the server no longer answers.
//
// A position is the name of an epoch and a sequence. Every opening begins an
// epoch, kept in a file beside the stream before the first append under it, so
// that the position of a record that was lost with the log's tail never names
// the record that took its sequence.
package eventlog
