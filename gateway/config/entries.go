package config

import (
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// entry is one key of a YAML mapping.
type entry struct {
	// key is hidden where it might be a value that went astray.
	key   string
	line  int
	value ast.Node
}

// hidden stands for what is not shown in a key path.
const hidden = "?"

// keyLike matches what may be shown as a key. It is shorter than any token or
// secret has to be.
var keyLike = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,30}$`)

// entries returns the keys of n, each once.
func (d *decoder) entries(n *ast.MappingNode, path string) []entry {
	var all []entry
	first := make(map[string]int)
	for _, v := range n.Values {
		line := lineOf(v.Key)
		key := keyOf(v)
		at := join(path, key)
		if refusal, refused := refusals[v.Key.Type()]; refused {
			d.faults.addAt(line, at, at, refusal)
			continue
		}
		if was, again := first[key]; again && key != hidden {
			d.faults.addAt(line, at, at, fmt.Sprintf("is there already, in line %d; want it once", was))
			continue
		}
		first[key] = line
		all = append(all, entry{key: key, line: line, value: v.Value})
	}
	return all
}

// keyOf returns the key of v as far as it may be shown. Without a colon, as in
// {abc}, it may well be a value in the wrong brackets.
func keyOf(v *ast.MappingValueNode) string {
	if v.Key.IsMergeKey() {
		return "<<"
	}
	if text := v.Key.GetToken().Value; v.Start.Type == token.MappingValueType && keyLike.MatchString(text) {
		return text
	}
	return hidden
}

// refusals are the parts of YAML that let a file say other than it seems to.
var refusals = map[ast.NodeType]string{
	ast.AnchorType:   "has an anchor (&); want the value alone",
	ast.AliasType:    "is an alias (*); want the value itself, and quotes around one that begins with *",
	ast.TagType:      "has a tag (!); want the value alone, and quotes around one that begins with !",
	ast.MergeKeyType: "is a merge key (<<); want the keys themselves",
}

// bare returns n without anchor and tag, which are refused; nil for an alias.
func (d *decoder) bare(n ast.Node, path string) ast.Node {
	for n != nil {
		refusal, refused := refusals[n.Type()]
		if !refused {
			return n
		}
		d.faults.add(path, "%s", refusal)
		switch tagged := n.(type) {
		case *ast.AnchorNode:
			n = tagged.Value
		case *ast.TagNode:
			n = tagged.Value
		default:
			n = nil
		}
	}
	return nil
}
