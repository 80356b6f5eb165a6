package web_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A block is one block of a stream, as it stands on the wire.
type block struct {
	retry, id, event, data string
	text                   string // all of it
}

// A blockReader reads a stream and forgives nothing: the lines of a block stand in
// one order, each at most once, its data always, line ends are LF.
type blockReader struct{ r *bufio.Reader }

func newBlockReader(r io.Reader) *blockReader { return &blockReader{bufio.NewReader(r)} }

// errTorn is the error of a block that breaks off.
var errTorn = errors.New("torn block")

// next returns the next block, or the reader's error where there is none. Of one
// that breaks off the text is what there is.
func (b *blockReader) next() (block, error) {
	var bl block
	rest := []string{"retry: ", "id: ", "event: ", "data: "}
	for {
		line, err := b.r.ReadString('\n')
		bl.text += line
		if err != nil {
			if bl.text != "" {
				return bl, fmt.Errorf("%w %q: %w", errTorn, bl.text, err)
			}
			return bl, err
		}
		if line == "\n" {
			return bl, bl.check(rest)
		}
		name := line[:strings.Index(line, ": ")+2]
		i := 0
		for i < len(rest) && rest[i] != name {
			i++
		}
		if i == len(rest) {
			return bl, fmt.Errorf("line %q does not belong there", line)
		}
		rest = rest[i+1:]
		value := strings.TrimSuffix(line[len(name):], "\n")
		*map[string]*string{"retry: ": &bl.retry, "id: ": &bl.id, "event: ": &bl.event, "data: ": &bl.data}[name] = value
	}
}

func (bl block) check(rest []string) error {
	switch {
	case len(rest) > 0 || bl.data == "":
		return fmt.Errorf("block without data: %q", bl.text)
	case !utf8.ValidString(bl.text) || strings.ContainsAny(bl.text, "\r\x00\ufeff"):
		return fmt.Errorf("block with a character that does not belong there: %q", bl.text)
	case strings.ContainsFunc(bl.id, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("id that is not visible ASCII: %q", bl.id)
	}
	return nil
}
