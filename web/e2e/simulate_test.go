package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"bellhop/gateway/simulator"
)

// TestSimulate runs the simulated upstream as a process, and a gateway behind it.
func TestSimulate(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	simulate := program(t.TempDir(), nil, "simulate", "--listen", address, "--speed", "60", "--hotels", "2", "--say-all")
	lines := startLines(t, simulate)
	if first := lines.next(); first != "ws://"+address {
		t.Errorf("the first line is %q", first)
	}
	config := []string{"sources:"}
	for i := range 2 {
		line := lines.next()
		token := line[strings.LastIndexByte(line, ' ')+1:]
		config = append(config, fmt.Sprintf("  - {name: %s, mews: {socket: \"ws://%s\", api: \"http://%s\", client_token: %s, access_token: %s}}",
			hotelNames[i], address, address, simulator.ClientToken, token))
	}
	g := startGateway(t, append(config, issuer)...)
	first, second := g.listen(t, allOf(t, "prague"), ""), g.listen(t, allOf(t, "brno"), "")
	first.match("an event", func(b block) bool { return !b.control() })
	second.match("an event", func(b block) bool { return !b.control() })
	if err := simulate.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	first.awaitSource("prague", "down")
	lines.end()
	if err := simulate.Wait(); err != nil {
		t.Errorf("the simulator ends with %v", err)
	}
}

// startSimulator runs the simulated upstream as a process and returns its address.
func startSimulator(t *testing.T, args ...string) (address string) {
	t.Helper()
	address = freeAddress(t)
	cmd := program(t.TempDir(), nil, append([]string{"simulate", "--listen", address}, args...)...)
	if first := startLines(t, cmd).next(); first != "ws://"+address {
		t.Fatalf("the first line is %q", first)
	}
	return address
}

// dialSimulator opens a socket as an upstream's client does. The answer is that
// to the upgrade.
func dialSimulator(t *testing.T, address, accessToken string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	cookie := http.Header{"Cookie": {"ClientToken=" + simulator.ClientToken + "; AccessToken=" + accessToken}}
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+address+"/ws/connector", cookie)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
		conn.SetReadDeadline(time.Now().Add(patience))
	}
	return conn, response, err
}

// TestSimulateOddly gives the simulated upstream its less friendly manners.
func TestSimulateOddly(t *testing.T) {
	t.Parallel()
	address := startSimulator(t, "--speed", "60", "--time-zone", "Pacific/Auckland", "--quirks", "duplicates=1", "--ping", "10ms")
	response, err := plain.Get("http://" + address + "/control/layout")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if layout, err := io.ReadAll(response.Body); err != nil || member(t, string(layout), "timeZone") != "Pacific/Auckland" {
		t.Errorf("layout %s, %v", layout, err)
	}
	conn, _, err := dialSimulator(t, address, simulator.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	pings := 0
	conn.SetPingHandler(func(string) error { pings++; return nil })
	var frames []string
	for pings == 0 || len(frames) < 2 {
		_, frame, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, string(frame))
	}
	if frames[0] != frames[1] {
		t.Errorf("the second frame is not the first one's duplicate:\n%.300s\n%.300s", frames[0], frames[1])
	}
}

// TestSimulateBadTokens comes with tokens that are none.
func TestSimulateBadTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   []string
		status int
	}{{nil, 401}, {[]string{"--bad-tokens", "403"}, 403}} {
		if _, response, err := dialSimulator(t, startSimulator(t, c.args...), "none"); err == nil || response.StatusCode != c.status {
			t.Errorf("%v: answer %v, %v", c.args, response, err)
		}
	}
	conn, _, err := dialSimulator(t, startSimulator(t, "--bad-tokens", "close"), "none")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("closed with %v", err)
	}
}
