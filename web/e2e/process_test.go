package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

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
