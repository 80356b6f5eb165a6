package simulator

import (
	"container/heap"
	"time"
)

// agenda is what will happen, earliest first and, at one time, in the order
// of entry. That order is what makes a hotel's life repeatable.
type agenda struct {
	entries entries
	count   uint64
}

type entry struct {
	at  time.Time
	seq uint64
	do  func()
}

func (a *agenda) add(at time.Time, do func()) {
	a.count++
	heap.Push(&a.entries, entry{at, a.count, do})
}

// next is when the first entry is due. There always is one: each day's plan
// ends with the next day's.
func (a *agenda) next() time.Time { return a.entries[0].at }

func (a *agenda) pop() entry { return heap.Pop(&a.entries).(entry) }

type entries []entry

func (e entries) Len() int      { return len(e) }
func (e entries) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

func (e entries) Less(i, j int) bool {
	if c := e[i].at.Compare(e[j].at); c != 0 {
		return c < 0
	}
	return e[i].seq < e[j].seq
}

func (e *entries) Push(x any) { *e = append(*e, x.(entry)) }

func (e *entries) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = entry{}
	*e = (*e)[:last]
	return x
}
