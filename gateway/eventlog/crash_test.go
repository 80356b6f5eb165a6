package eventlog_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bellhop/gateway"
	"bellhop/gateway/eventlog"
)

// These make this test's binary a process that writes to a log, to be killed.
const (
	helperDir = "BELLHOP_TEST_APPEND_TO"
	besideDir = "BELLHOP_TEST_KEEP_BESIDE"
)

// helper appends events without end, one by one from the log's last on, and
// says on stdout up to which sequence they are stored.
func helper(dir string) int {
	ctx := context.Background()
	l, err := eventlog.Open(ctx, eventlog.Options{Dir: dir, Sync: time.Second})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("open", string(l.AppendPosition(nil, 0)))
	_, last := l.Bounds()
	for n := int(last); ; n++ {
		if err := l.Append(ctx, events(n, n+1), func() { fmt.Println(n + 1) }); err != nil {
			fmt.Println(err)
			return 1
		}
	}
}

func TestKilled(t *testing.T) {
	dir := t.TempDir()
	positions := map[string]bool{}
	for round := range 3 {
		stored := appendAndKill(t, dir, 2000*(round+1))
		l := open(t, eventlog.Options{Dir: dir, Sync: time.Second})
		if got := l.Opened(); got.Clean || got.LostTail {
			t.Errorf("got %+v, want an unclean opening that lost nothing", got)
		}
		_, last := l.Bounds()
		if last < stored {
			t.Fatalf("the log ends at %d, but %d were stored", last, stored)
		}
		checkOrder(t, read(t, l, 0), 1, 0, int(last))
		for position := range positions {
			if _, known, good := l.Resolve(position); !known || !good {
				t.Errorf("position %s: known %v, good %v, want both", position, known, good)
			}
		}
		positions[string(l.AppendPosition(nil, stored))] = true
		beyond, _, _ := strings.Cut(string(l.AppendPosition(nil, last)), ".")
		if _, known, _ := l.Resolve(beyond + "." + strconv.FormatUint(last+1, 10)); known {
			t.Error("a position beyond the end is known")
		}
		closeLog(t, l)
	}
}

// appendAndKill kills a process that appends to dir, and returns up to which
// sequence it said that all was stored.
func appendAndKill(t *testing.T, dir string, atLeast int) (stored uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	first, _ := lines.ReadString('\n')
	if !strings.HasPrefix(first, "open ") {
		t.Fatal(first)
	}
	if _, err := eventlog.Open(t.Context(), eventlog.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("opened by two processes: %v", err)
	}
	for killed, line := false, ""; ; {
		// What it said before it was killed counts to the last whole line.
		if line, err = lines.ReadString('\n'); err != nil {
			break
		}
		if stored, err = strconv.ParseUint(strings.TrimSpace(line), 10, 64); err != nil {
			t.Fatal(err)
		}
		if atLeast--; atLeast < 0 && !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // says that it was killed
	if atLeast >= 0 {
		t.Fatal("ended before it was killed")
	}
	return stored
}

// beside appends events without end, keeps the state that they leave and puts
// entries into an inbox, and says on stdout what is kept: "state" and the
// sequence up to which it is complete, or "entry" and a ticket.
func beside(dir string) int {
	ctx := context.Background()
	l, err := eventlog.Open(ctx, eventlog.Options{Dir: dir, Sync: time.Second})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("open")
	go func() {
		for n := 0; ; n++ {
			ticket, err := l.Inbox("prague").Put(ctx, events(n, n+2))
			if err != nil {
				fmt.Println(err)
			}
			fmt.Println("entry", ticket)
		}
	}()
	_, last := l.Bounds()
	for {
		stored := make(chan struct{})
		if err := l.Append(ctx, events(int(last), int(last)+30), func() { close(stored) }); err != nil {
			fmt.Println(err)
			return 1
		}
		<-stored
		records, err := l.Read(ctx, last, 30)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		last += 30
		if err := l.SaveState(ctx, records, nil, last); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println("state", last)
	}
}

// TestKilledBeside kills a process that keeps the state and fills an inbox.
func TestKilledBeside(t *testing.T) {
	dir := t.TempDir()
	var ticket uint64
	for range 2 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), besideDir+"="+dir)
		saved, tickets := killAfter(t, cmd, 300)
		if tickets[0] <= ticket {
			t.Errorf("ticket %d came after %d", tickets[0], ticket)
		}
		ticket = tickets[len(tickets)-1]
		l := open(t, eventlog.Options{Dir: dir, Sync: time.Second})
		checkKept(t, l, saved)
		entries := entriesOf(t, l.Inbox("prague"))
		for _, ticket := range tickets {
			i, found := slices.BinarySearchFunc(entries, ticket, func(e gateway.Entry, t uint64) int { return cmp.Compare(e.Ticket, t) })
			if !found || len(entries[i].Records) != 2 {
				t.Errorf("entry %d is not there", ticket)
			}
		}
		closeLog(t, l)
	}
}

// checkKept fails the test unless the state is complete up to where it says, at
// least up to saved, and nothing in it is younger than the log.
func checkKept(t *testing.T, l *eventlog.Log, saved uint64) {
	t.Helper()
	kept, upTo := loadState(t, l)
	_, last := l.Bounds()
	if upTo < saved || upTo > last {
		t.Errorf("the state is complete up to %d, but was saved up to %d, and the log ends at %d", upTo, saved, last)
	}
	logged := make(map[uint64]*gateway.Record)
	for _, r := range read(t, l, 0) {
		logged[r.Seq] = r
		if have := kept[keyOf(r)]; r.Seq <= upTo && (have == nil || have.Seq < r.Seq) {
			t.Fatalf("record %d is not in the state, which is complete up to %d", r.Seq, upTo)
		}
	}
	for _, r := range kept {
		if from := logged[r.Seq]; from == nil || string(from.Event.Object) != string(r.Event.Object) || !from.Logged.Equal(r.Logged) {
			t.Errorf("kept is %+v, logged was %+v", r, from)
		}
	}
}

// killAfter kills a process that has said at least so many lines, and returns
// what it said to be kept.
func killAfter(t *testing.T, cmd *exec.Cmd, lines int) (saved uint64, tickets []uint64) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	for in := bufio.NewReader(out); ; lines-- {
		if !killed && lines <= 0 && saved > 0 && len(tickets) > 0 {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		// What it said before it was killed counts to the last whole line.
		line, err := in.ReadString('\n')
		if err != nil {
			break
		}
		var n uint64
		switch what, number, _ := strings.Cut(strings.TrimSpace(line), " "); what {
		case "open":
			continue
		case "state":
			n, err = strconv.ParseUint(number, 10, 64)
			saved = n
		case "entry":
			n, err = strconv.ParseUint(number, 10, 64)
			tickets = append(tickets, n)
		default:
			t.Error(line)
		}
		if err != nil {
			t.Error(err)
		}
	}
	_ = cmd.Wait() // says that it was killed
	if !killed {
		t.Fatal("ended before it was killed")
	}
	return saved, tickets
}

// TestOldStream puts back an image of the stream alone, beside a table of epochs
// that knows more: from the log's closing, or from a later opening too.
func TestOldStream(t *testing.T) {
	for name, openings := range map[string]int{"closed": 0, "opened again": 1} {
		t.Run(name, func(t *testing.T) { oldStream(t, openings) })
	}
}

func oldStream(t *testing.T, idleOpenings int) {
	dir, image := t.TempDir(), t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	store(t, l, events(0, 100)...)
	if err := os.CopyFS(filepath.Join(image, "jetstream"), os.DirFS(filepath.Join(dir, "jetstream"))); err != nil {
		t.Fatal(err)
	}
	store(t, l, events(100, 110)...)
	kept, lost := string(l.AppendPosition(nil, 100)), string(l.AppendPosition(nil, 101))
	last := read(t, l, 99)[0].Logged
	closeLog(t, l)
	for range idleOpenings {
		closeLog(t, open(t, eventlog.Options{Dir: dir}))
	}
	table, err := os.ReadFile(filepath.Join(dir, "epochs.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(image, "epochs.json"), table, 0o600); err != nil {
		t.Fatal(err)
	}

	l = open(t, eventlog.Options{Dir: image})
	if got := l.Opened(); !got.Clean || !got.LostTail || !got.LostFrom.Equal(last) {
		t.Errorf("got %+v, want a tail lost from %v", got, last)
	}
	store(t, l, events(500, 510)...)
	if _, known, good := l.Resolve(kept); !known || !good {
		t.Errorf("position %s: known %v, good %v, want both", kept, known, good)
	}
	if _, known, _ := l.Resolve(lost); known {
		t.Errorf("position %s of the lost tail is known", lost)
	}
}

// TestOldImage puts back an image of the data folder as a backup or a snapshot
// of its disk would be.
func TestOldImage(t *testing.T) {
	dir, image := t.TempDir(), t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	store(t, l, events(0, 100)...)
	closeLog(t, l)
	l = open(t, eventlog.Options{Dir: dir})
	store(t, l, events(100, 200)...)
	if err := os.CopyFS(image+"/data", os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	store(t, l, events(200, 300)...)
	kept := []string{string(l.AppendPosition(nil, 0)), string(l.AppendPosition(nil, 50)), string(l.AppendPosition(nil, 150)), string(l.AppendPosition(nil, 200))}
	lost := []string{string(l.AppendPosition(nil, 201)), string(l.AppendPosition(nil, 300))}
	closeLog(t, l)
	l = open(t, eventlog.Options{Dir: dir})
	store(t, l, events(300, 400)...)
	lost = append(lost, string(l.AppendPosition(nil, 301)), string(l.AppendPosition(nil, 400)))
	closeLog(t, l)

	l = open(t, eventlog.Options{Dir: image + "/data"})
	check := func() {
		t.Helper()
		for _, p := range kept {
			if _, known, good := l.Resolve(p); !known || !good {
				t.Errorf("position %s from before the image: known %v, good %v, want both", p, known, good)
			}
		}
		for _, p := range lost {
			if _, known, good := l.Resolve(p); known || good {
				t.Errorf("position %s of the lost tail: known %v, good %v, want neither", p, known, good)
			}
		}
	}
	check()
	store(t, l, events(1000, 1300)...)
	check()
	for seq := uint64(201); seq <= 500; seq++ {
		p := string(l.AppendPosition(nil, seq))
		for _, old := range append(kept, lost...) {
			if p == old {
				t.Errorf("position %s is given twice", p)
			}
		}
		if got, known, good := l.Resolve(p); got != seq || !known || !good {
			t.Fatalf("position %s: got %d, known %v, good %v", p, got, known, good)
		}
	}
	checkOrder(t, read(t, l, 200), 201, 1000, 1300)
}
