package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestPoison lets an upstream say what no stream may repeat. The good event
// behind it arrives every time, over the same socket, and nothing else does.
func TestPoison(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	s := g.listen(t, allOf(t), "")
	named := func(typ, id string) string { return fmt.Sprintf(`{"Type":%s,"Id":%s,"State":"Dirty"}`, typ, id) }
	quoted := func(s string) string { return `"` + s + `"` }
	for name, bad := range map[string]string{
		"long id":          named(`"Resource"`, quoted(strings.Repeat("i", 5000))),
		"long type":        named(quoted(strings.Repeat("t", 5000)), `"x"`),
		"257 bytes of id":  named(`"Resource"`, quoted(strings.Repeat("i", 257))),
		"newline in type":  named(`"Resource\nid: forged"`, `"x"`),
		"newline in id":    named(`"Resource"`, `"x\r\ndata: forged"`),
		"NUL in id":        named(`"Resource"`, `"x\u0000"`),
		"C1 in type":       named(`"Resource\u0085"`, `"x"`),
		"line separator":   named(`"Resource"`, `"x\u2028"`),
		"BOM in type":      named(`"\ufeffResource"`, `"x"`),
		"lone surrogate":   named(`"Resource"`, `"x\ud800"`),
		"invalid UTF-8":    "{\"Type\":\"Resource\",\"Id\":\"x\",\"State\":\"Dir\xff\xfety\"}",
		"invalid name":     "{\"Type\":\"Resource\",\"Id\":\"x\",\"St\xc0\xafate\":\"Dirty\"}",
		"reserved":         named(`"bellhop.ready"`, `"x"`),
		"reserved, shouts": named(`"BELLHOP.Reset"`, `"x"`),
		"message":          named(`"MESSAGE"`, `"x"`),
		"open":             named(`"Open"`, `"x"`),
		"error":            named(`"error"`, `"x"`),
		"no type":          `{"Id":"x","State":"Dirty"}`,
		"no id":            `{"Type":"Resource","State":"Dirty"}`,
		"id of a number":   named(`"Resource"`, `7`),
		"empty id":         named(`"Resource"`, `""`),
		"null":             `null`,
		"array":            `[{"Type":"Resource","Id":"x"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			good := "good after " + name
			hotels.at(0).tell(bad, resource(good, "Clean"))
			if b := s.match("anything", func(b block) bool { return b.name != "bellhop.ready" && b.name != "bellhop.heartbeat" }); b.name != "Resource" || b.event(t).ID != good {
				t.Errorf("%v comes before the good event", b)
			}
		})
	}
	// What is odd, but good.
	hotels.at(0).tell(`{"Type":"Event<b>:","Id":" x ","Text":"line\nline\r\u2028\u0000 é \ud83d\ude00","N":1.50e+400,"Id":"last one counts"}`)
	odd := s.awaitID("last one counts")
	if want := `"event":{"Type":"Event<b>:","Id":" x ","Text":"line\nline\r\u2028\u0000 é \ud83d\ude00","N":1.50e+400,"Id":"last one counts"}`; odd.name != "Event<b>:" || !strings.Contains(odd.data, want) {
		t.Errorf("odd event: %v", odd)
	}

	hotels.at(0).tell(`{"Type":"Resource","Id":"huge","Note":"`+strings.Repeat("x", 8<<20)+`"}`, resource("behind the huge", "Clean"))
	checkGap(t, s, "size", "Resource")
	s.awaitID("behind the huge")

	// Of several broken frames within a minute only the first is said at once.
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	hotels.at(0).tell(resource("before the deep", "Clean"), `{"Type":"Resource","Id":"deep","Note":`+deep+`}`, resource("behind the fault", "Clean"))
	s.awaitID("before the deep")
	checkGap(t, s, "frame", "DeviceCommand", "PriceUpdate", "Reservation", "Resource")
	deep = strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	hotels.at(0).tell(resource("before the next", "Clean"), `{"Type":"Resource","Id":"deep","Note":`+deep+`}`, resource("behind the fault", "Clean"))
	s.awaitID("before the next")
	for i, broken := range []string{``, `[]`, `"Events"`, `{"Events":{}}`, `{"Events":[{"Type":"Resource","Id":"cut`, "\x00\x01", `{"Events":null}`, `{}`} {
		good := fmt.Sprint("behind broken ", i)
		hotels.at(0).send(broken)
		hotels.at(0).Hotel.Send(true, []byte(broken))
		hotels.at(0).tell(resource(good, "Clean"))
		s.awaitID(good)
	}

	if state := hotels.at(0).State(); state.Connects != 1 {
		t.Errorf("%d connections to the upstream, want 1", state.Connects)
	}
	for _, b := range s.all() {
		if strings.Contains(b.String(), "forged") {
			t.Errorf("an upstream forged %v", b)
		}
	}
	if log := g.log.String(); strings.Contains(log, "forged") || strings.Contains(log, "iiiii") {
		t.Error("the log repeats the upstream's text")
	}
}

// TestFrameOverLimit lets an upstream send what nobody would keep in memory: the
// connection ends, which is said, and the next one is as good as any.
func TestFrameOverLimit(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	s := g.listen(t, allOf(t), "")
	hotels.at(0).tell(resource("before", "Clean"))
	s.awaitID("before")
	hotels.at(0).tell(`{"Type":"Resource","Id":"huge","Note":"` + strings.Repeat("x", 17<<20) + `"}`)
	all := []string{"DeviceCommand", "PriceUpdate", "Reservation", "Resource"}
	checkGap(t, s, "frame", all...)
	checkGap(t, s, "upstream", all...)
	g.awaitState("live")
	hotels.at(0).tell(resource("after", "Clean"))
	s.awaitID("after")
	if state := hotels.at(0).State(); state.Connects != 2 {
		t.Errorf("%d connections to the upstream, want 2", state.Connects)
	}
}

// TestRestartAfterPoison reads the log of a poisoned gateway again.
func TestRestartAfterPoison(t *testing.T) {
	t.Parallel()
	hotels := newHotels(t, 1)
	g := startGateway(t, hotels.sources(), issuer)
	s := g.listen(t, allOf(t), "")
	begin := s.lastID()
	hotels.at(0).tell(
		`{"Type":"Resource","Id":"`+strings.Repeat("i", 5000)+`"}`,
		`{"Type":"`+strings.Repeat("é.*> ", 18)+`","Id":"`+strings.Repeat("日本", 42)+` *.>"}`,
		`{"Type":"Resource","Id":"largest","Note":"`+strings.Repeat("x", 1<<20-60)+`"}`,
		resource("good", "Clean"),
	)
	s.awaitID("good")
	want := s.logged()
	if len(want) != 3 {
		t.Errorf("%d records, want 3", len(want))
	}
	g.kill()
	g.start()
	again := g.newListener(t, allOf(t), "")
	again.resumeAt(begin)
	again.connect()
	again.awaitID("good")
	sameBlocks(t, "after a restart", again.logged()[:len(want)], want)
}

// checkGap waits for the next gap.
func checkGap(t *testing.T, s *listener, reason string, types ...string) {
	t.Helper()
	var got gap
	b := s.await("bellhop.gap")
	b.decode(t, &got)
	if got.Reason != reason || !slices.Equal(got.Types, types) || b.id == "" {
		t.Errorf("gap %v, want %s over %v", b, reason, types)
	}
}
