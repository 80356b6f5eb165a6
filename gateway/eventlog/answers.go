package eventlog

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// answered takes m and whatever else is in acks: a burst is settled at once.
func (w *writer) answered(m *nats.Msg, acks <-chan *nats.Msg) error {
	seq := w.flight.at
	for {
		err := w.answer(m)
		if err != nil {
			w.acked(seq)
			return fmt.Errorf("append: %w", err)
		}
		seq, w.asked = w.asked[0], w.asked[1:]
		select {
		case m = <-acks:
			continue
		default:
		}
		w.acked(seq)
		w.heal()
		return nil
	}
}

// answer returns why m is not what the next answer must be.
func (w *writer) answer(m *nats.Msg) error {
	seq, err := ackedSeq(m)
	switch {
	case err != nil:
		return err
	case len(w.asked) == 0:
		return fmt.Errorf("sequence %d, not asked for", seq)
	case seq != w.asked[0]:
		return fmt.Errorf("sequence %d instead of %d", seq, w.asked[0])
	}
	return nil
}

// acked says that the present session has stored all up to seq, as it was sent.
func (w *writer) acked(seq uint64) {
	entries := w.flight.settle(seq)
	w.l.recent.add(messagesOf(entries))
	w.stored(entries)
}

// messagesOf returns the messages that entries have become.
func messagesOf(entries []entry) []message {
	now := time.Now().UTC()
	messages := make([]message, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.subject == "" {
			continue
		}
		if e.record != nil {
			e.record.Seq, e.record.Logged = e.seq, now
		}
		messages = append(messages, message{seq: e.seq, at: now, data: e.data, record: e.record})
	}
	return messages
}

// ackedSeq returns the sequence that an answered append got.
func ackedSeq(m *nats.Msg) (uint64, error) {
	if status := m.Header.Get("Status"); status != "" {
		return 0, fmt.Errorf("answered %s", status)
	}
	var ack struct {
		Seq   uint64              `json:"seq"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return 0, err
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	return ack.Seq, nil
}

// stored says that entries are in the log.
func (w *writer) stored(entries []entry) {
	if len(entries) == 0 {
		return
	}
	w.l.reached(entries[len(entries)-1].seq)
	w.release(entries)
	for i := range entries {
		if done := entries[i].done; done != nil {
			done()
		}
	}
	clear(entries)
}

// release counts entries and makes room for others.
func (w *writer) release(entries []entry) {
	now := time.Now()
	count, bytes := 0, 0
	for i := range entries {
		e := &entries[i]
		if e.subject == lostSubject { // of the writer's own making
			continue
		}
		count++
		bytes += len(e.data)
		if e.subject != "" {
			w.l.metrics.appends.Inc()
			w.l.metrics.seconds.Observe(now.Sub(e.taken).Seconds())
		}
	}
	w.l.intake.release(count, bytes)
}
