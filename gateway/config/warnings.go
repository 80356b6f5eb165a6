package config

import (
	"fmt"
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

// Warnings returns a line for each key that has no effect, be it that this version
// lacks the feature or that another key takes the effect away, in the order of the
// file. A default does not ask for anything.
func (c *Config) Warnings() []string {
	found := &faults{file: c.file, marks: c.marks}
	for i, s := range c.Sources {
		if s.Mews != nil {
			s.Mews.warn(found, fmt.Sprintf("sources[%d].mews", i))
		}
	}
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

// documentedRate is how many calls a second Mews allows to a token, on average.
const documentedRate = 200.0 / 30

func (m *Mews) warn(found *faults, at string) {
	for _, typ := range m.Enrich {
		if len(m.EntityFields[typ]) == 0 {
			found.add(at+".enrich", "%s has no entity_fields, so its events carry no entity", typ)
		}
	}
	for typ := range m.EntityFields {
		if !slices.Contains(m.Enrich, typ) && typ != "MessageAdded" {
			found.add(at+".entity_fields", "%s is not among enrich, so its list has no effect", typ)
		}
	}
	if b := m.APIBudget; float64(b.Requests) > documentedRate*b.Per.Seconds() {
		found.add(at+".api_budget", "Mews allows 200 requests in 30s to a token, for all who use it")
	}
}
