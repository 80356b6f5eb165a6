package mews

import (
	"sync"
	"time"
)

// progress knows the confirmed moment: up to when all that the upstream said is
// in the log. It is the sending of the last ping that was answered (what the
// upstream said before it took the ping came before its answer), but no later
// than what is held back. Its methods may be called concurrently; none blocks.
type progress struct {
	// changed has one token when the moment may have moved or an answer came.
	changed chan struct{}

	mu       sync.Mutex
	answered time.Time
	held     map[uint64]time.Time
	holds    uint64
}

func newProgress() *progress {
	return &progress{changed: make(chan struct{}, 1), held: make(map[uint64]time.Time)}
}

// confirmed returns the confirmed moment, the zero time when there is none.
func (p *progress) confirmed() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	moment := p.answered
	for _, at := range p.held {
		if at.Before(moment) {
			moment = at
		}
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
func (p *progress) hold(at time.Time) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds++
	id := p.holds
	p.held[id] = at
	return func() {
		p.mu.Lock()
		delete(p.held, id)
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
