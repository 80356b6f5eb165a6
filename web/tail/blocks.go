package tail

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxBlock is the size up to which a block is taken.
const maxBlock = 16 << 20

var errTooLarge = errors.New("a block is over 16 MiB")

// blocks is a response body of which only whole blocks can be read, cleaned of
// what the client beneath misreads: it would dispatch the beginning of a block
// that a cut left behind, half an id included, which the standard throws away
// (WHATWG HTML, 9.2.6); it knows no blank line of mixed line ends, and no byte
// order mark. Comments are left out too, since a server may send them without
// ever ending a block.
type blocks struct {
	io.Closer
	src   *bufio.Reader
	block []byte
	rest  []byte // of block, yet to be read
	begun bool   // the first line has been read
	cr    bool   // the last byte was a CR
}

func newBlocks(body io.ReadCloser) *blocks {
	return &blocks{Closer: body, src: bufio.NewReader(body)}
}

// Read never gives bytes of two blocks at once.
func (b *blocks) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// next reads up to the blank line that ends a block with at least one line.
func (b *blocks) next() error {
	b.block = b.block[:0]
	for {
		start := len(b.block)
		if err := b.line(); err != nil {
			return err
		}
		switch line := b.block[start:]; {
		case line[0] == ':':
			b.block = b.block[:start]
		case len(line) > 1:
		case start > 0:
			b.rest = b.block
			return nil
		default:
			b.block = b.block[:0]
		}
	}
}

// line appends a line to the block, its end made LF. A CR ends it at once: the
// LF that may follow is waited for by nobody.
func (b *blocks) line() error {
	for {
		c, err := b.src.ReadByte()
		if err != nil {
			return err
		}
		second := b.cr && c == '\n'
		b.cr = c == '\r'
		if second {
			continue
		}
		if len(b.block) == maxBlock {
			return errTooLarge
		}
		if c != '\r' && c != '\n' {
			b.block = append(b.block, c)
			continue
		}
		b.block = append(b.block, '\n')
		if !b.begun {
			b.begun = true
			b.block = bytes.TrimPrefix(b.block, []byte("\ufeff"))
		}
		return nil
	}
}
