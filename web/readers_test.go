package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
)

// A message is what a page's handler gets.
type message struct{ ID, Event, Data string }

// TestReadersAgree has one stream read by two clients of others and by our own
// reader, through every door.
func TestReadersAgree(t *testing.T) {
	throughDoors(t, func(t *testing.T, h *house, d door) {
		token := mint(t)
		headers := []string{bearer(token), "Last-Event-ID: e9.9"} // so that a reset comes too
		ours, theirs := d.events(t, "", headers...), d.events(t, "", headers...)
		var readers sync.WaitGroup
		var raw, foreign, other messages
		readers.Go(func() { raw.readOurs(t, ours) })
		readers.Go(func() { foreign.readTmaxmax(t, theirs.response.Body) })
		readers.Go(func() { other.readR3labs(t, d, headers) })
		eventually(t, func() bool { return h.Streams() == 3 })
		for i, text := range []string{`plain`, `\n\nid: 7\ndata: x`, `\r\u0000\u2028\ufeff`, `: comment`, "é🛎\u2028\u2029\ufeff\u0085", "\x7f", `\"`} {
			h.say(t, event("prague", fmt.Sprint("Typ\u00e9-", i), "id: 1", `{"retry: 1":"`+text+`"}`))
		}
		eventually(t, func() bool { return raw.len() == 9 && foreign.len() == 9 && other.len() == 9 })
		h.admin(t, get("/streams?sub=maid-7").by("DELETE"))
		readers.Wait()
		if raw.len() != 10 {
			t.Errorf("%d messages, want ready, reset, 7 events and bye", raw.len())
		}
		for name, got := range map[string]*messages{"tmaxmax": &foreign, "r3labs": &other} {
			got.list[0].Data = raw.list[0].Data // it tells the stream's name, which differs
			if diff := cmp.Diff(raw.list, got.list); diff != "" {
				t.Errorf("%s (-ours +theirs):\n%s", name, diff)
			}
		}
	})
}

// messages are what a reader has read so far.
type messages struct {
	mu   sync.Mutex
	list []message
}

// add appends a message; one without an id has that of the one before.
func (m *messages) add(id, event, data string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.list); id == "" && n > 0 {
		id = m.list[n-1].ID
	}
	m.list = append(m.list, message{id, event, data})
}

func (m *messages) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.list)
}

func (m *messages) readOurs(t *testing.T, l *listener) {
	for {
		b, err := l.next()
		if errors.Is(err, io.EOF) && b.text == "" {
			return
		}
		if err != nil {
			t.Errorf("ours: %v", err)
			return
		}
		m.add(b.id, b.event, b.data)
	}
}

func (m *messages) readTmaxmax(t *testing.T, body io.Reader) {
	for e, err := range tmaxmax.Read(body, nil) {
		if err != nil {
			t.Errorf("tmaxmax: %v", err)
			break
		}
		m.add(e.LastEventID, e.Type, e.Data)
	}
}

func (m *messages) readR3labs(t *testing.T, d door, headers []string) {
	c := r3labs.NewClient(d.url + "/events")
	c.Connection = &http.Client{Transport: d.client.Transport}
	for name, values := range get("", headers...).header {
		c.Headers[name] = values[0]
	}
	err := c.SubscribeRawWithContext(context.Background(), func(e *r3labs.Event) {
		m.add(string(e.ID), string(e.Event), string(e.Data))
	})
	if err != nil {
		t.Errorf("r3labs: %v", err)
	}
}
