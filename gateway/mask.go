package gateway

import (
	"encoding/json"
	"strings"
)

// A mask hides members of events and entities: what a grant's fields and redact
// say. The nil mask hides nothing. Masks are immutable.
type mask struct {
	fields *pathNode // what is let out, nil for everything
	redact *pathNode // what is taken away, in lower case, nil for nothing
	key    string    // canonical: equal for masks that hide the same
}

// A pathNode is a set of dotted paths as a tree. A leaf stands for the member
// and all that is below it.
type pathNode struct {
	leaf     bool
	children map[string]*pathNode
}

func newPathNode(paths []string) *pathNode {
	if paths == nil {
		return nil
	}
	root := &pathNode{}
	for _, p := range paths {
		n := root
		for step := range strings.SplitSeq(p, ".") {
			if n.children == nil {
				n.children = make(map[string]*pathNode)
			}
			if n.children[step] == nil {
				n.children[step] = &pathNode{}
			}
			n = n.children[step]
		}
		n.leaf = true
	}
	return root
}

// child returns the node below n with the given name, nil when there is none. n
// may be nil.
func (n *pathNode) child(name string) *pathNode {
	if n == nil {
		return nil
	}
	return n.children[name]
}

// newMask returns nil when there is nothing to hide. Both lists are canonical:
// sorted, redact in ASCII lower case.
func newMask(fields, redact []string) *mask {
	if fields == nil && redact == nil {
		return nil
	}
	key, _ := json.Marshal([][]string{fields, redact})
	return &mask{fields: newPathNode(fields), redact: newPathNode(redact), key: string(key)}
}

// hides reports whether the member at a dotted path, one of those that filters
// read, is hidden when its value is no object. An entity's own id never is.
func (m *mask) hides(path string) bool {
	if m == nil || path == ownID {
		return false
	}
	f, r := m.fields, m.redact
	for step := range strings.SplitSeq(path, ".") {
		if r = r.child(lowerASCII(step)); r != nil && r.leaf {
			return true
		}
		if f != nil && !f.leaf {
			if f = f.child(step); f == nil {
				return true
			}
		}
	}
	return f != nil && !f.leaf
}

// appendVisible appends to dst what the mask leaves of value, which is the
// event's object or its entity as root says. It reports false, and appends
// nothing, when nothing is left.
func (m *mask) appendVisible(dst []byte, root string, value []byte) ([]byte, bool) {
	if m == nil {
		return append(dst, value...), true
	}
	f := m.fields
	if f != nil && !f.leaf {
		if f = f.child(root); f == nil && root == "event" {
			f = &pathNode{} // Type and Id are let out always
		} else if f == nil {
			return dst, false
		}
	}
	c := cutter{src: value, dst: dst}
	shown := c.value(f, m.redact.child(root), root == "event")
	return c.dst, shown
}

// A cutter copies what is left of JSON under the nodes that its path has reached:
// f is nil or a leaf where all is let out, r nil where nothing is taken away. It
// reads src once, however deep that is, and on what is not compact, valid JSON
// stays within bounds.
type cutter struct {
	src []byte
	at  int // what of src has been read
	dst []byte
}

// value copies the next value. It reports false, and copies nothing, when
// nothing is left. Top says that it is the event's object itself.
func (c *cutter) value(f, r *pathNode, top bool) bool {
	restricted := f != nil && !f.leaf
	if restricted || r != nil {
		switch {
		case c.next('{'):
			c.members(f, r, top)
			return true
		case c.next('['):
			c.elements(f, r)
			return true
		}
	}
	value := c.skip()
	if restricted { // a path leads below it, but there is nothing below
		return false
	}
	c.dst = append(c.dst, value...)
	return true
}

func (c *cutter) members(f, r *pathNode, top bool) {
	c.dst = append(c.dst, '{')
	mark := len(c.dst)
	for more := c.peek() != '}'; more; more = c.next(',') {
		quoted := c.skip()
		c.next(':')
		name := unquote(quoted)
		below := r.child(lowerASCII(name))
		inner, out := f, below == nil || !below.leaf
		switch {
		case f == nil || f.leaf:
		case top && (name == "Type" || name == "Id"): // let out always, and whole
			inner = nil
		default:
			inner = f.child(name)
			out = out && inner != nil
		}
		if !out {
			c.skip()
			continue
		}
		before := c.separate(mark)
		c.dst = append(append(c.dst, quoted...), ':')
		if !c.value(inner, below, false) {
			c.dst = c.dst[:before]
		}
	}
	c.next('}')
	c.dst = append(c.dst, '}')
}

func (c *cutter) elements(f, r *pathNode) {
	c.dst = append(c.dst, '[')
	mark := len(c.dst)
	for more := c.peek() != ']'; more; more = c.next(',') {
		if before := c.separate(mark); !c.value(f, r, false) {
			c.dst = c.dst[:before]
		}
	}
	c.next(']')
	c.dst = append(c.dst, ']')
}

// peek returns the next byte, 0 at the end.
func (c *cutter) peek() byte {
	if c.at == len(c.src) {
		return 0
	}
	return c.src[c.at]
}

// next passes over the next byte if it is b.
func (c *cutter) next(b byte) bool {
	if c.peek() != b {
		return false
	}
	c.at++
	return true
}

// skip passes over the next value and returns it.
func (c *cutter) skip() []byte {
	from := c.at
	c.at = skipValue(c.src, from)
	return c.src[from:c.at]
}

// separate appends a comma when something already stands since mark. It returns
// where to cut when nothing follows.
func (c *cutter) separate(mark int) (before int) {
	before = len(c.dst)
	if before > mark {
		c.dst = append(c.dst, ',')
	}
	return before
}
