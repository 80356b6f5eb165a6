package config

import (
	"reflect"
	"strings"
)

// field is one key of a section, as the tags of a struct's field declare it:
//
//		Heartbeat time.Duration `key:"heartbeat" default:"15s" is:"10ms..24h"`
//
//	  - key is its name, with ",required" where it must be there and not empty.
//	  - default is its value where it is not there, written as in a file; a list's
//	    items are parted by commas.
//	  - is names what the value, or each item of a list, must be: a range, a choice
//	    or one of the rules, see [conform]. Without it a text must only be legible.
//	  - keys is the same for the keys of a map.
//
// A Secret x may also be there as x_file. A pointer is a section that is not
// there unless configured.
type field struct {
	key      string
	required bool
	def      string
	is       string
	keys     string
	value    reflect.Value
}

// fields returns the keys of a section, in the struct's order.
func fields(section reflect.Value) []field {
	var all []field
	for i := range section.NumField() {
		tag := section.Type().Field(i).Tag
		key, option, _ := strings.Cut(tag.Get("key"), ",")
		if key == "" {
			continue
		}
		all = append(all, field{
			key:      key,
			required: option == "required",
			def:      tag.Get("default"),
			is:       tag.Get("is"),
			keys:     tag.Get("keys"),
			value:    section.Field(i),
		})
	}
	return all
}

// sectionOf returns what a pointer to a section's struct points to.
func sectionOf(pointer any) reflect.Value { return reflect.ValueOf(pointer).Elem() }

// setDefaults sets the defaults of a section and of the sections in it, those
// excepted that are not there unless configured.
func setDefaults(section reflect.Value) {
	for _, f := range fields(section) {
		switch {
		case f.value.Kind() == reflect.Struct && !isScalar(f.value.Type()):
			setDefaults(f.value)
		case f.def == "":
		case f.value.Kind() == reflect.Slice:
			for text := range strings.SplitSeq(f.def, ",") {
				element := reflect.New(f.value.Type().Elem()).Elem()
				mustSet(element, text)
				f.value.Set(reflect.Append(f.value, element))
			}
		default:
			mustSet(f.value, f.def)
		}
	}
}

// mustSet sets v to what a tag's text says.
func mustSet(v reflect.Value, text string) {
	if !scalars[v.Type()].set(v, text) {
		panic("config: bad default " + text)
	}
}

// isScalar reports whether a value of type t is one text in the file.
func isScalar(t reflect.Type) bool {
	_, ok := scalars[t]
	return ok
}

// isSecret reports whether a value of type t may be in a file of its own.
func isSecret(t reflect.Type) bool {
	return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[[]Secret]()
}

var fileType = reflect.TypeFor[File]()
