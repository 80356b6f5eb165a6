package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong with a configuration. It never holds an excerpt of a
// value.
type Fault struct {
	// File is as it was named; "environment" for a configuration of variables
	// alone, empty for one made in code.
	File string
	// Line counts from 1; 0 is unknown. A key that is missing has the line of
	// the section that it is missing from.
	Line int
	// Key is the path, such as "sources[0].mews.keepalive". A part that might be
	// a misplaced value is "?". Empty is the file as a whole.
	Key string
	// Message says what would be right.
	Message string
}

// Error returns "file:line: key: message".
func (f *Fault) Error() string {
	var parts []string
	if f.File != "" {
		place := f.File
		if f.Line > 0 {
			place = fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		parts = append(parts, place)
	}
	if f.Key != "" {
		parts = append(parts, f.Key)
	}
	return strings.Join(append(parts, f.Message), ": ")
}

// environment is the File of faults where there is no file, and so no lines.
const environment = "environment"

// mark is where a key path was found.
type mark struct {
	line int
	// written is the path as the file has it: a secret x may be there as x_file.
	written string
	// env names the variables in its value.
	env []string
	// idle says that the value, though there, asks for nothing: false, or an
	// empty list.
	idle bool
}

// faults collects what is wrong, by key path.
type faults struct {
	file  string
	marks map[string]*mark
	list  []*Fault
	paths map[string]bool
}

// add records a fault of path, at the line where path or the nearest section
// above it was found.
func (f *faults) add(path, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if m := f.marks[path]; m != nil && len(m.env) > 0 {
		message += " (set by " + strings.Join(m.env, ", ") + ")"
	}
	for above := path; above != ""; above = parent(above) {
		if m := f.marks[above]; m != nil {
			f.addAt(m.line, path, m.written+strings.TrimPrefix(path, above), message)
			return
		}
	}
	line := 0
	if top := f.marks[""]; top != nil {
		line = top.line
	}
	f.addAt(line, path, path, message)
}

// addAt records a fault of path, shown as written.
func (f *faults) addAt(line int, path, written, message string) {
	if f.paths == nil {
		f.paths = make(map[string]bool)
	}
	f.paths[path] = true
	if f.file == environment {
		line = 0
	}
	f.list = append(f.list, &Fault{File: f.file, Line: line, Key: written, Message: message})
}

// ok reports whether the values at all paths are to be trusted: no fault was
// found at them or in a section above. Rules that compare values ask it, so that
// one mistake is reported once.
func (f *faults) ok(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool {
		for ; path != ""; path = parent(path) {
			if f.paths[path] {
				return true
			}
		}
		return f.paths[""]
	})
}

// sort puts the faults in the order of the file.
func (f *faults) sort() {
	slices.SortFunc(f.list, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Message, b.Message))
	})
}

// err joins the faults in the order of the file; nil when there are none.
func (f *faults) err() error {
	f.sort()
	errs := make([]error, len(f.list))
	for i, fault := range f.list {
		errs[i] = fault
	}
	return errors.Join(errs...)
}

// join returns the path of key in the section at path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// item returns the path of the list item i at path.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// parent returns the path of the section or list that path is in.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }
