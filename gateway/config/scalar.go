package config

import (
	"log/slog"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. In a file it needs its unit, KiB, MiB or GiB: a
// bare number is more often a slip than a wish for bytes.
type Size int64

// scalar is how one text of a file becomes a value.
type scalar struct {
	// want says what set takes.
	want string
	// set stores what text says, or reports false.
	set func(v reflect.Value, text string) bool
}

// scalars are the types of all values that are one text in the file.
var scalars = map[reflect.Type]scalar{
	reflect.TypeFor[string](): {"a text", func(v reflect.Value, text string) bool {
		v.SetString(text)
		return true
	}},
	reflect.TypeFor[Secret](): {"a text", func(v reflect.Value, text string) bool {
		v.SetString(text)
		return true
	}},
	reflect.TypeFor[bool]():          of("true or false", parseBool),
	reflect.TypeFor[int]():           of("a whole number", parseInt),
	reflect.TypeFor[time.Duration](): of("a duration, such as 20s, 15m or 7d", parseDuration),
	reflect.TypeFor[Size]():          of("a size in KiB, MiB or GiB, such as 512MiB", parseSize),
	reflect.TypeFor[slog.Level]():    of("debug, info, warn or error", parseLevel),
	reflect.TypeFor[netip.Prefix]():  of("an IP address or a network, such as 10.0.0.0/8", parsePrefix),
	fileType: {"the path of a file", func(v reflect.Value, text string) bool {
		v.Set(reflect.ValueOf(File{Path: text}))
		return true
	}},
}

// of makes the scalar of a parser.
func of[T any](want string, parse func(string) (T, bool)) scalar {
	return scalar{want, func(v reflect.Value, text string) bool {
		parsed, ok := parse(text)
		if ok {
			v.Set(reflect.ValueOf(parsed))
		}
		return ok
	}}
}

func parseBool(text string) (bool, bool) { return text == "true", text == "true" || text == "false" }

func parseInt(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil
}

func parseLevel(text string) (slog.Level, bool) {
	level, ok := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}[text]
	return level, ok
}

// days matches a duration that begins with days.
var days = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)d([0-9.].*)?$`)

// parseDuration reads a duration of [time.ParseDuration] that may begin with
// days of 24 hours: 7d, 1.5d, 1d12h.
func parseDuration(text string) (time.Duration, bool) {
	m := days.FindStringSubmatch(text)
	if m == nil {
		d, err := time.ParseDuration(text)
		return d, err == nil
	}
	whole, err := time.ParseDuration(m[1] + "h")
	if err != nil || whole > math.MaxInt64/24 {
		return 0, false
	}
	var rest time.Duration
	if m[2] != "" {
		if rest, err = time.ParseDuration(m[2]); err != nil {
			return 0, false
		}
	}
	sum := 24*whole + rest
	return sum, sum >= rest
}

// parseSize reads a whole number and its unit.
func parseSize(text string) (Size, bool) {
	for unit, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(number, 10, 63)
			return Size(n) * Size(bytes), err == nil && int64(n) <= math.MaxInt64/bytes
		}
	}
	return 0, false
}

// parsePrefix reads a network, or an address as a network of one.
func parsePrefix(text string) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, false
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	// An IPv4 peer would never match the IPv6 form of its network.
	return prefix.Masked(), !prefix.Addr().Is4In6()
}
