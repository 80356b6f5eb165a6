package eventlog

import "time"

// While appends come more often than every gatherFor, each run of them is
// published together, at most so often: what a run costs on its way to the stream
// and on to the followers is shared by all that are in it. Fewer than that do not
// wait, nor do a few that come at once.
const (
	gatherFor   = 2 * time.Millisecond
	gatherAfter = 16 // runs
)

// pace says when the next run of appends is published.
type pace struct {
	due time.Time // of the last run, had all come as often as every gatherFor
}

// wait returns how long a run that begins now has still to be gathered, which is
// not positive for one that is published at once.
func (p *pace) wait(now time.Time) time.Duration {
	if idle := now.Add(-gatherAfter * gatherFor); p.due.Before(idle) {
		p.due = idle
	}
	p.due = p.due.Add(gatherFor)
	return p.due.Sub(now)
}
