package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// NoteLoaded is the name of the note that a source keeps once it has loaded the
// present state from its upstream. Without it the state has to be loaded.
const NoteLoaded = "loaded"

// mend brings log and kept state to agreement before any source writes: what the
// log's lost tail said of entities is logged again, and where entities are
// missing from the state that is said, and loading them anew is asked for. Until
// all that is done the kept state stays as it was found, so that a start which is
// cut off is followed by one that does it again.
func (g *Gateway) mend(ctx context.Context) error {
	if !g.Hub.kept.torn {
		return nil
	}
	if err := g.logAgain(ctx); err != nil {
		return fmt.Errorf("log again what was lost: %w", err)
	}
	if g.Hub.kept.incomplete {
		if err := g.sayIncomplete(ctx); err != nil {
			return err
		}
	}
	_, last := g.Log.Bounds()
	if err := g.Hub.mended(ctx, last); err != nil {
		return fmt.Errorf("keep the mended state: %w", err)
	}
	return nil
}

// sayIncomplete has every source load the present state, and says that some of
// it may be missing.
func (g *Gateway) sayIncomplete(ctx context.Context) error {
	var gaps []*Record
	for _, s := range g.Sources {
		if err := g.Keeper.KeepNote(ctx, s.Name(), NoteLoaded, nil); err != nil {
			return fmt.Errorf("ask for the present state: %w", err)
		}
		types := slices.DeleteFunc(slices.Clone(s.Types()), func(t string) bool { return !Lasts(t) })
		if len(types) > 0 {
			gaps = append(gaps, &Record{Gap: &Gap{Source: s.Name(), Types: types, From: time.Unix(0, 0), To: time.Now(), Reason: GapLog}})
		}
	}
	if err := g.store(ctx, gaps); err != nil {
		return fmt.Errorf("announce what is missing: %w", err)
	}
	return nil
}

// logAgain logs the latest events of those entities of which the log has lost
// them and the kept state has not.
func (g *Gateway) logAgain(ctx context.Context) error {
	ahead := g.Hub.kept.ahead
	slices.SortFunc(ahead, func(a, b *Record) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, rec := range ahead {
		said := *rec.Event
		said.Origin, said.More = OriginBackfill, false
		again := []*Record{{Event: &said}}
		g.Hub.present.send(again)
		if said.Before == nil { // what was before has been trimmed: it is known from then
			said.Before = rec.Event.Before
		}
		if err := g.store(ctx, again); err != nil {
			return err
		}
	}
	return nil
}

// store appends records and waits until they are stored.
func (g *Gateway) store(ctx context.Context, records []*Record) error {
	stored := make(chan struct{})
	if err := g.Log.Append(ctx, records, func() { close(stored) }); err != nil {
		return err
	}
	select {
	case <-stored:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// How often entities that have been done for long are looked for.
const (
	dismissSeldom = time.Minute
	dismissOften  = 100 * time.Millisecond
)

// dismiss lets the source's entities leave the present state when they have been
// done for as long as they are kept, until ctx ends.
func (g *Gateway) dismiss(ctx context.Context, to *sink) {
	tick := time.NewTicker(min(max(g.Keep/10, dismissOften), dismissSeldom))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// While the log cannot be written this waits; what is not taken in the end
			// is found again.
			_ = to.dismiss(ctx, g.Keep)
		}
	}
}
