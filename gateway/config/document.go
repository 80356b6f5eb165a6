package config

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// document returns the section that text is, or nil when it is empty or has no
// form that could be read further.
func (d *decoder) document(text []byte) *ast.MappingNode {
	d.faults.marks[""] = &mark{line: 1}
	source := strings.TrimPrefix(string(text), "\ufeff")
	line := 0
	for text := range strings.Lines(source) {
		line++
		if !utf8.ValidString(text) {
			d.faults.addAt(line, "", "", "want a file in UTF-8")
			return nil
		}
	}
	// The decoder of the library would stop at the first error and quote the
	// source. A repeated key is ours to find, so that it is not the only fault.
	file, err := parser.ParseBytes([]byte(source), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	if len(file.Docs) > 1 {
		line := lineOf(file.Docs[1].Body)
		if start := file.Docs[1].Start; start != nil {
			line = start.Position.Line
		}
		d.faults.addAt(line, "", "", "want one YAML document, without directives")
		return nil
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil
	}
	switch body := d.bare(file.Docs[0].Body, "").(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		return body
	default:
		d.faults.add("", "want keys, such as listen, sources and auth")
		return nil
	}
}

// advice says what would be right, by what the parser found to be wrong. Its own
// words are not shown: some quote the source.
var advice = map[string]string{
	"',' or '}' must be specified":                                       "want a comma or } here; a value with ${NAME} needs quotes inside braces",
	"',' or ']' must be specified":                                       "want a comma or ] here; a value with ${NAME} needs quotes inside brackets",
	"sequence end token ']' not found":                                   "want a ] for this [",
	"could not find flow mapping end token '}'":                          "want a } for this {",
	"could not find end character of double-quoted text":                 `want a closing " for this one`,
	"could not find end character of single-quoted text":                 "want a closing ' for this one",
	"unexpected key name":                                                "want a blank after the colon of a key",
	"mapping value is not allowed in this context":                       "want one key a line, and quotes around a value with a colon and a blank",
	"non-map value is specified":                                         "want a key, a colon and a blank, and a value",
	"found character '\t' that cannot start any token":                   "want blanks, not tabs, before a key or value",
	"value is not allowed in this context":                               "want the indentation of the keys beside it",
	"value is not allowed in this context. map key-value is pre-defined": "want the indentation of the keys beside it",
}

// syntax records where the parser gave up.
func (d *decoder) syntax(err error) {
	line, message := 1, ""
	if se, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		message = advice[se.Message]
		if se.Token != nil && se.Token.Position != nil {
			line = se.Token.Position.Line
		}
	}
	if message == "" {
		message = "want YAML; look here and above for quotes, colons and indentation"
	}
	d.faults.addAt(line, "", "", message)
}

// lineOf returns the line where n begins, 0 where that is not known.
func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}
