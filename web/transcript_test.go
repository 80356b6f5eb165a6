package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"bellhop/gateway"
)

var update = flag.Bool("update", false, "rewrite the wanted part of the transcripts")

// TestTranscripts plays the files of testdata: what was logged before, a request,
// and what happens then. Wanted are the response's bytes, but for what is drawn
// at random. The clock begins at 2000-01-01T00:00:00Z.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := make(map[string]string)
			for _, f := range archive.Files {
				parts[f.Name] = string(f.Data)
			}
			want := &archive.Files[len(archive.Files)-1]
			got := play(t, parts)
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
		})
	}
}

// play returns the response to the part named request, with the token that the
// part named grants describes and which is good for 80 seconds.
func play(t *testing.T, parts map[string]string) (transcript string) {
	inBubble(t, func(t *testing.T, b bubble) {
		last := make(past)
		b.follow(t, last, parts["before"])
		request := strings.Split(strings.TrimSpace(parts["request"]), "\n")
		if grants := strings.TrimSpace(parts["grants"]); grants != "" {
			request = append(request, bearer(mint(t, granting(strings.Split(grants, "\n")...), lasting(80*time.Second))))
		}
		conn := b.request(t, request[0], request[1:]...)
		read := make(chan string)
		go func() {
			var text strings.Builder
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Error(err)
			} else {
				writeHead(&text, answer)
				io.Copy(&text, answer.Body) // to its end or ours
			}
			read <- text.String()
		}()
		synctest.Wait()
		b.follow(t, last, parts["after"])
		conn.Close()
		transcript = settle(<-read)
	})
	return transcript
}

func writeHead(w io.Writer, answer *http.Response) {
	fmt.Fprintln(w, answer.Status)
	var lines []string
	for name, values := range answer.Header {
		if name != "Date" && name != "Content-Length" {
			lines = append(lines, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(lines)
	fmt.Fprintf(w, "%s\n\n", strings.Join(lines, "\n"))
}

// settle replaces what is drawn at random or hashed.
func settle(text string) string {
	for pattern, fixed := range map[string]string{
		`(?m)^retry: [0-9]{4,5}$`:     "retry: N",
		`"stream":"s-[0-9a-f]{12}"`:   `"stream":"s-N"`,
		`"view":"[0-9a-f]{32}"`:       `"view":"N"`,
		`(?m)^Retry-After: [1-9]\d?$`: "Retry-After: N",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, fixed)
	}
	return text
}

// past is what was last said of each entity.
type past map[gateway.EntityKey]*gateway.Attributes

// follow sets what was before the record's event, as the way into the log does.
func (p past) follow(r *gateway.Record) *gateway.Record {
	if key, lasts := r.Event.Key(); lasts {
		r.Event.Before = p[key]
		p[key] = &r.Event.Attributes
	}
	return r
}

// follow does what a script says, line by line.
func (b bubble) follow(t *testing.T, last past, script string) {
	t.Helper()
	for line := range strings.Lines(script) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "wait":
			d, err := time.ParseDuration(rest)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
		case "event":
			b.say(t, last.follow(scripted(t, rest)))
		case "gone":
			e := scripted(t, rest+" {}").Event
			e.Gone, e.Object = true, nil
			b.say(t, last.follow(&gateway.Record{Event: e}))
		case "gap":
			source, types, _ := strings.Cut(rest, " ")
			b.say(t, &gateway.Record{Gap: &gateway.Gap{
				Source: source, Types: strings.Split(types, ","), From: time.Now().Add(-time.Minute), To: time.Now(), Reason: gateway.GapUpstream,
			}})
		case "source":
			name, state, _ := strings.Cut(rest, " ")
			state, reason, _ := strings.Cut(state, " ")
			b.hub.Report(gateway.Status{Source: name, State: gateway.State(state), Reason: gateway.Reason(reason), Confirmed: time.Now()})
		case "close":
			b.admin(t, get("/streams?sub="+rest).by("DELETE")).wantStatus(t, 200)
		case "drain":
			during(t, func(ctx context.Context) error { b.Drain(ctx); return nil })
		default:
			t.Fatalf("the script says %q", line)
		}
		synctest.Wait()
	}
}

// scripted reads an event: its source, its type, its id, its object, and its
// entity where there is one.
func scripted(t *testing.T, text string) *gateway.Record {
	t.Helper()
	words := strings.SplitN(text, " ", 4)
	if len(words) != 4 {
		t.Fatalf("the script's event is %q", text)
	}
	var object, entity json.RawMessage
	d := json.NewDecoder(strings.NewReader(words[3]))
	if err := d.Decode(&object); err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(&entity); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	r := event(words[0], words[1], words[2], string(object))
	r.Event.Entity = entity
	return r
}
