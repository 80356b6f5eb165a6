package web

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
)

// plainRequest returns the request that data is, where that is a GET of the path
// over HTTP/1.1, whole and with nothing behind it, and there is nothing about it
// that a server would have to judge: what is malformed, doubtful or asks for more
// than an answer is nil, and for net/http.
func plainRequest(data []byte, path string) *http.Request {
	rest, ok := bytes.CutPrefix(data, []byte("GET "))
	if !ok || !bytes.HasPrefix(rest, []byte(path)) || len(rest) == len(path) {
		return nil
	}
	if next := rest[len(path)]; next != ' ' && next != '?' {
		return nil
	}
	head, ok := bytes.CutSuffix(data, []byte("\r\n\r\n"))
	if !ok || !plainHead(head) {
		return nil
	}
	r, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(data), 512))
	if err != nil || r.Host == "" {
		return nil
	}
	return r
}

// plainHead reports whether a head's lines are what they seem to every reader.
func plainHead(head []byte) bool {
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	target, ok := bytes.CutSuffix(line, []byte(" HTTP/1.1"))
	if !ok || bytes.ContainsFunc(target[len("GET "):], func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return false
	}
	hosts := 0
	for field := range bytes.SplitSeq(fields, []byte("\r\n")) {
		name, value, ok := bytes.Cut(field, []byte(":"))
		if !ok || !plainField(name, value) {
			return false
		}
		switch {
		case bytes.EqualFold(name, []byte("Host")):
			hosts++
			if bytes.ContainsFunc(bytes.TrimSpace(value), notOfHost) {
				return false
			}
		case demands(name):
			return false
		}
	}
	return hosts == 1
}

// plainField reports whether a field is of RFC 9110, section 5, and in ASCII.
func plainField(name, value []byte) bool {
	notOfName := func(r rune) bool { return r >= 0x7f || r <= ' ' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }
	notOfValue := func(r rune) bool { return r >= 0x7f || r < ' ' && r != '\t' }
	return len(name) > 0 && !bytes.ContainsFunc(name, notOfName) && !bytes.ContainsFunc(value, notOfValue)
}

// notOfHost reports whether r is in no name or address, with or without a port.
func notOfHost(r rune) bool {
	letter := 'a' <= r|0x20 && r|0x20 <= 'z'
	return !letter && !('0' <= r && r <= '9') && !strings.ContainsRune(".-_:[]", r)
}

// demands reports whether a field asks for more of a server than an answer to
// what stands there.
func demands(name []byte) bool {
	for _, field := range [...]string{"Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Upgrade"} {
		if len(name) == len(field) && strings.EqualFold(string(name), field) {
			return true
		}
	}
	return false
}
