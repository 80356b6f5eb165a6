//go:build linux

package main

import (
	"context"
	"time"
)

// A pace is how events are fed: so many, or for so long.
type pace struct {
	rate   int // events a second over all sources; 0 is as fast as the sockets take them
	batch  int // events in a frame; 0 is one
	time   time.Duration
	events int
}

// A feeder feeds events, numbered from 0, the sources taking turns by frames.
type feeder struct {
	upstream *upstream
	hotel    *hotel
	next     uint32 // the number of the event that is fed next
	frame    []byte
}

// feedNap is how long a feeder that is ahead sleeps; frames are that late at
// most, and are stamped when they go.
const feedNap = 200 * time.Microsecond

// feed feeds events at a pace until they are all fed or ctx ends.
func (f *feeder) feed(ctx context.Context, p pace) error {
	batch := max(p.batch, 1)
	start, fed := time.Now(), 0
	for p.events == 0 || fed < p.events {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		now := time.Now()
		since := now.Sub(start)
		if p.time > 0 && since >= p.time {
			return nil
		}
		if p.rate > 0 && float64(fed) >= since.Seconds()*float64(p.rate) {
			time.Sleep(feedNap)
			continue
		}
		if err := f.send(now, batch); err != nil {
			return err
		}
		fed += batch
	}
	return nil
}

// send sends one frame, to the source whose turn it is.
func (f *feeder) send(now time.Time, batch int) error {
	source := int(f.next) % len(f.upstream.sockets)
	f.frame = append(f.frame[:0], `{"Events":[`...)
	for i := range batch {
		if i > 0 {
			f.frame = append(f.frame, ',')
		}
		f.frame = f.hotel.appendEvent(f.frame, now, f.next)
		f.next++
	}
	f.frame = append(f.frame, `]}`...)
	return f.upstream.send(source, f.frame)
}
