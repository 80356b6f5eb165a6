package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A sourceStatus is what /sources, bellhop.ready and bellhop.source say.
type sourceStatus struct {
	Source, State, Reason string
	Since, Confirmed      time.Time
}

// sources returns what /sources says.
func (g *gateway) sources() []sourceStatus {
	g.t.Helper()
	var answer struct{ Sources []sourceStatus }
	g.adminJSON("/sources", &answer)
	return answer.Sources
}

// source returns what /sources says of one.
func (g *gateway) source(name string) sourceStatus {
	g.t.Helper()
	for _, s := range g.sources() {
		if s.Source == name {
			return s
		}
	}
	g.t.Fatalf("no source %s", name)
	return sourceStatus{}
}

// A streamStatus is an element of /streams.
type streamStatus struct {
	Stream, Iss, Sub, Address, Query string
	Since                            time.Time
	Lag                              uint64
}

// streams returns what /streams says.
func (g *gateway) streams() []streamStatus {
	g.t.Helper()
	var answer struct{ Streams []streamStatus }
	g.adminJSON("/streams", &answer)
	return answer.Streams
}

// awaitStreams waits until so many streams are open.
func (g *gateway) awaitStreams(n int) {
	g.t.Helper()
	eventually(g.t, fmt.Sprintf("%d streams", n), func() bool { return len(g.streams()) == n })
}

func (g *gateway) adminJSON(path string, into any) {
	g.t.Helper()
	status, body := g.get(g.admin + path)
	if status != http.StatusOK {
		g.t.Fatalf("%s: status %d: %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		g.t.Fatalf("%s: %v: %s", path, err, body)
	}
}

// metrics returns all series of /metrics by name and labels, as they stand
// there.
func (g *gateway) metrics() map[string]float64 {
	g.t.Helper()
	_, body := g.get(g.admin + "/metrics")
	series := make(map[string]float64)
	for line := range strings.Lines(body) {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
			series[line[:at]] = v
		}
	}
	return series
}

// get returns status and body, and 0 where there is no answer.
func (g *gateway) get(url string) (int, string) {
	r, err := g.client().Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, err.Error()
	}
	return r.StatusCode, string(body)
}
