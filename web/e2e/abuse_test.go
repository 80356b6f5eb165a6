package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// connect opens a raw connection to the gateway and writes text to it.
func (g *gateway) connect(t testing.TB, text string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", g.address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// request is a raw request for a stream.
func request(g *gateway, token string, lines ...string) string {
	return fmt.Sprintf("GET /events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s\r\n", g.address, token, strings.Join(append(lines, ""), "\r\n"))
}

// readAnswer reads the head of an answer, and its body where it is no stream.
func readAnswer(t testing.TB, conn net.Conn) *http.Response {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// goroutines returns how many there are in the process.
func (g *gateway) goroutines() int {
	g.t.Helper()
	_, body := g.get(g.admin + "/debug/pprof/goroutine?debug=1")
	found := regexp.MustCompile(`total (\d+)`).FindStringSubmatch(body)
	if found == nil {
		g.t.Fatalf("goroutine profile: %s", body)
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// heap returns how much memory is in use after a collection, in bytes.
func (g *gateway) heap() float64 {
	g.t.Helper()
	g.get(g.admin + "/debug/pprof/heap?gc=1")
	return g.metrics()["go_memstats_heap_alloc_bytes"]
}

// opened is how many goroutines come to stay with the first event, for the store
// of the present state.
const opened = 2

// checkAtRest waits until the process has no more goroutines than before, and
// holds no more memory than what was said meanwhile, which it keeps for those
// that resume.
func checkAtRest(t *testing.T, g *gateway, goroutines int, heap, said float64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d goroutines", goroutines), func() bool { return g.goroutines() <= goroutines+opened })
	const noise = 16 << 20
	eventually(t, "memory to come back", func() bool { return g.heap() <= heap+2*said+noise })
}

// TestReaderThatStops lets clients stop reading while much is said. They are cut,
// by the time that a write may take or by how far they lag, and the others notice
// nothing.
func TestReaderThatStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, stream string }{
		{"by time", "stream: {write_timeout: 2s, heartbeat: 1s}"},
		{"by lag", "stream: {write_timeout: 1h, max_lag: 400, heartbeat: 1s}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			hotels := newHotels(t, 1)
			g := startGateway(t, hotels.sources(), issuer, c.stream)
			witness := g.listen(t, allOf(t), "")
			g.awaitStreams(1)
			goroutines, heap := g.goroutines(), g.heap()
			const stopped = 5
			for range stopped {
				conn := g.connect(t, request(g, allOf(t)))
				conn.SetReadBuffer(4096)
			}
			g.awaitStreams(1 + stopped)

			note, said := strings.Repeat("x", 8<<10), 0
			for ; len(g.streams()) > 1; said += 20 {
				if said > 20_000 {
					t.Fatal("those who do not read are not cut")
				}
				for i := range 20 {
					hotels.at(0).tell(fmt.Sprintf(`{"Type":"Resource","Id":"%d","Note":%q}`, said+i, note))
				}
				witness.awaitID(strconv.Itoa(said + 19))
			}
			for i, b := range witness.logged() {
				if b.event(t).ID != strconv.Itoa(i) {
					t.Fatalf("the witness was given %v as event %d", b, i)
				}
			}
			for _, b := range witness.all()[1:] {
				if b.control() && b.name != "bellhop.heartbeat" {
					t.Errorf("the witness was told %v", b)
				}
			}
			metrics := g.metrics()
			cut, slow := metrics[`bellhop_streams_ended_total{reason="cut"}`], metrics[`bellhop_streams_ended_total{reason="slow"}`]
			if cut+slow != stopped {
				t.Errorf("%v streams cut, %v slow, want %d together", cut, slow, stopped)
			}
			checkAtRest(t, g, goroutines, heap, float64(said*len(note)))
		})
	}
}

// TestSlow lets a client read, but not as fast as much is said: it is told so, and
// resumes.
func TestSlow(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "stream: {max_lag: 200, write_timeout: 1h}")
	witness := g.listen(t, allOf(t), "")
	l := g.newListener(t, allOf(t), "")
	l.slow = true
	l.connect()
	note, said := strings.Repeat("x", 8<<10), 0
	for ; len(g.streams()) > 1; said += 40 {
		if said > 20_000 {
			t.Fatal("who is slow is not told so")
		}
		for i := range 40 {
			hotels.at(0).tell(fmt.Sprintf(`{"Type":"Resource","Id":"%d","Note":%q}`, said+i, note))
		}
		witness.awaitID(strconv.Itoa(said + 39))
	}
	if bye := l.awaitBye("slow"); bye.id != "" {
		t.Errorf("the bye has an id: %v", bye)
	}
	l.slow = false
	l.connect()
	l.awaitID(strconv.Itoa(said - 1))
	sameBlocks(t, "who was slow", l.logged(), witness.logged())
}

// TestVanishing lets clients come and go in every way they have.
func TestVanishing(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer, "limits: {per_subject: 1000}")
	witness := g.listen(t, allOf(t), "")
	g.awaitStreams(1)
	goroutines, heap := g.goroutines(), g.heap()
	whole := request(g, allOf(t))
	for i := range 200 {
		conn := g.connect(t, whole[:len(whole)*(i%4+1)/4])
		if i%4 == 3 && rand.IntN(2) == 0 {
			readAnswer(t, conn)
		}
		if rand.IntN(2) == 0 {
			conn.SetLinger(0)
		}
		conn.Close()
		if i%20 == 0 {
			hotels.at(0).tell(resource(strconv.Itoa(i), "Dirty"))
			witness.awaitID(strconv.Itoa(i))
		}
	}
	g.awaitStreams(1)
	checkAtRest(t, g, goroutines, heap, 0)
}

// TestHalfRequests holds connections on which a request never comes to its end.
func TestHalfRequests(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	witness := g.listen(t, allOf(t), "")
	g.awaitStreams(1)
	goroutines, heap := g.goroutines(), g.heap()
	whole := request(g, allOf(t))
	var conns []*net.TCPConn
	for i := range 50 {
		conns = append(conns, g.connect(t, whole[:1+i%40]))
	}
	hotels.at(0).tell(resource("room", "Dirty"))
	witness.awaitID("room")
	for _, conn := range conns {
		conn.SetReadDeadline(time.Now().Add(patience))
		if answer, err := io.ReadAll(conn); err != nil || strings.Contains(string(answer), " 200 ") {
			t.Errorf("half a request is answered with %q, %v", answer, err)
		}
	}
	checkAtRest(t, g, goroutines, heap, 0)
}

// TestTooMuch sends requests that are too long in every part.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	witness := g.listen(t, allOf(t), "")
	goroutines, heap := g.goroutines(), g.heap()
	token := allOf(t)
	for _, c := range []struct {
		name, request string
		status        int
	}{
		{"a query of 1 MB", strings.Replace(request(g, token), "/events", "/events?id="+strings.Repeat("x", 1<<20), 1), 431},
		{"a query of 9 KB", strings.Replace(request(g, token), "/events", "/events?id="+strings.Repeat("x", 9<<10), 1), 414},
		{"a header of 1 MB", request(g, token, "X-Long: "+strings.Repeat("x", 1<<20)), 431},
		{"thousands of headers", request(g, token, strings.TrimSuffix(strings.Repeat("X-Many: y\r\n", 5000), "\r\n")), 431},
		{"a header of 33 KiB", request(g, token, "X-Long: "+strings.Repeat("x", 33<<10)), 431},
		{"headers of 20 KiB", request(g, token, "X-Long: "+strings.Repeat("x", 20<<10)), 200},
		{"a token of 20 KiB", request(g, strings.Repeat("x", 20<<10)), 401},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		{"an unknown transfer coding", request(g, token, "Transfer-Encoding: gzip"), 501},
		{"two lengths", request(g, token, "Content-Length: 1", "Content-Length: 2"), 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := g.connect(t, "")
			go io.WriteString(conn, c.request) // the answer may come before all of it is taken
			response := readAnswer(t, conn)
			if response.StatusCode != c.status {
				t.Errorf("status %d, want %d", response.StatusCode, c.status)
			}
			conn.Close()
			hotels.at(0).tell(resource(c.name, "Dirty"))
			witness.awaitID(c.name)
		})
	}
	g.awaitStreams(1)
	checkAtRest(t, g, goroutines, heap, 0)
}

// TestBodyOnGet announces bodies that never come. Nobody waits for them.
func TestBodyOnGet(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	for _, length := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked", "Content-Length: 10\r\nExpect: 100-continue"} {
		for _, c := range []struct {
			name, token string
			status      int
		}{{"stream", allOf(t), 200}, {"refusal", "none", 401}} {
			t.Run(c.name+" "+length, func(t *testing.T) {
				conn := g.connect(t, request(g, c.token, length))
				response := readAnswer(t, conn)
				if response.StatusCode != c.status || !response.Close {
					t.Errorf("status %d, want %d; Connection: close %v", response.StatusCode, c.status, response.Close)
				}
				if c.status == http.StatusOK {
					ready := make([]byte, 6)
					if _, err := io.ReadFull(response.Body, ready); err != nil || string(ready) != "retry:" {
						t.Errorf("the stream begins with %q, %v", ready, err)
					}
					return
				}
				if _, err := io.ReadAll(response.Body); err != nil {
					t.Error(err)
				}
				if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("after the answer: %v, want the connection's end", err)
				}
			})
		}
	}
}
