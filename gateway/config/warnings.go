package config

import (
	"regexp"
	"slices"
)

// notYet are the keys that are accepted and checked but have no effect in this
// version.
var notYet = []string{
	"cluster",
	"data_key_file",
	"sources[].airy",
	"sources[].mews.messaging",
	"sources[].mews.webhook",
	"auth.guests",
}

var listIndex = regexp.MustCompile(`\[[0-9]+\]`)

// Warnings returns a line for each key that asks for what is not in this
// version, in the order of the file. A default does not ask for anything.
func (c *Config) Warnings() []string {
	found := &faults{file: c.file, marks: c.marks}
	for path, m := range c.marks {
		if !m.idle && slices.Contains(notYet, listIndex.ReplaceAllString(path, "[]")) {
			found.addAt(m.line, path, m.written, "not in this version, has no effect")
		}
	}
	found.sort()
	var lines []string
	for _, f := range found.list {
		lines = append(lines, f.Error())
	}
	return lines
}
