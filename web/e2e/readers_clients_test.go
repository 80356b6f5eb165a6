package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"
)

// A stream is what the readers are asked to read.
type stream struct {
	gateway *gateway
	token   string
	begin   string   // the position to begin after
	names   []string // of all events, for readers that must be told
}

func (s stream) url() string {
	return s.gateway.url + "/events?last_event_id=" + url.QueryEscape(s.begin)
}

// A reader is one of the many clients of event streams.
type reader struct {
	name string
	// lacks says what is not there that the reader needs, or nothing.
	lacks func() string
	// start starts to read. Until ctx ends, what the reader dispatches is handed
	// on, in order. What goes on in the background is added to the group.
	start func(ctx context.Context, t testing.TB, s stream, group *sync.WaitGroup, got func(record))
}

var readers = []reader{
	{"Chromium", lacks("chromium"), startChromium},
	{"npm eventsource", lacksNode, startNode("eventsource")},
	{"npm eventsource-client", lacksNode, startNode("eventsource-client")},
	{"npm fetch-event-source", lacksNode, startNode("fetch-event-source")},
	{"curl", lacks("curl"), startCurl},
	{"r3labs", lacksNothing, startR3labs},
	{"go-sse", lacksNothing, startGoSSE},
	{"bellhop tail", lacksNothing, startTail},
}

func lacksNothing() string { return "" }

func lacks(program string) func() string {
	return func() string {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
		return ""
	}
}

func lacksNode() string {
	if _, err := os.Stat("testdata/readers/node_modules"); err != nil {
		return "the npm clients are not installed (npm ci in testdata/readers)"
	}
	return lacks("node")()
}

// startChromium reads by the EventSource of the browser.
func startChromium(_ context.Context, t testing.TB, s stream, _ *sync.WaitGroup, got func(record)) {
	p := newBrowser(t).open(t, s.gateway.url+"/healthz")
	err := chromedp.Listen(p.ctx, func(ev any) {
		if e, ok := ev.(*cdpruntime.EventBindingCalled); ok {
			take(t, []byte(e.Payload), got)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	p.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, cdpruntime.AddBinding, cdpruntime.AddBindingParams{Name: "got"})
		return chromedp.Void{}, err
	})
	names, _ := json.Marshal(append([]string{"message"}, s.names...)) // strings cannot fail
	p.run(`
		await fetch('/session', {method: 'POST', headers: {Authorization: 'Bearer ' + ` + quote(s.token) + `}})
		const source = new EventSource(` + quote(s.url()) + `)
		for (const name of ` + string(names) + `) {
			source.addEventListener(name, ({lastEventId, data}) => got(JSON.stringify([name, lastEventId, data])))
		}`)
}

// startNode reads by one of the npm clients.
func startNode(client string) func(context.Context, testing.TB, stream, *sync.WaitGroup, func(record)) {
	return func(ctx context.Context, t testing.TB, s stream, group *sync.WaitGroup, got func(record)) {
		names, _ := json.Marshal(s.names) // strings cannot fail
		cmd := exec.CommandContext(ctx, "node", "testdata/readers/read.mjs", client, s.url(), s.token, string(names))
		startCommand(t, cmd, group, func(out io.Reader) error {
			lines := bufio.NewReader(out)
			for {
				line, err := lines.ReadBytes('\n')
				if err != nil {
					return err
				}
				take(t, line, got)
			}
		})
	}
}

// take takes a record in the form that JavaScript gives it.
func take(t testing.TB, line []byte, got func(record)) {
	var event [3]string
	if err := json.Unmarshal(line, &event); err != nil {
		t.Errorf("%v: %.200s", err, line)
	}
	got(record{event[0], event[1], event[2]})
}

// startCurl reads the bytes that curl gives by the strict parser.
func startCurl(ctx context.Context, t testing.TB, s stream, group *sync.WaitGroup, got func(record)) {
	cmd := exec.CommandContext(ctx, "curl", "--silent", "--show-error", "--no-buffer", "--header", "Authorization: Bearer "+s.token, s.url())
	startCommand(t, cmd, group, func(out io.Reader) error { return takeBlocks(out, got) })
}

// startTail reads by the product's own command, which prints blocks.
func startTail(ctx context.Context, t testing.TB, s stream, group *sync.WaitGroup, got func(record)) {
	cmd := program(t.TempDir(), []string{"BELLHOP_TOKEN=" + s.token}, "tail", s.url())
	context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	startCommand(t, cmd, group, func(out io.Reader) error { return takeBlocks(out, got) })
}

func takeBlocks(out io.Reader, got func(record)) error {
	return readBlocks(out, func(b block) error {
		got(record{b.name, b.id, b.data})
		return nil
	})
}

// startCommand starts a command and reads its output until it ends, which it is
// to do only when it is killed.
func startCommand(t testing.TB, cmd *exec.Cmd, group *sync.WaitGroup, read func(io.Reader) error) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	complaints := new(strings.Builder)
	cmd.Stderr = complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group.Go(func() {
		err := read(out)
		cmd.Wait()
		if cmd.ProcessState.Exited() {
			t.Errorf("%s ended by itself, code %d (%v): %s", cmd.Args[0], cmd.ProcessState.ExitCode(), err, complaints)
		}
	})
}

func startR3labs(ctx context.Context, t testing.TB, s stream, group *sync.WaitGroup, got func(record)) {
	c := r3labs.NewClient(s.url(), r3labs.ClientMaxBufferSize(1<<20))
	c.Connection = plain
	c.Headers = map[string]string{"Authorization": "Bearer " + s.token}
	group.Go(func() {
		err := c.SubscribeRawWithContext(ctx, func(e *r3labs.Event) {
			got(record{string(e.Event), string(e.ID), string(e.Data)})
		})
		if err != nil && ctx.Err() == nil {
			t.Errorf("r3labs: %v", err)
		}
	})
}

func startGoSSE(ctx context.Context, t testing.TB, s stream, group *sync.WaitGroup, got func(record)) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	c := (&gosse.Client{HTTPClient: plain}).NewConnection(request)
	c.Buffer(nil, 1<<20)
	c.SubscribeToAll(func(e gosse.Event) { got(record{e.Type, e.LastEventID, e.Data}) })
	group.Go(func() {
		if err := c.Connect(); err != nil && ctx.Err() == nil {
			t.Errorf("go-sse: %v", err)
		}
	})
}
