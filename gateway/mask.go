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
	return visible(dst, value, f, m.redact.child(root), root == "event")
}

// visible appends what is left of value under the nodes that its path has
// reached: f is nil or a leaf where all is let out, r nil where nothing is taken
// away. Top says that value is the event's object itself.
func visible(dst, value []byte, f, r *pathNode, top bool) ([]byte, bool) {
	restricted := f != nil && !f.leaf
	switch {
	case !restricted && r == nil:
		return append(dst, value...), true
	case len(value) > 0 && value[0] == '{':
		return visibleMembers(dst, value, f, r, top), true
	case len(value) > 0 && value[0] == '[':
		dst = append(dst, '[')
		mark := len(dst)
		eachElement(value, func(element []byte) {
			dst = separated(dst, mark, func(d []byte) ([]byte, bool) { return visible(d, element, f, r, false) })
		})
		return append(dst, ']'), true
	case restricted: // a path leads below it, but there is nothing below
		return dst, false
	default:
		return append(dst, value...), true
	}
}

func visibleMembers(dst, object []byte, f, r *pathNode, top bool) []byte {
	dst = append(dst, '{')
	mark := len(dst)
	eachMember(object, func(quoted, value []byte) {
		name := unquote(quoted)
		below := r.child(lowerASCII(name))
		if below != nil && below.leaf {
			return
		}
		inner := f
		switch {
		case f == nil || f.leaf:
		case top && (name == "Type" || name == "Id"): // let out always, and whole
			inner = nil
		default:
			if inner = f.child(name); inner == nil {
				return
			}
		}
		dst = separated(dst, mark, func(d []byte) ([]byte, bool) {
			d = append(append(d, quoted...), ':')
			return visible(d, value, inner, below, false)
		})
	})
	return append(dst, '}')
}

// separated appends what add appends, behind a comma when something already
// stands since mark, and takes it back when add says that there is nothing.
func separated(dst []byte, mark int, add func([]byte) ([]byte, bool)) []byte {
	before := len(dst)
	if before > mark {
		dst = append(dst, ',')
	}
	if longer, ok := add(dst); ok {
		return longer
	}
	return dst[:before]
}
