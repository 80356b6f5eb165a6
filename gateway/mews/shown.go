package mews

import (
	"time"

	"bellhop/gateway"
)

// publish shows what is read of the past.
func (d *desk) publish() {
	d.told = time.Now()
	reads := d.reads()
	d.metrics.reads(reads != nil)
	if was := d.shown.Swap(reads); was != nil || reads != nil {
		d.progress.wake()
	}
}

// reads says what is read of the past: what was missed or, when that is done, the
// present state; nil when neither is.
func (d *desk) reads() *gateway.Backfill {
	if r := d.recovery; r != nil {
		missed := r.missed.whole()
		b := &gateway.Backfill{From: missed.from, To: missed.to, Rows: r.tally.rows, Logged: r.tally.logged, Held: len(d.held)}
		for _, typ := range rowTypes {
			if len(r.todo[typ]) > 0 || r.reading != nil && r.reading.typ == typ {
				b.Types = append(b.Types, typ)
			}
		}
		return b
	}
	e := d.loading()
	if e == nil || e.put {
		return nil
	}
	b := &gateway.Backfill{Rows: e.tally.rows, Logged: e.tally.logged}
	var times spans
	for _, p := range e.pieces {
		if len(b.Types) == 0 || b.Types[len(b.Types)-1] != p.typ {
			b.Types = append(b.Types, p.typ)
		}
		if p.what == colliding {
			times = times.add(p.span)
		}
	}
	b.From, b.To = times.whole().from, times.whole().to
	return b
}
