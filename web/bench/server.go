//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"bellhop/auth"
)

// A kind is what a server under test is: the command that starts it, to which
// the path of its configuration is added.
type kind struct {
	name    string
	command []string
}

// The ports of a server under test. They are none that the system gives to
// outgoing connections, and each server has an address of its own.
const (
	publicPort = 9060
	adminPort  = 9061
)

// The one issuer of tokens.
const (
	issuerName = "bench"
	audience   = "bellhop"
	secret     = "0123456789abcdef0123456789abcdef"
)

// A server is a server under test, a process of its own. It keeps its address
// and folder when it is started again.
type server struct {
	kind  kind
	cores *cores // nil to run anywhere
	dir   string
	host  [4]byte
	said  bytes.Buffer // what it wrote; to be read when it has ended

	process *os.Process
	ended   chan struct{} // closed once it has
}

// hosts counts the loopback addresses that were handed out.
type hosts struct{ n atomic.Uint32 }

// next returns an address of 127/8 whose last byte is 1. Two processes that
// share a machine have others, unless their ids are alike.
func (h *hosts) next() [4]byte {
	return [4]byte{127, byte(1 + os.Getpid()%254), byte(h.n.Add(1)), 1}
}

// newServer makes a server's folder and configuration.
func newServer(k kind, c *cores, dir string, host [4]byte, u *upstream, stream string) (*server, error) {
	s := &server{kind: k, cores: c, dir: dir, host: host}
	return s, os.WriteFile(s.config(), s.configuration(u, stream), 0o600)
}

func (s *server) config() string { return filepath.Join(s.dir, "bellhop.yaml") }

// configuration returns a configuration with one source for each of the
// upstream's sockets, in which stream is the section of that name.
func (s *server) configuration(u *upstream, stream string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "listen: %s\nadmin: %s\ndata: %s\nsources:\n", s.at(publicPort), s.at(adminPort), filepath.Join(s.dir, "data"))
	for i := range u.sockets {
		fmt.Fprintf(&b, "  - name: %[1]s\n    mews: {socket: \"ws://%[2]s\", api: \"http://%[2]s\", client_token: c, access_token: %[1]s, client: bench, backfill: false}\n",
			sourceName(i), u.address())
	}
	fmt.Fprintf(&b, "auth: {issuers: [{issuer: %s, audience: %s, secret: %q}]}\n", issuerName, audience, secret)
	if stream != "" {
		fmt.Fprintf(&b, "stream: {%s}\n", stream)
	}
	b.WriteString("limits: {streams: 50000}\ndrain: {delay: 0s, spread: 0s, linger: 0s}\nlog: {level: error}\n")
	return b.Bytes()
}

func (s *server) at(port int) string {
	return fmt.Sprintf("%d.%d.%d.%d:%d", s.host[0], s.host[1], s.host[2], s.host[3], port)
}

func (s *server) public() unix.SockaddrInet4 {
	return unix.SockaddrInet4{Port: publicPort, Addr: s.host}
}

// start starts the process and waits until it is ready.
func (s *server) start(ctx context.Context) error {
	args := append(slices.Clone(s.kind.command), s.config())
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &s.said, &s.said
	begin := cmd.Start
	if s.cores != nil {
		begin = func() error { return s.cores.begin(cmd.Start) }
	}
	if err := begin(); err != nil {
		return fmt.Errorf("start %s: %w", s.kind.name, err)
	}
	ended := make(chan struct{})
	s.process, s.ended = cmd.Process, ended
	go func() { // kill waits for it
		defer close(ended)
		cmd.Wait()
	}()
	return s.ready(ctx)
}

func (s *server) ready(ctx context.Context) error {
	for {
		_, err := s.get("/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pollEvery):
		case <-s.ended:
			return fmt.Errorf("%s ended before it was ready", s.kind.name)
		case <-ctx.Done():
			return fmt.Errorf("%s does not get ready: %w: %w", s.kind.name, context.Cause(ctx), err)
		}
	}
}

// pollEvery is the time between two questions whether a server is ready.
const pollEvery = 5 * time.Millisecond

// kill ends the process with no chance to put anything in order, and waits for
// it.
func (s *server) kill() {
	if s.process != nil {
		s.process.Kill()
		<-s.ended
	}
}

func (s *server) pid() int { return s.process.Pid }

func (s *server) usage() (usage, error) { return usageOf(s.pid()) }

// get asks the server's admin listener.
func (s *server) get(path string) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + s.at(adminPort) + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return body, err
}

// complaint ends the process and returns err, with the end of what the process
// said where it said something.
func (s *server) complaint(err error) error {
	s.kill()
	if said := strings.TrimSpace(s.said.String()); said != "" {
		return fmt.Errorf("%w; %s says: …%s", err, s.kind.name, said[max(0, len(said)-2000):])
	}
	return err
}

// mint returns a token for a subject, good for an hour.
func mint(subject, source string) (string, error) {
	issuer := auth.Issuer{Name: issuerName, Audience: audience, Secret: []byte(secret)}
	return issuer.Mint(auth.Claims{
		Subject: subject, Expires: time.Now().Add(time.Hour), Grants: []auth.Grant{{Sources: []string{source}, Types: []string{"*"}}},
	})
}
