package mews

import (
	"strconv"
	"sync"
	"time"
)

// pings pairs pings with their answers.
type pings struct {
	mu         sync.Mutex
	count      uint64
	unanswered []ping // oldest first
}

type ping struct {
	number uint64
	sent   time.Time
}

// maxUnanswered bounds the pings of an upstream that answers none and yet goes
// on talking.
const maxUnanswered = 8

// next returns the payload of the next ping, which is sent now.
func (p *pings) next(now time.Time) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	if len(p.unanswered) == maxUnanswered {
		p.unanswered = p.unanswered[1:]
	}
	p.unanswered = append(p.unanswered, ping{p.count, now})
	return strconv.AppendUint(nil, p.count, 10)
}

// answer returns when the ping that a pong's payload answers was sent. An answer
// counts for all earlier ones (RFC 6455, section 5.5.3); an unasked one for none.
func (p *pings) answer(payload string) (sent time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, u := range p.unanswered {
		if strconv.FormatUint(u.number, 10) == payload {
			p.unanswered = p.unanswered[i+1:]
			return u.sent, true
		}
	}
	return time.Time{}, false
}

// overdue reports whether a ping is unanswered since d or more.
func (p *pings) overdue(now time.Time, d time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.unanswered) > 0 && now.Sub(p.unanswered[0].sent) >= d
}
