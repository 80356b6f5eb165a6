package mews

import (
	"slices"
	"time"
)

// span is a stretch of time, both ends included.
type span struct{ from, to time.Time }

// spans are in order, and none touches another.
type spans []span

// add returns s with n in it. Neither s nor its spans are used any more.
func (s spans) add(n span) spans {
	first := 0
	for first < len(s) && s[first].to.Before(n.from) {
		first++
	}
	behind := first
	for behind < len(s) && !s[behind].from.After(n.to) {
		n.from, n.to = earlier(n.from, s[behind].from), latter(n.to, s[behind].to)
		behind++
	}
	return slices.Replace(s, first, behind, n)
}

// whole returns the one span that all are in, the zero one for none.
func (s spans) whole() span {
	if len(s) == 0 {
		return span{}
	}
	return span{s[0].from, s[len(s)-1].to}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latter(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
