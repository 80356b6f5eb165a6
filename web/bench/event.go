//go:build linux

package main

import (
	"fmt"
	"time"
)

// A stamp travels in a member of the event that no server knows. It bears when
// the event was fed and its number, in hexadecimal:
//
//	tttttttt-tttt-tttt-stamp@nnnnnnnn
//
// so that whoever receives it knows how late it is, and what is missing.
const (
	stampAt  = 24 // where the at sign stands in it
	stampLen = stampAt + 1 + 8
)

func appendStamp(dst []byte, at time.Time, number uint32) []byte {
	t := uint64(at.UnixNano())
	dst = append(appendHex(dst, t>>32, 8), '-')
	dst = append(appendHex(dst, t>>16&0xffff, 4), '-')
	dst = append(appendHex(dst, t&0xffff, 4), "-stamp@"...)
	return appendHex(dst, uint64(number), 8)
}

// stampTime returns when the event with this stamp was fed.
func stampTime(stamp []byte) (time.Time, bool) {
	high, ok1 := parseHex(stamp[:8])
	mid, ok2 := parseHex(stamp[9:13])
	low, ok3 := parseHex(stamp[14:18])
	return time.Unix(0, int64(high<<32|mid<<16|low)), ok1 && ok2 && ok3
}

func appendHex(dst []byte, v uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, "0123456789abcdef"[v>>(4*i)&0xf])
	}
	return dst
}

func parseHex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// Of the events, one in resourceShare is of a room, the others of reservations.
const resourceShare = 20

// A hotel makes events: so many entities change, one after the other.
type hotel struct {
	entities uint32
	stay     string // the members that are the same in all events
}

func newHotel(entities int) *hotel {
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	return &hotel{uint32(entities), fmt.Sprintf(
		`","State":"Processed","StartUtc":"%s","EndUtc":"%s","AssignedResourceId":"5ee074b1-6c86-48e8-915f-c7aa4702086f","Stamp":"`,
		day.Add(13*time.Hour).Format(time.RFC3339), day.Add(59*time.Hour).Format(time.RFC3339))}
}

// appendEvent appends the event with this number.
func (h *hotel) appendEvent(dst []byte, at time.Time, number uint32) []byte {
	dst = append(dst, `{"Type":"`...)
	if number%resourceShare == 0 {
		dst = append(dst, "Resource"...)
	} else {
		dst = append(dst, "Reservation"...)
	}
	dst = append(dst, `","Id":"`...)
	dst = appendEntity(dst, number%h.entities)
	dst = append(dst, h.stay...)
	dst = appendStamp(dst, at, number)
	return append(dst, `"}`...)
}

// appendEntity appends the id of an entity.
func appendEntity(dst []byte, entity uint32) []byte {
	return appendHex(append(dst, "bfee2c44-1f84-4326-a000-"...), uint64(entity), 12)
}
