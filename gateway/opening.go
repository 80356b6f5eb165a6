package gateway

import (
	"slices"
	"strconv"
	"time"
)

// opening returns bellhop.ready and, where the stream cannot go on from where it
// was asked to, bellhop.reset. Only one of them bears the position, and neither
// where a snapshot follows.
func (s *Stream) opening(reset string) []byte {
	position := s.hub.position(s.asked.at)
	retry := s.asked.Timing.retry()
	if reset == "" && !s.anew(reset) {
		return s.hub.encode(nil, retry, position, nameReady, s.appendReady(nil, position, s.asked.Resume != ""))
	}
	b := s.hub.encode(nil, retry, "", nameReady, s.appendReady(nil, "", false))
	if reset == "" {
		return b
	}
	if s.anew(reset) {
		position = "" // it is the snapshot's end that bears it
	}
	return s.hub.encode(b, 0, position, nameReset, marshal(reasonData{reset}))
}

// appendReady appends the data of bellhop.ready.
func (s *Stream) appendReady(dst []byte, position string, resumed bool) []byte {
	a := s.asked
	if dst = append(dst, '{'); position != "" {
		dst = append(appendString(append(dst, `"position":`...), position), ',')
	}
	dst = strconv.AppendBool(append(dst, `"resumed":`...), resumed)
	dst = appendString(append(dst, `,"view":`...), a.Subscription.View())
	dst = appendString(append(dst, `,"stream":`...), a.ID)
	dst = appendStamp(append(dst, `,"now":`...), time.Now())
	dst = strconv.AppendFloat(append(dst, `,"heartbeat":`...), a.Timing.Heartbeat.Seconds(), 'f', -1, 64)
	dst = appendStamp(append(dst, `,"expires":`...), a.Timing.Expires)
	dst = append(append(dst, `,"sources":`...), a.sources...)
	return append(dst, '}')
}

// appendStamp appends a time as control events show it.
func appendStamp(dst []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(dst, '"'), controlTime), '"')
}

// A heartbeat is the block that streams which are equally far are given at the
// same time.
type heartbeat struct {
	seq   uint64
	milli int64
	block []byte
}

// heartbeat returns the block; it must not be changed.
func (h *Hub) heartbeat(seq uint64, now time.Time) []byte {
	milli := now.UnixMilli() // that is how it is shown
	if last := h.beat.Load(); last != nil && last.seq == seq && last.milli == milli {
		return last.block
	}
	data := append(appendStamp([]byte(`{"now":`), now), '}')
	b := &heartbeat{seq, milli, slices.Clip(h.encode(nil, 0, h.position(seq), nameHeartbeat, data))}
	h.beat.Store(b)
	return b.block
}
