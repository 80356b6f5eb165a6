package eventlog

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func FuzzResolve(f *testing.F) {
	t := (&epochs{}).begin("k3v9", 0).begin("m2x7", 100).begin("p5q1", 80)
	for _, s := range []string{
		"k3v9.0", "k3v9.80", "k3v9.81", "k3v9.100", "m2x7.101", "p5q1.0", "p5q1.79", "p5q1.149", "p5q1.200", "p5q1.201", "", ".", "k3v9", "k3v9.",
		"k3v9.01", "k3v9.+1", "k3v9.-1", "k3v9.1.2", "k3v9.1 ", " k3v9.1", "K3V9.1", "k3v9.18446744073709551615", "k3v9.18446744073709551616", "k3v9.1_0", ".1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(tt *testing.T, position string) {
		seq, known := t.resolve(position, 200)
		if !known {
			if seq != 0 {
				tt.Errorf("%q is not known, but has the sequence %d", position, seq)
			}
			return
		}
		name, digits, _ := strings.Cut(position, ".")
		if strconv.FormatUint(seq, 10) != digits {
			tt.Errorf("%q is not as it is written", position)
		}
		if !(name == "k3v9" && seq <= 80 || name == "p5q1" && 80 <= seq && seq <= 200) {
			tt.Errorf("%q is known", position)
		}
	})
}

// TestEpochs opens a log again and again, with some of its tail lost now and
// then, and asks for every position that was ever given.
func TestEpochs(t *testing.T) {
	type given struct {
		seq   uint64
		write int // which of the records that had this sequence it was given for
	}
	rapid.Check(t, func(t *rapid.T) {
		table := (&epochs{}).begin("e0", 0)
		last := uint64(0)
		writes := map[uint64]int{} // how often each sequence was written
		positions := map[string]given{}
		give := func(seq uint64) {
			p := table.of(seq) + "." + strconv.FormatUint(seq, 10)
			g := given{seq, writes[seq]}
			if old, ok := positions[p]; ok && old != g {
				t.Fatalf("position %s was given for %v and for %v", p, old, g)
			}
			positions[p] = g
		}
		least := 0 // of records before the next opening
		for i := range rapid.IntRange(1, 12).Draw(t, "openings") {
			give(last)
			for range rapid.IntRange(least, 5).Draw(t, "records") {
				last++
				writes[last]++
				give(last)
			}
			name := "e" + strconv.Itoa(i+1)
			lost := rapid.Uint64Range(0, last).Draw(t, "lost")
			least = 0
			switch rapid.IntRange(0, 3).Draw(t, "loss") {
			case 0: // the log goes back
				last -= lost
				table = table.begin(name, last)
			case 1: // its sequence stands, but the tail cannot be read; a gap follows
				table = table.begin(name, last-lost)
				for seq := last - lost + 1; seq <= last; seq++ {
					writes[seq]++
				}
				least = 1
			default:
				table = table.begin(name, last)
			}
			for p, g := range positions {
				seq, known := table.resolve(p, last)
				if want := writes[g.seq] == g.write && g.seq <= last; known != want || known && seq != g.seq {
					t.Fatalf("position %s: got %d, %v, want %d, %v; table %+v, last %d", p, seq, known, g.seq, want, table.Epochs, last)
				}
			}
		}
	})
}

func TestEpochsAreBounded(t *testing.T) {
	table := &epochs{}
	for i := range 2 * maxEpochs {
		table = table.begin(newName(), uint64(i))
		table = table.begin(newName(), uint64(i)) // nothing came between the two
	}
	if n := len(table.Epochs); n > maxEpochs {
		t.Errorf("got %d epochs, want %d at most", n, maxEpochs)
	}
	last := uint64(2 * maxEpochs)
	for _, seq := range []uint64{0, 1, maxEpochs, last - 1, last} {
		if got, known := table.resolve(table.of(seq)+"."+strconv.FormatUint(seq, 10), last); !known || got != seq {
			t.Errorf("position of %d: got %d, known %v", seq, got, known)
		}
	}
}

// TestEpochNumbers begins epochs with the clock right and set back, and without
// a table.
func TestEpochNumbers(t *testing.T) {
	before := uint64(time.Now().Unix())
	first := (&epochs{}).begin("e0", 0)
	if first.Number < before || first.Number > before+1000 {
		t.Errorf("got %d for the first, want the time, %d", first.Number, before)
	}
	late := &epochs{Number: before + 1_000_000}
	if got, want := late.begin("e1", 0).close(0).begin("e2", 0).Number, late.Number+2; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}
