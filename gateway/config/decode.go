package config

import (
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder puts a YAML tree into sections. It goes on after a fault, to find all.
type decoder struct {
	faults *faults
	getenv func(string) (string, bool)
	files  []string
}

// section puts the keys of n into the section at path.
func (d *decoder) section(n *ast.MappingNode, path string, section reflect.Value) {
	known := make(map[string]field)
	var keys []string
	for _, f := range fields(section) {
		known[f.key] = f
		keys = append(keys, f.key)
		if isSecret(f.value.Type()) {
			known[f.key+"_file"] = f
		}
	}
	for _, e := range d.entries(n, path) {
		f, ok := known[e.key]
		if !ok {
			at := join(path, e.key)
			d.faults.addAt(e.line, at, at, "no such key; want "+choice(keys))
			continue
		}
		d.entry(e, path, f)
	}
}

// entry puts one key into the field f of the section at path.
func (d *decoder) entry(e entry, path string, f field) {
	at, written := join(path, f.key), join(path, e.key)
	if other, twice := d.faults.marks[at]; twice {
		d.faults.addAt(e.line, at, written, "want either this or "+other.written)
		return
	}
	m := &mark{line: e.line, written: written}
	d.faults.marks[at] = m
	if e.key == f.key {
		d.value(e.value, at, f.value)
	} else {
		d.secretFile(e.value, at, f.value)
	}
	m.idle = f.value.Kind() == reflect.Bool && !f.value.Bool() || f.value.Kind() == reflect.Slice && f.value.Len() == 0
}

// value puts n into v.
func (d *decoder) value(n ast.Node, path string, v reflect.Value) {
	n = d.bare(n, path)
	switch {
	case n == nil:
	case isScalar(v.Type()):
		d.scalar(n, path, v)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		setDefaults(v.Elem())
		d.value(n, path, v.Elem())
	case v.Kind() == reflect.Slice:
		d.list(n, path, v)
	case v.Kind() == reflect.Map:
		d.table(n, path, v)
	default:
		if m, ok := n.(*ast.MappingNode); ok {
			d.section(m, path, v)
			return
		}
		d.faults.add(path, "want keys with values below it, or not the key")
	}
}

// list puts the items of n into the slice v, which loses its defaults.
func (d *decoder) list(n ast.Node, path string, v reflect.Value) {
	items, ok := n.(*ast.SequenceNode)
	if !ok {
		d.faults.add(path, "want a list, such as [a, b]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items.Values), len(items.Values)))
	for i, n := range items.Values {
		at := item(path, i)
		d.faults.marks[at] = &mark{line: lineOf(n), written: at}
		if element := v.Index(i); element.Kind() == reflect.Struct && !isScalar(element.Type()) {
			setDefaults(element)
		}
		d.value(n, at, v.Index(i))
	}
}

// table puts the keys of n into the map v.
func (d *decoder) table(n ast.Node, path string, v reflect.Value) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.faults.add(path, "want keys with values below it, or not the key")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(m, path) {
		at := join(path, e.key)
		d.faults.marks[at] = &mark{line: e.line, written: at}
		if e.key == hidden {
			d.faults.add(at, "want a plain name as the key")
			continue
		}
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, at, element)
		v.SetMapIndex(reflect.ValueOf(e.key), element)
	}
}

// scalar puts the text that n is into v.
func (d *decoder) scalar(n ast.Node, path string, v reflect.Value) {
	s := scalars[v.Type()]
	text, ok := d.text(n, path, s.want)
	if !ok {
		return
	}
	if !s.set(v, text) {
		d.faults.add(path, "want %s", s.want)
		return
	}
	if v.Type() == fileType {
		d.file(path, v.Addr().Interface().(*File))
	}
}

// text returns the text that n is, with the environment put in.
func (d *decoder) text(n ast.Node, path, want string) (string, bool) {
	var raw string
	switch n := n.(type) {
	case *ast.NullNode:
		d.faults.add(path, "has no value; want %s, or not the key", want)
		return "", false
	case *ast.StringNode:
		raw = n.Value
	case *ast.LiteralNode:
		raw = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		raw = n.GetToken().Value
	default:
		d.faults.add(path, "want %s, not a list or keys with values", want)
		return "", false
	}
	text, names, err := expand(raw, d.getenv)
	if err != nil {
		d.faults.add(path, "%v", err)
		return "", false
	}
	d.faults.marks[path].env = names
	return text, true
}

// file reads the contents of f.
func (d *decoder) file(path string, f *File) {
	text, err := readFile(f.Path)
	d.files = append(d.files, f.Path)
	switch {
	case err != nil:
		d.faults.add(path, "%v", err)
	case text == "":
		d.faults.add(path, "want a file that is not empty")
	default:
		f.Contents = Secret(text)
		d.faults.marks[path].env = nil // they set the path, not the contents
	}
}

// secretFile puts the contents of the file that n names into v, a secret or a
// list of secrets that has one a line.
func (d *decoder) secretFile(n ast.Node, path string, v reflect.Value) {
	n = d.bare(n, path)
	if n == nil {
		return
	}
	name, ok := d.text(n, path, scalars[fileType].want)
	if !ok {
		return
	}
	text, err := readSecret(name)
	d.files = append(d.files, name)
	if err != nil {
		d.faults.add(path, "%v", err)
		return
	}
	d.faults.marks[path].env = nil // they set the path, not the contents
	if v.Kind() == reflect.String {
		v.SetString(text)
		return
	}
	var secrets []Secret
	for line := range strings.Lines(text) {
		secrets = append(secrets, Secret(strings.TrimRight(line, "\r\n")))
	}
	v.Set(reflect.ValueOf(secrets))
}
