//go:build linux

package main

import (
	"bytes"
	"strconv"
	"time"
)

// A block is one of a stream of Server-Sent Events, with what of its fields is
// of interest here. Its slices are of the bytes that it was read from.
type block struct {
	id, name, data []byte
	retry          time.Duration // 0 where it says none
}

// cutBlock returns the first block of b and what follows it. It is not whole
// while its blank line is missing.
func cutBlock(b []byte) (k block, rest []byte, whole bool) {
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return block{}, nil, false
		}
		line := b[:end]
		b = b[end+1:]
		if end == 0 {
			return k, b, true
		}
		k.field(line)
	}
}

func (k *block) field(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(": "))
	switch string(name) {
	case "id":
		k.id = value
	case "event":
		k.name = value
	case "data":
		k.data = value
	case "retry":
		if ms, err := strconv.Atoi(string(value)); err == nil {
			k.retry = time.Duration(ms) * time.Millisecond
		}
	}
}

// stamps calls f with each stamp in data and its number.
func stamps(data []byte, f func(stamp []byte, number uint32)) {
	for {
		at := bytes.IndexByte(data, '@')
		if at < 0 {
			return
		}
		if from, to := at-stampAt, at+stampLen-stampAt; from >= 0 && to <= len(data) && string(data[at-5:at]) == "stamp" {
			if number, ok := parseHex(data[at+1 : to]); ok {
				f(data[from:to], uint32(number))
			}
		}
		data = data[at+1:]
	}
}
