package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A room is a package, and what it may know of.
type room struct {
	charter string
	ours    []string // packages of this module, besides the room's own
	theirs  []string // modules or packages of others, with all below them
	never   []string // packages of the standard library that are not for it
}

const (
	metricsModule   = "github.com/prometheus/client_golang/prometheus"
	websocketModule = "github.com/gorilla/websocket"
)

// charters say which package may import which. What runs through it goes one way:
// dialects and log know the domain and not each other, the edge knows domain and
// tokens, and only main knows everything.
var charters = map[string]room{
	"bellhop": {
		charter: "command line and wiring",
		ours: []string{"bellhop/auth", "bellhop/gateway", "bellhop/gateway/config", "bellhop/gateway/eventlog", "bellhop/gateway/mews",
			"bellhop/gateway/simulator", "bellhop/static", "bellhop/web", "bellhop/web/sse", "bellhop/web/tail"},
		theirs: []string{"github.com/alecthomas/kong", metricsModule, "golang.org/x/sync/errgroup"},
	},
	"bellhop/auth": {
		charter: "who asks and what they may see; nothing of what there is to see",
		theirs:  []string{"github.com/golang-jwt/jwt/v5", "github.com/MicahParks/jwkset", "github.com/go-json-experiment/json", metricsModule},
	},
	"bellhop/gateway": {
		charter: "the domain; it is not known here how anything arrives or leaves",
		theirs:  []string{metricsModule},
		never:   []string{"net", "net/http", "os"},
	},
	"bellhop/gateway/config": {
		charter: "one configuration; main maps it to the parts' own options",
		theirs:  []string{"github.com/goccy/go-yaml"},
	},
	"bellhop/gateway/eventlog": {
		charter: "the log on JetStream",
		ours:    []string{"bellhop/gateway"},
		theirs:  []string{"github.com/nats-io/nats-server/v2/server", "github.com/nats-io/nats.go", metricsModule, "golang.org/x/sync/errgroup", "golang.org/x/sys/unix"},
	},
	"bellhop/gateway/gatewaytest": {charter: "a log in memory, for tests and the load generator alone", ours: []string{"bellhop/gateway"}},
	"bellhop/gateway/mews": {
		charter: "one upstream's dialect",
		ours:    []string{"bellhop/gateway"},
		theirs:  []string{websocketModule, metricsModule, "golang.org/x/time/rate"},
	},
	"bellhop/gateway/simulator": {
		charter: "the upstreams by their documents; what it shared with the clients, it could not test",
		theirs:  []string{websocketModule},
	},
	"bellhop/static": {charter: "files"},
	"bellhop/web": {
		charter: "the edge: tokens, queries, streams, limits, drain",
		ours:    []string{"bellhop/auth", "bellhop/gateway", "bellhop/static", "bellhop/web/pump", "bellhop/web/sse"},
		theirs:  []string{"github.com/rs/cors", metricsModule, "golang.org/x/sync/errgroup", "golang.org/x/sys/unix"},
	},
	"bellhop/web/bench": {
		charter: "the load generator; what it holds the gateway against is made of the gateway's parts and a log for tests",
		ours: []string{"bellhop/auth", "bellhop/gateway", "bellhop/gateway/config", "bellhop/gateway/gatewaytest", "bellhop/gateway/mews",
			"bellhop/web", "bellhop/web/sse"},
		theirs: []string{websocketModule, metricsModule, "golang.org/x/sync/errgroup", "golang.org/x/sys/unix"},
	},
	"bellhop/web/e2e": {charter: "tests of the whole; no code"},
	"bellhop/web/pump": {
		charter: "many sockets, few goroutines; the HTTP is over when it begins",
		ours:    []string{"bellhop/gateway"},
		theirs:  []string{"golang.org/x/sync/errgroup", "golang.org/x/sys/unix"},
		never:   []string{"net/http"},
	},
	"bellhop/web/sse": {charter: "the encoder, pure", never: []string{"net", "net/http"}},
	"bellhop/web/tail": {
		charter: "a reader of streams that knows only what is on the wire",
		theirs:  []string{"github.com/r3labs/sse/v2"},
	},
}

// A listing is what "go list -json" says of a package.
type listing struct {
	ImportPath string
	GoFiles    []string
	Imports    []string // of GoFiles
}

func list(t *testing.T) (all []listing) {
	t.Helper()
	command := exec.Command("go", "list", "-json=ImportPath,GoFiles,Imports", "./...")
	command.Dir = ".."
	var fault bytes.Buffer
	command.Stderr = &fault
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, fault.String())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listing
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
}

func TestImports(t *testing.T) {
	packages := list(t)
	for _, p := range packages {
		room, ok := charters[p.ImportPath]
		if !ok {
			t.Errorf("%s: no charter; say in the table above what it is for and may import", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			if !room.admits(path) {
				t.Errorf("%s (%s) imports %s", p.ImportPath, room.charter, path)
			}
		}
	}
	for path := range charters {
		if !slices.ContainsFunc(packages, func(p listing) bool { return p.ImportPath == path }) {
			t.Errorf("%s has a charter and does not exist", path)
		}
	}
}

func (r room) admits(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	switch {
	case first == "bellhop":
		return slices.Contains(r.ours, path)
	case strings.Contains(first, "."):
		return slices.ContainsFunc(r.theirs, func(base string) bool { return path == base || strings.HasPrefix(path, base+"/") })
	}
	return !slices.Contains(r.never, path)
}

func TestTop(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	folders := []string{"auth", "deploy", "gateway", "static", "web", "data"} // data is a run's
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(folders, e.Name()) {
			t.Errorf("folder %s at the top", e.Name())
		}
	}
	for _, p := range list(t) {
		switch p.ImportPath {
		case "bellhop":
			if !slices.Equal(p.GoFiles, []string{"main.go"}) {
				t.Errorf("Go files at the top: %v, want main.go alone", p.GoFiles)
			}
		case "bellhop/static":
			if !slices.Equal(p.Imports, []string{"embed"}) {
				t.Errorf("static imports %v, want embed alone", p.Imports)
			}
		}
	}
}

// TestNoCircles holds the folders at the top, which are the roles, against
// knowing of each other in a circle; the compiler does it for packages only.
func TestNoCircles(t *testing.T) {
	knows := make(map[string][]string)
	for _, p := range list(t) {
		for _, path := range p.Imports {
			if from, to := role(p.ImportPath), role(path); to != "" && from != to {
				knows[from] = append(knows[from], to)
			}
		}
	}
	var walk func(path []string)
	walk = func(path []string) {
		for _, next := range knows[path[len(path)-1]] {
			if slices.Contains(path, next) {
				t.Fatalf("a circle: %v and %s again", path, next)
			}
			walk(append(slices.Clone(path), next))
		}
	}
	for from := range knows {
		walk([]string{from})
	}
}

// role returns the folder at the top that holds a package of ours, "main" for
// the top itself and nothing for a package of others.
func role(path string) string {
	if path == "bellhop" {
		return "main"
	}
	rest, ours := strings.CutPrefix(path, "bellhop/")
	if !ours {
		return ""
	}
	folder, _, _ := strings.Cut(rest, "/")
	return folder
}
