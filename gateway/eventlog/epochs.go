package eventlog

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxEpochs bounds the table. Beyond it the oldest two become one: positions
// under the older name are then foreign.
const maxEpochs = 1024

// epoch is the time from one opening of the log to the next.
type epoch struct {
	Name  string `json:"name"`
	First uint64 `json:"first"` // the first sequence under it
	Last  uint64 `json:"last"`  // the last one that is left; unused for the newest epoch, which goes on
}

// epochs is the table of epochs, in ascending order of their first sequences.
// It is never changed; what is kept in the file is this.
type epochs struct {
	Epochs []epoch `json:"epochs"`
	// Number is the newest epoch's: higher than those of all before it, though
	// the clock was set back or the process is begun often, and though the file
	// was lost or is an old copy, if only the clock went on.
	Number uint64 `json:"number"`
	// Closed is the log's last sequence when it was closed properly, absent
	// while it is open and after a crash.
	Closed *uint64 `json:"closed,omitempty"`
}

// begin returns the table with a new epoch. It begins behind readable, the last
// sequence that is left of what the log had.
func (t *epochs) begin(name string, readable uint64) *epochs {
	kept := make([]epoch, 0, len(t.Epochs)+1)
	for i, e := range t.Epochs {
		// Positions name an epoch by its records. Only the oldest one is named
		// by the place before them too.
		empty := e.First > readable
		if empty && (len(kept) > 0 || e.First > readable+1) {
			continue
		}
		if newest := i == len(t.Epochs)-1; newest || e.Last > readable {
			e.Last = readable
		}
		kept = append(kept, e)
	}
	first := readable + 1
	if len(kept) == 0 { // what the log has is of no epoch: it shall be of this one
		first = 1
	}
	kept = append(kept, epoch{Name: name, First: first})
	for len(kept) > maxEpochs {
		kept[1].First = kept[0].First
		kept = kept[1:]
	}
	return &epochs{Epochs: kept, Number: max(t.Number+1, uint64(time.Now().Unix()))}
}

// close returns the table as it is kept while the log is closed.
func (t *epochs) close(last uint64) *epochs {
	return &epochs{Epochs: t.Epochs, Number: t.Number, Closed: &last}
}

// least returns the sequence that the log must at least have reached.
func (t *epochs) least() uint64 {
	var least uint64
	if t.Closed != nil {
		least = *t.Closed
	}
	for _, e := range t.Epochs {
		least = max(least, e.First-1)
	}
	return least
}

// of returns the name of the epoch that seq belongs to.
func (t *epochs) of(seq uint64) string {
	for _, e := range slices.Backward(t.Epochs) {
		if e.First <= seq {
			return e.Name
		}
	}
	return t.Epochs[0].Name
}

// resolve returns the sequence that a position names, and whether it is one of
// this log, which ends at last.
func (t *epochs) resolve(position string, last uint64) (seq uint64, known bool) {
	name, digits, _ := strings.Cut(position, ".")
	seq, ok := parseSeq(digits)
	if !ok {
		return 0, false
	}
	i := slices.IndexFunc(t.Epochs, func(e epoch) bool { return e.Name == name })
	if i < 0 {
		return 0, false
	}
	e := t.Epochs[i]
	if i < len(t.Epochs)-1 {
		last = e.Last
	}
	if seq < e.First-1 || seq > last {
		return 0, false
	}
	return seq, true
}

// parseSeq reads a sequence as it is written: no sign, no zero in front.
func parseSeq(s string) (uint64, bool) {
	if s == "" || s[0] == '+' || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	seq, err := strconv.ParseUint(s, 10, 64)
	return seq, err == nil
}

// newName draws an epoch's name. Drawn, not counted: a restored copy of the
// folder must not draw the names that its future had.
func newName() string {
	return strings.ToLower(rand.Text()[:8])
}

func epochsFile(dir string) string { return filepath.Join(dir, "epochs.json") }

// loadEpochs reads the table. A folder without one has an empty one.
func loadEpochs(dir string) (*epochs, error) {
	b, err := os.ReadFile(epochsFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return &epochs{}, nil
	}
	if err != nil {
		return nil, err
	}
	var t epochs
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("epochs: %w", err)
	}
	for i, e := range t.Epochs {
		if e.Name == "" || e.First == 0 || i > 0 && e.First < t.Epochs[i-1].First {
			return nil, fmt.Errorf("epochs: entry %d is damaged", i)
		}
	}
	return &t, nil
}

// save writes the table so that it outlives a crash from here on.
func (t *epochs) save(dir string) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := writeFile(epochsFile(dir), append(b, '\n')); err != nil {
		return fmt.Errorf("epochs: %w", err)
	}
	return nil
}
