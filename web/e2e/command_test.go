package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"bellhop/gateway/simulator"
)

// TestExitCodes runs every command that ends by itself.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 2)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.yaml", hotels.sources()+issuer)
	bad := write("bad.yaml", "listen: nowhere\nsuorces: []\nstream: {heartbeat: -1s}\n"+issuer+"admin_token: {a: \"hidden words\"}\n")
	keyed := write("keyed.yaml", hotels.sources()+"auth: {issuers: [{issuer: i, audience: a, jwks_url: \"http://127.0.0.1:1\"}]}\n")
	nothing := t.TempDir()
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout string // a pattern
		stderr []string
	}{
		{"version", []string{"version"}, 0, `^bellhop \S+ go1\.\S+\n$`, nil},
		{"help", []string{"--help"}, 0, `serve[\s\S]*demo[\s\S]*check[\s\S]*token[\s\S]*tail`, nil},
		{"check", []string{"check", "--config", good}, 0, `^configuration: ok, 2 sources, 1 issuers\n$`, nil},
		{"check a bad file", []string{"check", "--config", bad}, 1, `^$`,
			[]string{"bad.yaml:1", "listen", "bad.yaml:2", "suorces", "bad.yaml:3", "heartbeat", "admin_token"}},
		{"serve a bad file", []string{"serve", "--config", bad}, 1, `^$`, []string{"bad.yaml:1", "bad.yaml:2", "suorces"}},
		{"no command, a bad file", []string{"--config", bad}, 1, `^$`, []string{"bad.yaml:1"}},
		{"check a file that is not there", []string{"check", "--config", filepath.Join(dir, "none.yaml")}, 1, `^$`, []string{"none.yaml"}},
		{"check nothing", []string{"check"}, 1, `^$`, []string{"BELLHOP_SECRET"}},
		{"serve nothing", nil, 1, `^$`, []string{"BELLHOP_SECRET"}},
		{"check upstreams", []string{"check", "--connect", "--config", good}, 0,
			`source prague: ok, enterprise \S+ \(Hotel Meridian\); to be read: 4 rooms; \d+ reservations of the next 30 days; 0 commands\nsource brno: ok, .*\n$`, nil},
		{"token", []string{"token", "--source", "prague", "--config", good}, 0, `^[\w-]+\.[\w-]+\.[\w-]+\n$`, nil},
		{"token without a secret", []string{"token", "--source", "prague", "--config", keyed}, 1, `^$`, []string{"secret"}},
		{"token for no time", []string{"token", "--source", "prague", "--ttl", "0s", "--config", good}, 2, `^$`, []string{"--ttl"}},
		{"token of no source", []string{"token", "--config", good}, 2, `^$`, []string{"--source"}},
		{"erase", []string{"erase"}, 1, `^$`, []string{"not in this version"}},
		{"explain", []string{"explain"}, 1, `^$`, []string{"not in this version"}},
		{"tail nothing", []string{"tail"}, 2, `^$`, []string{"url"}},
		{"an unknown command", []string{"srve"}, 2, `^$`, []string{"srve"}},
		{"an unknown flag", []string{"serve", "--colour"}, 2, `^$`, []string{"--colour"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := run(t, nothing, nil, c.args...)
			if code != c.code || !regexp.MustCompile(c.stdout).MatchString(stdout) {
				t.Errorf("code %d, want %d; stdout %q, want %s; stderr %s", code, c.code, stdout, c.stdout, stderr)
			}
			for _, want := range c.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr does not tell of %s: %s", want, stderr)
				}
			}
			if strings.Contains(stdout+stderr, "hidden words") || strings.Contains(stdout+stderr, secret) || strings.Contains(stdout+stderr, simulator.AccessToken) {
				t.Errorf("a secret is told: %s%s", stdout, stderr)
			}
		})
	}
	t.Run("check an upstream that refuses", func(t *testing.T) {
		if err := hotels.at(1).Refuse(simulator.Refusal{Close: 1008, Reason: "words of the upstream"}); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := run(t, nothing, nil, "check", "--connect", "--config", good)
		if code != 1 || !regexp.MustCompile(`source prague: ok.*\nsource brno: rejected`).MatchString(stdout) || strings.Contains(stdout+stderr, "words of") {
			t.Errorf("code %d; %s%s", code, stdout, stderr)
		}
	})
	t.Run("the environment alone", func(t *testing.T) {
		env := []string{"MEWS_CLIENT_TOKEN=c", "MEWS_ACCESS_TOKEN=a", "BELLHOP_SECRET=" + secret}
		if code, stdout, stderr := run(t, nothing, env, "check"); code != 0 || stdout != "configuration: ok, 1 sources, 1 issuers\n" {
			t.Errorf("code %d; %s%s", code, stdout, stderr)
		}
	})
}

// TestWrongUsage runs commands whose arguments cannot work.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	nothing := t.TempDir()
	for _, c := range []struct{ line, want string }{
		{"tail foo", "http"},
		{"tail ftp://127.0.0.1/events?access_token=hidden-words", "http"},
		{"tail http://", "http"},
		{"tail %zz-hidden-words", "http"},
		{"demo --speed 0", "speed"},
		{"simulate --speed 0", "speed"},
		{"simulate --speed=-4", "speed"},
		{"simulate --speed fast", "speed"},
		{"simulate --rooms 0", "rooms"},
		{"simulate --rooms=-1", "rooms"},
		{"simulate --rooms 1000000", "rooms"},
		{"simulate --hotels 0", "hotels"},
		{"simulate --hotels=-1", "hotels"},
		{"simulate --time-zone Nowhere/Atoll", "time zone"},
		{"simulate --ping=-1s", "ping"},
		{"simulate --quirks nonsense=1", "--quirks"},
		{"simulate --quirks duplicates=2", "--quirks"},
		{"simulate --bad-tokens rudely", "--bad-tokens"},
		{"simulate --bad-tokens 0", "--bad-tokens"},
		{"simulate --bad-tokens 999", "999"},
	} {
		code, stdout, stderr := run(t, nothing, nil, strings.Fields(c.line)...)
		if code != 2 || stdout != "" || !strings.HasPrefix(stderr, "bellhop: ") || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: code %d, want 2; %s%s", c.line, code, stdout, stderr)
		}
		if strings.Contains(stderr, "hidden-words") {
			t.Errorf("%s: repeats what may be a secret: %s", c.line, stderr)
		}
	}
}

// TestFolderInUse starts a second process on one data folder.
func TestFolderInUse(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	second := newGateway(t, hotels.sources(), issuer, "data: "+g.data)
	second.launch()
	if code := second.wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if text := second.log.String(); !strings.Contains(text, "in use by another process") || !strings.Contains(text, g.data) {
		t.Errorf("stderr: %s", text)
	}
	l := g.listen(t, allOf(t), "")
	hotels.at(0).tell(resource("room", "Clean"))
	l.awaitID("room")
}

// TestAddressInUse starts a second process at one address.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	for name, line := range map[string]string{"listen": "listen: " + g.address, "admin": "admin: " + strings.TrimPrefix(g.admin, "http://")} {
		second := newGateway(t, hotels.sources(), issuer, line)
		second.launch()
		if code := second.wait(); code != 1 || !strings.Contains(second.log.String(), "address already in use") {
			t.Errorf("%s: exit code %d; %s", name, code, second.log)
		}
	}
}

// TestFolderNotToBeHad gives data a place where no folder can be.
func TestFolderNotToBeHad(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{file, filepath.Join(file, "data"), "/proc/nothing"} {
		g := newGateway(t, hotels.sources(), issuer, "data: "+data)
		g.launch()
		if code := g.wait(); code != 1 || !strings.Contains(g.log.String(), "bellhop: data folder: ") {
			t.Errorf("%s: exit code %d; %s", data, code, g.log)
		}
	}
}

// TestFolderIsClosed looks at who may read the data.
func TestFolderIsClosed(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := newGateway(t, hotels.sources(), issuer)
	if err := os.Mkdir(g.data, 0o755); err != nil {
		t.Fatal(err)
	}
	g.start()
	info, err := os.Stat(g.data)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("the data folder has the mode %v", mode)
	}
}

// TestTail reads a stream by the command, with a token of the command, through a
// restart of the gateway.
func TestTail(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	code, token, stderr := run(t, g.dir, nil, "token", "--source", "prague", "--type", "Resource", "--ttl", "5m")
	if code != 0 {
		t.Fatalf("token: code %d; %s", code, stderr)
	}
	tail := program(g.dir, []string{"BELLHOP_TOKEN=" + strings.TrimSpace(token)}, "tail", g.url+"/events?type=Resource")
	lines := startLines(t, tail)
	lines.await("event: bellhop.ready")
	hotels.at(0).tell(resource("first", "Clean"), `{"Type":"DeviceCommand","Id":"hidden","State":"Pending"}`)
	lines.await(`"id":"first"`)
	g.kill()
	g.start()
	hotels.at(0).tell(resource("second", "Clean"))
	lines.await(`"id":"second"`)
	if err := tail.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest := lines.end()
	if err := tail.Wait(); err != nil {
		t.Errorf("tail ends with %v", err)
	}
	var all []string
	if err := readBlocks(strings.NewReader(rest), func(b block) error {
		if !b.control() {
			all = append(all, b.event(t).ID)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if got := strings.Join(all, " "); got != "first second" {
		t.Errorf("tail printed %s", got)
	}

	code, stdout, stderr := run(t, g.dir, nil, "tail", g.url+"/events?nonsense=1", "--token", strings.TrimSpace(token))
	if code != 1 || stdout != "" || !strings.Contains(stderr, "invalid_query") && !strings.Contains(stderr, "400") {
		t.Errorf("tail of nonsense: code %d; %s%s", code, stdout, stderr)
	}
	code, stdout, stderr = run(t, g.dir, nil, "tail", g.url+"/events", "--token", "not-a-token")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "401") && !strings.Contains(stderr, "invalid_token") {
		t.Errorf("tail with a bad token: code %d; %s%s", code, stdout, stderr)
	}
}

// TestDemo reads the demo as its page does.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	demo := program(dir, []string{"BELLHOP_CONFIG=/nowhere", "BELLHOP_SECRET=ignored"}, "demo", "--speed", "60")
	lines := startLines(t, demo)
	address := strings.TrimSuffix(lines.next(), "/")
	if !regexp.MustCompile(`^http://127\.0\.0\.1:\d+$`).MatchString(address) {
		t.Fatalf("the first line is %q", address)
	}
	g := &gateway{t: t, url: address}
	eventually(t, "/readyz 200", func() bool {
		status, _ := g.get(address + "/readyz")
		return status == http.StatusOK
	})
	if status, body := g.get(address + "/"); status != http.StatusOK || !strings.Contains(strings.ToLower(body), "<!doctype html>") {
		t.Errorf("/: %d %.200s", status, body)
	}
	response, err := plain.Post(address+"/demo/token", "application/json", strings.NewReader(`{"role":"frontdesk"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	l := g.listen(t, member(t, string(body), "token"), "")
	for _, kind := range []string{"Resource", "Reservation"} {
		l.match(kind, func(b block) bool { return b.name == kind })
	}
	if err := demo.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	lines.end()
	if err := demo.Wait(); err != nil {
		t.Errorf("the demo ends with %v", err)
	}
}

// TestUnixSocket listens where no port is.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	dir, err := os.MkdirTemp("", "bh") // a test's own folder has too long a name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	g := newGateway(t, hotels.sources(), issuer, "listen: unix:"+path)
	g.https = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == g.address {
				network, address = "unix", path
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	g.start()
	l := g.listen(t, allOf(t), "")
	g.kill() // leaves the socket's file
	g.start()
	l.connect()
	hotels.at(0).tell(resource("room", "Clean"))
	l.awaitID("room")
}

// Lines are what a process writes to stdout.
type lines struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *bufio.Reader
	stderr *journal
	all    bytes.Buffer
}

// startLines starts a process that is killed at the test's end, if need be.
func startLines(t *testing.T, cmd *exec.Cmd) *lines {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	l := &lines{t: t, cmd: cmd, out: bufio.NewReader(out), stderr: new(journal)}
	cmd.Stderr = l.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(2*patience, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		overdue.Stop()
		cmd.Process.Kill()
		cmd.Wait()
		if text := l.stderr.String(); t.Failed() || strings.Contains(text, "DATA RACE") {
			t.Errorf("stderr of %v:\n%s", cmd.Args[1:], legible(text))
		}
	})
	return l
}

// next returns the next line.
func (l *lines) next() string {
	l.t.Helper()
	line, err := l.out.ReadString('\n')
	l.all.WriteString(line)
	if err != nil {
		l.t.Fatalf("stdout ends: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

// await reads on until a line has the text.
func (l *lines) await(text string) {
	l.t.Helper()
	for !strings.Contains(l.next(), text) {
	}
}

// end reads to the end and returns everything.
func (l *lines) end() string {
	io.Copy(&l.all, l.out)
	return l.all.String()
}
