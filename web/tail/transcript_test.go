package tail_test

import (
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"bellhop/web/tail"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the wanted part of the transcripts")

// visible makes the bytes of a transcript what they are on the wire: text files
// hold no lone CR, and the archive ends each part with a line end.
var visible = strings.NewReplacer("␍␊\n", "\r\n", "␍\n", "\r", "␀", "\x00", "␛", "\x1b", "␠", " ", "⟪BOM⟫", "\ufeff", "⟪CUT⟫\n", "")

// TestTranscripts serves the parts named stream, one a connection, then says
// 404. Wanted are the events, and the ids that the connections asked for.
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
			var streams []string
			for _, f := range archive.Files {
				if f.Name == "stream" {
					streams = append(streams, visible.Replace(string(f.Data)))
				}
			}
			want := &archive.Files[len(archive.Files)-1]
			got := replay(t, streams)
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func replay(t *testing.T, streams []string) string {
	var b strings.Builder
	synctest.Test(t, func(t *testing.T) {
		line := json.NewEncoder(&b)
		n := 0
		h := serve(t, func(w http.ResponseWriter, r *http.Request) {
			line.Encode(map[string]string{"Last-Event-ID": r.Header.Get("Last-Event-ID")})
			if n == len(streams) {
				http.NotFound(w, r)
				return
			}
			n++
			begin(w)
			write(w, streams[n-1])
		})
		err := tail.Run(t.Context(), h.options(), func(ev tail.Event) error {
			return line.Encode([]string{ev.ID, ev.Name, string(ev.Data)})
		})
		if refused, ok := errors.AsType[*tail.RefusedError](err); !ok || refused.Status != http.StatusNotFound {
			t.Errorf("got error %v, want a 404", err)
		}
	})
	return b.String()
}
