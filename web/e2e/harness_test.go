// Package e2e_test runs the program as its users do: the built binary as a
// process, in front of it clients over real sockets, behind it the simulated
// hotel.
//
// A test takes what it needs of this:
//
//	hotels := newHotels(t, 2)                      // upstreams, silent until told to speak
//	g := startGateway(t, hotels.sources(), issuer) // a process, ready and live
//	s := g.listen(t, allOf("prague"), "type=Resource")
//	hotels.at(0).send(`{"Events":[…]}`)            // one frame, byte by byte
//	s.await("Resource")                            // the next such block
//	g.kill(); g.start()                            // the same data, the same address
//
// The binary is built with the race detector, once. What a process wrote to
// stderr is shown where its test fails, and a data race or a panic in it fails
// the test.
package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bellhop/auth"
)

// patience is how long anything that must happen may take: the machine may have
// two slow cores, and the binary bears the race detector. Some of what the long
// form waits for comes after a minute only.
var patience = map[bool]time.Duration{false: time.Minute, true: 3 * time.Minute}[long()]

// binary is the path of the built program.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bellhop-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "bellhop")
	build := exec.Command("go", "build", "-race", "-o", binary, "../..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// long reports whether the long form of a test is wanted.
func long() bool { return os.Getenv("BELLHOP_TEST_LONG") != "" }

// eventually polls until ok, and fails the test where that does not happen.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// The one issuer of most tests, as a part of the configuration.
const (
	issuerName = "https://hotel.example"
	secret     = "a-secret-of-the-tests-32-bytes-long-at-least"
	issuer     = "auth: {issuers: [{issuer: \"" + issuerName + "\", audience: bellhop, secret: \"" + secret + "\"}]}\n"
)

// mint returns a token for an hour.
func mint(t testing.TB, subject string, grants ...auth.Grant) string {
	t.Helper()
	return mintUntil(t, subject, time.Now().Add(time.Hour), grants...)
}

func mintUntil(t testing.TB, subject string, expires time.Time, grants ...auth.Grant) string {
	t.Helper()
	token, err := auth.Mint([]byte(secret), auth.Claims{
		Issuer: issuerName, Audience: "bellhop", Subject: subject, ID: strconv.FormatUint(rand.Uint64(), 36), Expires: expires, Grants: grants,
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// allOf returns a token for everything of the sources, all of them where none
// is named.
func allOf(t testing.TB, sources ...string) string {
	t.Helper()
	if len(sources) == 0 {
		sources = []string{"*"}
	}
	return mint(t, "reader", auth.Grant{Sources: sources, Types: []string{"*"}})
}

// A gateway is a process that serves, at one address and with one data folder
// through all its restarts.
type gateway struct {
	t       testing.TB
	address string // host:port
	url     string // of the public listener, without a slash at its end
	admin   string // the same, of the admin listener
	dir     string // its working directory, holding bellhop.yaml and data
	data    string
	env     []string
	https   *http.Client // replaces the plain client where set
	log     *journal     // stderr of all its processes

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
}

// startGateway starts a gateway with the configuration that the parts make up
// together, and waits until it is ready and each of its sources is live.
// Addresses, data and a short drain are added where no part has them.
func startGateway(t testing.TB, config ...string) *gateway {
	t.Helper()
	g := newGateway(t, config...)
	g.start()
	return g
}

// newGateway is startGateway without the start.
func newGateway(t testing.TB, config ...string) *gateway {
	t.Helper()
	dir := t.TempDir()
	g := &gateway{t: t, dir: dir, data: filepath.Join(dir, "data"), log: new(journal)}
	g.address = freeAddress(t)
	g.url, g.admin = "http://"+g.address, "http://"+freeAddress(t)
	g.configure(config...)
	t.Cleanup(g.end)
	return g
}

// configure writes the configuration; the next start reads it.
func (g *gateway) configure(config ...string) {
	g.t.Helper()
	text := strings.Join(config, "\n")
	for _, given := range []struct{ key, line string }{
		{"listen", "listen: " + g.address},
		{"admin", "admin: " + strings.TrimPrefix(g.admin, "http://")},
		{"data", "data: " + g.data},
		{"drain", "drain: {delay: 0s, spread: 0s, linger: 0s}"},
		{"log", "log: {level: debug}"},
	} {
		if !strings.Contains("\n"+text, "\n"+given.key+":") {
			text += "\n" + given.line
		}
	}
	if err := os.WriteFile(filepath.Join(g.dir, "bellhop.yaml"), []byte(text+"\n"), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// start starts the process and waits until it is ready and its sources live.
func (g *gateway) start() {
	g.t.Helper()
	g.launch()
	g.awaitReady()
	g.awaitState("live")
}

// launch starts the process and waits for nothing.
func (g *gateway) launch() {
	g.t.Helper()
	g.cmd = program(g.dir, g.env, "serve")
	g.cmd.Stderr = g.log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	cmd, exited := g.cmd, make(chan struct{})
	g.exited = exited
	go func() {
		defer close(exited)
		cmd.Wait() // ProcessState says it
	}()
}

// kill ends the process as a power cut would.
func (g *gateway) kill() {
	g.t.Helper()
	g.signal(syscall.SIGKILL)
	<-g.exited
}

// stop ends the process properly.
func (g *gateway) stop() {
	g.t.Helper()
	g.signal(syscall.SIGTERM)
	if code := g.wait(); code != 0 {
		g.t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

func (g *gateway) signal(s syscall.Signal) {
	g.t.Helper()
	if err := g.cmd.Process.Signal(s); err != nil {
		g.t.Fatalf("%v: %v", s, err)
	}
}

// wait waits for the process's own end and returns its exit code.
func (g *gateway) wait() int {
	g.t.Helper()
	select {
	case <-g.exited:
	case <-time.After(patience):
		g.t.Fatal("the process does not end")
	}
	return g.cmd.ProcessState.ExitCode()
}

// alive reports whether the process runs.
func (g *gateway) alive() bool {
	select {
	case <-g.exited:
		return false
	default:
		return true
	}
}

// end is the cleanup.
func (g *gateway) end() {
	if g.cmd != nil && g.cmd.Process != nil {
		g.cmd.Process.Kill()
		<-g.exited
	}
	text := g.log.String()
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if strings.Contains(text, bad) {
			g.t.Errorf("the process says %q", bad)
		}
	}
	if g.t.Failed() {
		g.t.Logf("stderr of the gateway:\n%s", legible(text))
	}
}

// awaitReady waits until /readyz says 200.
func (g *gateway) awaitReady() {
	g.t.Helper()
	eventually(g.t, "/readyz 200", func() bool {
		if !g.alive() {
			g.t.Fatalf("the process ended with code %d", g.cmd.ProcessState.ExitCode())
		}
		status, _ := g.get(g.url + "/readyz")
		return status == http.StatusOK
	})
}

// awaitState waits until the named sources, all where none is named, are in the
// state.
func (g *gateway) awaitState(state string, names ...string) {
	g.t.Helper()
	eventually(g.t, fmt.Sprintf("sources %v %s", names, state), func() bool {
		for _, s := range g.sources() {
			if s.State != state && (len(names) == 0 || slices.Contains(names, s.Source)) {
				return false
			}
		}
		return true
	})
}

// plain is a client that keeps no connections.
var plain = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // what is asked for is never elsewhere
	},
}

func (g *gateway) client() *http.Client {
	if g.https != nil {
		return g.https
	}
	return plain
}
