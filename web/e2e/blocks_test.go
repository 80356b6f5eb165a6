package e2e_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A block is what stands between two blank lines of a stream.
type block struct {
	id    string // of this block; empty where it has none
	name  string // of the event field
	data  string
	retry string
	at    time.Time // when it was read
}

// wait is what the retry field tells a client to wait.
func (b block) wait() time.Duration {
	ms, _ := strconv.Atoi(b.retry)
	return time.Duration(ms) * time.Millisecond
}

func (b block) String() string {
	return fmt.Sprintf("[%s] %s %s", b.id, b.name, b.data[:min(len(b.data), 200)])
}

// decode reads the block's data.
func (b block) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.data), into); err != nil {
		t.Fatalf("data of %v: %v", b, err)
	}
}

// An event is what the data of an upstream event holds.
type event struct {
	Source, Type, ID, Origin string
	Received                 time.Time
	Event, Entity            json.RawMessage
}

func (b block) event(t testing.TB) event {
	t.Helper()
	var e event
	b.decode(t, &e)
	return e
}

// control reports a block that the gateway made.
func (b block) control() bool { return strings.HasPrefix(b.name, "bellhop.") }

// readBlocks parses an event stream as WHATWG HTML 9.2.6 says and calls f with
// each block. It returns what ended the stream, nil for its proper end; a block
// that was not ended by a blank line is dropped. Beyond the grammar it holds the
// stream to what it promises: LF alone, no BOM, one line of data and no more in
// every block, ids of ASCII, no comment, no unknown field.
func readBlocks(r io.Reader, f func(block) error) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	var b block
	var data []string
	for first := true; ; first = false {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		line = line[:len(line)-1]
		if strings.ContainsAny(line, "\r\x00") || first && strings.HasPrefix(line, "\ufeff") {
			return fmt.Errorf("%w: %.200q", errWire, line)
		}
		field, value, colon := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if len(data) != 1 {
				return fmt.Errorf("%w: a block with %d lines of data", errWire, len(data))
			}
			b.data, b.at = data[0], time.Now()
			if err := f(b); err != nil {
				return err
			}
			b, data = block{}, nil
		case !colon || field == "" || value == "":
			return fmt.Errorf("%w: %.200q", errWire, line)
		case field == "event":
			b.name = value
		case field == "data":
			data = append(data, value)
		case field == "id":
			if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
				return fmt.Errorf("%w: %.200q", errWire, line)
			}
			b.id = value
		case field == "retry" && strings.Trim(value, "0123456789") == "":
			b.retry = value
		default:
			return fmt.Errorf("%w: %.200q", errWire, line)
		}
	}
}

// errWire is a stream that is not as streams are promised to be.
var errWire = errors.New("broken stream")
