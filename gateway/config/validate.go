package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Validate returns all that is wrong with c as one [*Fault] each, joined; nil
// when it is good. [Load] and [Parse] have called it; it is for a Config that
// was made or changed in code.
func (c *Config) Validate() error {
	found := &faults{file: c.file, marks: c.marks}
	c.validate(found)
	return found.err()
}

// validate adds what is wrong to what was found while decoding.
func (c *Config) validate(found *faults) {
	v := &validator{faults: found}
	v.section(sectionOf(c), "")
	v.listeners(c)
	v.log(c)
	v.sources(c.Sources)
	v.issuers(c)
}

// validator holds a configuration against its rules.
type validator struct{ *faults }

// section holds each key of a section against its own rule.
func (v *validator) section(section reflect.Value, path string) {
	for _, f := range fields(section) {
		at := join(path, f.key)
		_, given := v.marks[at]
		absent := !given && f.value.IsZero() && !isNumber(f.value) && f.value.Kind() != reflect.Struct
		switch {
		case !v.ok(at):
		case absent && f.required:
			v.missing(at, f)
		case !absent:
			v.value(f.value, at, f)
		}
	}
}

// missing records that the required key at is not there.
func (v *validator) missing(at string, f field) {
	if isSecret(f.value.Type()) {
		v.add(at, "is missing; want it, or %s_file", f.key)
		return
	}
	if f.value.Kind() == reflect.String {
		v.add(at, "is missing; want %s", conform(f.is).want)
		return
	}
	v.add(at, "is missing; want %s", scalars[f.value.Type()].want)
}

// value holds one value against the rule of its field.
func (v *validator) value(value reflect.Value, path string, f field) {
	if !v.ok(path) {
		return
	}
	switch {
	case value.Type() == fileType && value.IsZero():
		if f.required {
			v.missing(path, f)
		}
	case value.Type() == fileType && f.is != "":
		v.conforms(value.FieldByName("Contents").String(), path, f.is)
	case isNumber(value):
		v.inRange(value, path, f.is)
	case value.Kind() == reflect.String:
		v.conforms(value.String(), path, f.is)
	case isScalar(value.Type()):
	case value.Kind() == reflect.Pointer && !value.IsNil():
		v.section(value.Elem(), path)
	case value.Kind() == reflect.Struct:
		v.section(value, path)
	case value.Kind() == reflect.Slice:
		for i := range value.Len() {
			v.value(value.Index(i), item(path, i), f)
		}
	case value.Kind() == reflect.Map:
		for _, key := range slices.Sorted(maps.Keys(value.Interface().(map[string][]string))) {
			v.conforms(key, join(path, key), f.keys)
			v.value(value.MapIndex(reflect.ValueOf(key)), join(path, key), f)
		}
	}
}

func (v *validator) conforms(text, path, is string) {
	if r := conform(is); !r.ok(text) {
		v.add(path, "want %s", r.want)
	}
}

// inRange holds a number against ranges "lo..hi", "lo.." or "n", parted by "|".
func (v *validator) inRange(value reflect.Value, path, is string) {
	var want []string
	for each := range strings.SplitSeq(is, "|") {
		lo, hi, isRange := strings.Cut(each, "..")
		switch {
		case !isRange:
			hi = lo
			want = append(want, lo)
		case hi == "":
			want = append(want, "at least "+lo)
		default:
			want = append(want, lo+" to "+hi)
		}
		if value.Int() >= number(value, lo) && (hi == "" || value.Int() <= number(value, hi)) {
			return
		}
	}
	v.add(path, "want %s", strings.Join(want, " or "))
}

// number returns what text is in the type of value.
func number(value reflect.Value, text string) int64 {
	n := reflect.New(value.Type()).Elem()
	mustSet(n, text)
	return n.Int()
}

// isNumber reports whether v has a range.
func isNumber(v reflect.Value) bool {
	switch v.Interface().(type) {
	case int, time.Duration, Size:
		return true
	}
	return false
}
