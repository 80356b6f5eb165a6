package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// masked is what any output of a [Secret] shows.
const masked = "***"

// Secret is text that no log, error or metric may show: whatever prints or
// encodes it gets "***". Convert it to string to use it. Two uses ask no method
// of it and are not for secrets: the verb %p, and the keys of a map in JSON.
type Secret string

// Format implements [fmt.Formatter]. A String method alone would not do: a verb
// that does not fit strings, such as %d, prints the value itself.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, masked) }

// String implements [fmt.Stringer].
func (Secret) String() string { return masked }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText implements [encoding.TextMarshaler], for JSON too.
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// The structs that point to structs with secrets print as JSON. Left to itself
// fmt would, for a verb such as %s, call the pointer a mistake and print what is
// behind it without asking any Secret.

// Format implements [fmt.Formatter].
func (c Config) Format(f fmt.State, _ rune) { formatJSON(f, c) }

// Format implements [fmt.Formatter].
func (s Source) Format(f fmt.State, _ rune) { formatJSON(f, s) }

// Format implements [fmt.Formatter].
func (m Mews) Format(f fmt.State, _ rune) { formatJSON(f, m) }

// Format implements [fmt.Formatter].
func (a Auth) Format(f fmt.State, _ rune) { formatJSON(f, a) }

func formatJSON(w io.Writer, v any) {
	text, _ := json.Marshal(v) // none of their fields can fail
	w.Write(text)
}

// File is a file that the configuration names, as it was when that was read.
type File struct {
	// Path is as configured, relative to the working directory; empty where
	// the key is not there.
	Path string
	// Contents are the file's bytes, not empty.
	Contents Secret
}
