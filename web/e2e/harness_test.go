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
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bellhop/auth"
)

// patience is how long anything that must happen may take: the machine may have
// two slow cores, and the binary bears the race detector.
const patience = time.Minute

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

// legible returns the end of a process's log without what the log's engine says
// of itself at each start.
func legible(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, `level=DEBUG msg="nats server"`) {
			b.WriteString(line)
		}
	}
	return b.String()[max(0, b.Len()-16<<10):]
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
			if s.State != state && (len(names) == 0 || contains(names, s.Source)) {
				return false
			}
		}
		return true
	})
}

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

// program is the binary, with these arguments and only this environment.
func program(dir string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(),
		"GORACE=atexit_sleep_ms=0", // or every end would take a second
	}, env...)
	return cmd
}

// run runs a command of the binary to its end.
func run(t testing.TB, dir string, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := program(dir, env, args...)
	var out, fault bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fault
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	if ended := new(exec.ExitError); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%v does not end; stderr: %s", args, fault.String())
	}
	return cmd.ProcessState.ExitCode(), out.String(), fault.String()
}

// journal is a buffer that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// ports are those handed out to the tests of this process.
var ports struct {
	sync.Mutex
	taken map[int]bool
}

// freeAddress returns a loopback address that nobody listens at. Its port is
// none that the system gives to outgoing connections: one of those could take it
// between two starts of a gateway, or a client connect to itself.
func freeAddress(t testing.TB) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.taken == nil {
		ports.taken = make(map[int]bool)
	}
	low := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		fmt.Sscan(string(text), &low)
	}
	const first = 10000
	for range 1000 {
		port := first + rand.IntN(max(low-first, 1000))
		if ports.taken[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		ports.taken[port] = true
		return l.Addr().String()
	}
	t.Fatal("no free port")
	return ""
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}
