package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	cdplog "github.com/chromedp/cdproto/log"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// needTool returns the path of a program that a test runs beside the gateway.
// Without it the test is skipped, unless all tools are said to be there.
func needTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	missTool(t, name+" is not installed")
	return ""
}

func missTool(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("BELLHOP_TEST_TOOLS") == "all" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// A browser is a Chromium of its own, with one jar of cookies for all its tabs.
type browser struct{ ctx context.Context }

func newBrowser(t testing.TB) *browser {
	t.Helper()
	allocator, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(needTool(t, "chromium")), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-dev-shm-usage", true))
	t.Cleanup(cancel)
	ctx, _ := chromedp.NewContext(allocator)
	t.Cleanup(func() { chromedp.Cancel(ctx) })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return &browser{ctx}
}

// A tab is a page in a window of its own, so that it is always visible.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string // what the page's console shows as error or warning
}

// open opens a tab for a test and loads the page.
func (b *browser) open(t testing.TB, url string) *tab {
	t.Helper()
	p := &tab{t: t}
	var cancel context.CancelFunc
	p.ctx, cancel = chromedp.NewContext(b.ctx, chromedp.WithListener(p.hear))
	t.Cleanup(cancel)
	if err := chromedp.Do(p.ctx); err != nil { // its context is the tab's life
		t.Fatalf("open a tab: %v", err)
	}
	p.do(chromedp.Navigate(url))
	return p
}

func (p *tab) hear(ev any) {
	complaint := ""
	switch e := ev.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			complaint = fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *cdpruntime.EventConsoleAPICalled:
		if e.Type == cdpruntime.ConsoleAPICalledTypeError || e.Type == cdpruntime.ConsoleAPICalledTypeWarning {
			complaint = fmt.Sprintf("console.%s", e.Type)
		}
	case *cdpruntime.EventExceptionThrown:
		complaint = fmt.Sprintf("exception: %v", e.ExceptionDetails)
	}
	if complaint != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.complaints = append(p.complaints, complaint)
	}
}

// console returns all complaints so far.
func (p *tab) console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.complaints...)
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

// evaluate returns the value of an expression in the page; a promise is awaited.
func evaluate[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%.100s: %v", expression, err)
	}
	return v
}

// run runs statements in the page.
func (p *tab) run(statements string) {
	p.t.Helper()
	evaluate[bool](p, "(async () => {"+statements+"; return true })()")
}

// await waits until the expression is true in the page.
func (p *tab) await(expression string) {
	p.t.Helper()
	eventually(p.t, expression, func() bool { return evaluate[bool](p, "!!("+expression+")") })
}

// text returns the text of the first element that the selector finds, blanks
// made one.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return strings.Join(strings.Fields(evaluate[string](p, `document.querySelector(`+quote(selector)+`).innerText`)), " ")
}

// press presses keys, one after another.
func (p *tab) press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		p.do(chromedp.KeyEvent(key))
	}
}

// quote returns s as a literal of JavaScript.
func quote(s string) string {
	text, _ := json.Marshal(s) // a string cannot fail
	return string(text)
}

// blankPage serves an empty page at an origin of its own.
func blankPage(t testing.TB) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<!doctype html><title>A page</title><link rel="icon" href="data:,">`)
	}))
	t.Cleanup(s.Close)
	return s
}

// A door stands before a server whose address changes, at one that does not; and
// it can cut what goes through.
type door struct {
	address string

	mu    sync.Mutex
	to    string // empty while closed
	conns map[net.Conn]bool
}

func newDoor(t testing.TB, to string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{address: l.Addr().String(), to: to, conns: make(map[net.Conn]bool)}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { d.pass(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		d.lead("")
		group.Wait()
	})
	return d
}

// lead cuts all connections and leads new ones to another address.
func (d *door) lead(to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to
	for c := range d.conns {
		c.Close()
	}
}

// cut cuts all connections.
func (d *door) cut() { d.lead(d.to) }

// pass carries one connection to its end.
func (d *door) pass(near net.Conn) {
	defer near.Close()
	d.mu.Lock()
	to := d.to
	d.mu.Unlock()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	if !d.keep(to, near, far) {
		return
	}
	defer d.forget(near, far)
	back := make(chan struct{})
	go func() {
		defer close(back)
		io.Copy(near, far)
		near.Close()
	}()
	io.Copy(far, near)
	far.Close()
	<-back
}

// keep notes the connections that cut is to cut, unless the door leads elsewhere
// by now.
func (d *door) keep(to string, conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		d.conns[c] = true
	}
	return to == d.to
}

func (d *door) forget(conns ...net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		delete(d.conns, c)
	}
}
