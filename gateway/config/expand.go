package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces each ${NAME} of text by the environment's value and returns
// the names. What is put in is looked at no more: it can be neither another
// variable nor YAML. There is no escape; a text with "${" in it goes into a
// variable or a file.
func expand(text string, getenv func(string) (string, bool)) (expanded string, names []string, err error) {
	var out strings.Builder
	var unset []string
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", nil, fmt.Errorf("has a ${ that is not closed; want ${NAME}")
		}
		if !variableName.MatchString(name) {
			return "", nil, fmt.Errorf("has a ${ without a variable's name; want ${NAME} of letters, digits and _")
		}
		value, ok := getenv(name)
		if !ok && !slices.Contains(unset, name) {
			unset = append(unset, name)
		}
		out.WriteString(value)
		names = append(names, name)
		text = after
	}
	if len(unset) > 0 {
		return "", nil, fmt.Errorf("want %s set in the environment", strings.Join(unset, " and "))
	}
	return out.String(), names, nil
}
