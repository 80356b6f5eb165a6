package gateway_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// encode is the plainest of encoders.
func encode(dst []byte, retry time.Duration, id, name string, data []byte) []byte {
	if retry != 0 {
		dst = fmt.Appendf(dst, "retry: %d\n", retry.Milliseconds())
	}
	if id != "" {
		dst = fmt.Appendf(dst, "id: %s\n", id)
	}
	if name != "" {
		dst = fmt.Appendf(dst, "event: %s\n", name)
	}
	return fmt.Appendf(dst, "data: %s\n\n", data)
}

// A block is what encode wrote.
type block struct {
	retry          time.Duration
	id, name, data string
}

// parseBlocks reads whole blocks. It panics on anything else, which would be a
// fault of the tests' own encoder or a block that was torn.
func parseBlocks(b []byte) (blocks []block) {
	text, ok := strings.CutSuffix(string(b), "\n\n")
	if !ok && text != "" {
		panic(fmt.Sprintf("a torn block: %q", b))
	}
	if text == "" {
		return nil
	}
	for lines := range strings.SplitSeq(text, "\n\n") {
		var bl block
		for line := range strings.SplitSeq(lines, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch name {
			case "retry":
				ms, err := strconv.Atoi(value)
				if err != nil {
					panic(err)
				}
				bl.retry = time.Duration(ms) * time.Millisecond
			case "id":
				bl.id = value
			case "event":
				bl.name = value
			case "data":
				bl.data = value
			default:
				panic(fmt.Sprintf("a line that is none: %q", line))
			}
		}
		blocks = append(blocks, bl)
	}
	return blocks
}

// must returns v; it is for what a test set up itself.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
