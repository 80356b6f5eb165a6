package mews

import (
	"sync"
	"time"
)

// progress knows the confirmed moment: up to when all that the upstream said is
// in the log. It is the sending of the last ping that was answered (what the
// upstream said before it took the ping came before its answer), but no later
// than what is held back or was missed. Its methods may be called concurrently;
// none blocks.
type progress struct {
	// changed has one token when the moment may have moved or an answer came.
	changed chan struct{}

	mu       sync.Mutex
	answered time.Time
	held     holds // arrivals of what is not in the log or the inbox yet
	missed   holds // beginnings of what was not heard and is not made up for yet
}

// holds are moments that must not be passed.
type holds struct {
	at    map[uint64]time.Time
	count uint64
}

func newProgress() *progress {
	return &progress{
		changed: make(chan struct{}, 1),
		held:    holds{at: make(map[uint64]time.Time)},
		missed:  holds{at: make(map[uint64]time.Time)},
	}
}

// confirmed returns the confirmed moment, the zero time when there is none.
func (p *progress) confirmed() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.missed.before(p.held.before(p.answered))
}

// heard returns up to when all that was said on open sockets is in the log or the
// inbox. It may be later than the confirmed moment while something that was missed
// before is still being made up for.
func (p *progress) heard() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held.before(p.answered)
}

// before returns the earliest of moment and what must not be passed.
func (h *holds) before(moment time.Time) time.Time {
	for _, at := range h.at {
		moment = earlier(moment, at)
	}
	return moment
}

// answer says that the upstream has answered what was sent at sent.
func (p *progress) answer(sent time.Time) {
	p.mu.Lock()
	if sent.After(p.answered) {
		p.answered = sent
	}
	p.mu.Unlock()
	p.wake()
}

// hold keeps the confirmed moment from passing at until release is called,
// because what was said then is not in the log yet.
func (p *progress) hold(at time.Time) (release func()) { return p.keep(&p.held, at) }

// miss keeps the confirmed moment from passing from until release is called,
// because what was said then was not heard.
func (p *progress) miss(from time.Time) (release func()) { return p.keep(&p.missed, from) }

func (p *progress) keep(h *holds, at time.Time) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.count++
	id := h.count
	h.at[id] = at
	return func() {
		p.mu.Lock()
		delete(h.at, id)
		moved := at.Before(p.answered)
		p.mu.Unlock()
		if moved {
			p.wake()
		}
	}
}

// lose takes the confirmed moment back to at: a message that began then will
// never be whole, though a ping sent after it was answered between its
// fragments.
func (p *progress) lose(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Before(p.answered) {
		p.answered = at
	}
}

func (p *progress) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}
