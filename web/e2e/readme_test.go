package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bellhop/gateway/config"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

const repository = "../.."

func readme(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// TestReadmeSnippets runs everything that stands between fences, replacing
// what must be: addresses, tokens left open, and what would leave this machine.
func TestReadmeSnippets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		language, first string // words
		test            func(t *testing.T, snippet string)
	}{
		{"sh", "go run", readmeStart},
		{"js", "const rooms", readmePage},
		{"sh", "export", readmeServe},
		{"yaml", "sources:", readmeConfig},
		{"sh", "bellhop simulate", readmeSimulate},
		{"json", `{"iss":`, readmeClaims},
		{"js", "await fetch", readmeSession},
		{"yaml", "snapshot:", func(t *testing.T, snippet string) { readmeConfig(t, snippet+issuer) }},
		{"", "Mews socket", func(*testing.T, string) {}}, // a drawing
	}
	snippets := fence.FindAllStringSubmatch(readme(t), -1)
	if len(snippets) != len(tests) {
		t.Errorf("%d snippets, and tests for %d", len(snippets), len(tests))
	}
	for i, test := range tests {
		t.Run(test.language+" "+test.first, func(t *testing.T) {
			if s := snippets[i]; s[1] != test.language || !strings.HasPrefix(s[2], test.first) {
				t.Fatalf("snippet %d is another:\n%s", i+1, s[0])
			}
			test.test(t, snippets[i][2])
		})
	}
}

// A shell runs a snippet as a reader does who has bellhop in the PATH.
type shell struct {
	t   testing.TB
	dir string
	out journal // both outputs
	cmd *exec.Cmd
}

// startShell starts the script in an empty folder, in a group of its own with
// all that it leaves in the background, which ends with the test. The upstreams
// outside this machine cannot be reached from it.
func startShell(t testing.TB, script string, env ...string) *shell {
	t.Helper()
	programs, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(binary, filepath.Join(programs, "bellhop")); err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, dir: dir, cmd: exec.Command("bash", "-c", script)}
	s.cmd.Dir = dir
	s.cmd.Env = append([]string{"PATH=" + programs + ":" + os.Getenv("PATH"), "HOME=" + dir, "HTTPS_PROXY=http://127.0.0.1:1"}, env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		s.cmd.Wait()
		if t.Failed() || strings.Contains(s.out.String(), "DATA RACE") {
			t.Errorf("output:\n%s", legible(s.out.String()))
		}
	})
	return s
}

// await waits for one of the texts in the outputs.
func (s *shell) await(texts ...string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("output of %q", texts), func() bool {
		out := s.out.String()
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(out, text) })
	})
}

// replaced replaces texts that must be there.
func replaced(t testing.TB, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("no %q in\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func readmeStart(t *testing.T, snippet string) {
	// The binary is what "go run ." would build once more.
	demo, test, _ := strings.Cut(replaced(t, snippet, "go run . demo", "exec bellhop demo", "make test", "make -n test"), "\n")
	s := startShell(t, demo)
	s.await("\n")
	address, _, _ := strings.Cut(s.out.String(), "\n")
	if status, body := new(gateway).get(address); status != http.StatusOK || !strings.Contains(body, "<title>Bellhop</title>") {
		t.Errorf("%s: %d %s", address, status, body)
	}
	dry := exec.Command("sh", "-c", test)
	dry.Dir = repository
	if out, err := dry.CombinedOutput(); err != nil || !strings.Contains(string(out), "go test") {
		t.Errorf("%s: %v\n%s", test, err, out)
	}
}

func readmeServe(t *testing.T, snippet string) {
	s := startShell(t, strings.ReplaceAll(snippet, "…", "invented"))
	s.await("configuration: ok, 1 sources, 1 issuers")
	// The addresses are the defaults', which somebody else may have.
	s.await("msg=listening address=127.0.0.1:8081", "address already in use")
}

func readmeConfig(t *testing.T, snippet string) {
	token := filepath.Join(t.TempDir(), "prague")
	if err := os.WriteFile(token, []byte("access\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := replaced(t, snippet, "/run/secrets/prague", token)
	if err := os.WriteFile(filepath.Join(dir, "bellhop.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := run(t, dir, []string{"MEWS_CLIENT_TOKEN=client", "BELLHOP_SECRET=" + secret}, "check")
	if code != 0 || stderr != "" || stdout != "configuration: ok, 1 sources, 1 issuers\n" {
		t.Errorf("bellhop check: %d %s%s", code, stdout, stderr)
	}
}

func readmeSimulate(t *testing.T, snippet string) {
	s := startShell(t, replaced(t, snippet, "127.0.0.1:7070", freeAddress(t), "127.0.0.1:8090", freeAddress(t), "127.0.0.1:8091", freeAddress(t)),
		"BELLHOP_SECRET="+secret)
	s.await("event: bellhop.ready")
	s.await("\nevent: Resource\n", "\nevent: Reservation\n")
}

func readmeClaims(t *testing.T, snippet string) {
	var claims jwt.MapClaims
	if err := json.Unmarshal([]byte(snippet), &claims); err != nil {
		t.Fatal(err)
	}
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	claims["exp"] = expires.Unix()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, newHotels(t, 1).sources(), issuer)
	_, body := g.ask(t, "GET", "/session", "Authorization", "Bearer "+token)
	var session, want map[string]any
	if err := json.Unmarshal([]byte(body), &session); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	want = map[string]any{"sub": claims["sub"], "expires": expires.UTC().Format(time.RFC3339), "grants": claims["bellhop"]}
	if diff := cmp.Diff(want, session); diff != "" {
		t.Errorf("session (-claims +got):\n%s", diff)
	}
	g.listen(t, token, "source=prague")
}

// readmeTab is a page of a gateway whose source has the README's name. What a
// snippet logs is in said.
func readmeTab(t *testing.T) (*hotels, *tab) {
	t.Helper()
	hotels := newHotels(t, 1)
	g := startGateway(t, replaced(t, hotels.sources(), "name: prague", "name: hotel"), issuer, "stream: {retry: 50ms}")
	p := newBrowser(t).open(t, g.url+"/healthz")
	p.run(`
		window.said = []
		console.log = (...words) => said.push(words.join(' '))
		window.token = ` + quote(allOf(t)))
	return hotels, p
}

func readmePage(t *testing.T, snippet string) {
	hotels, p := readmeTab(t)
	hotels.at(0).tell(resource("room-0", "Dirty"))
	p.run("await fetch('/session', {method: 'POST', headers: {Authorization: `Bearer ${token}`}});" + snippet + "; Object.assign(window, {events, rooms})")
	p.await("rooms.has('room-0')")
	hotels.at(0).tell(resource("room-1", "Dirty"), resource("room-2", "Clean"))
	p.await("rooms.has('room-1')")
	hotels.at(0).tell(resource("room-0", "Clean"))
	p.await("!rooms.has('room-0') && rooms.size === 1")
}

func readmeSession(t *testing.T, snippet string) {
	_, p := readmeTab(t)
	p.run(snippet + "; window.stream = stream")
	p.await("stream.readyState === EventSource.OPEN")
	p.run("await fetch('/session', {method: 'DELETE'})")
	p.await("stream.readyState === EventSource.CLOSED && said.some((line) => line.startsWith('the session is over'))")
}

// TestReadmeCommands holds the table of commands against the program's own help.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	help := func(args ...string) string {
		code, stdout, stderr := run(t, t.TempDir(), nil, append(args, "--help")...)
		if code != 0 {
			t.Fatalf("%v --help: %d %s", args, code, stderr)
		}
		return stdout
	}
	var has, told []string
	for _, m := range regexp.MustCompile(`(?m)^  (\w+)( .*)?\n    (.*)$`).FindAllStringSubmatch(help(), -1) {
		if !strings.Contains(m[3], "not in this version") {
			has = append(has, m[1])
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `bellhop (\\w+)([^`]*)`").FindAllStringSubmatch(readme(t), -1) {
		told = append(told, row[1])
		of := help(row[1])
		for _, flag := range regexp.MustCompile(`--[a-z-]+( \d\w+)?`).FindAllString(row[2], -1) {
			if !strings.Contains(of, strings.Replace(flag, " ", "=", 1)) {
				t.Errorf("bellhop %s has no %s", row[1], flag)
			}
		}
	}
	slices.Sort(has)
	slices.Sort(told)
	if diff := cmp.Diff(has, told); diff != "" {
		t.Errorf("commands (-program +README):\n%s", diff)
	}
}

func TestReadmeLinks(t *testing.T) {
	t.Parallel()
	for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(readme(t), -1) {
		if _, err := os.Stat(filepath.Join(repository, m[1])); err != nil {
			t.Errorf("link: %v", err)
		}
	}
}

// TestReadmeNames looks for every name that README sets in code, in what the
// program is made of; for keys in the annotated configuration, and for
// parameters at a gateway.
func TestReadmeNames(t *testing.T) {
	t.Parallel()
	words := make(map[string]bool)
	word := regexp.MustCompile(`bellhop\.\w+|[A-Za-z][A-Za-z0-9_-]*[A-Za-z0-9]`)
	for _, text := range sources(t) {
		for _, w := range word.FindAllString(text, -1) {
			words[w] = true
		}
	}
	words["SIGINT"] = words["Interrupt"] // as Go calls it
	text := fence.ReplaceAllString(readme(t), "")
	var keys []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		if regexp.MustCompile(`^[a-z]+\.[a-z_]+$`).MatchString(m[1]) && !strings.HasPrefix(m[1], "bellhop.") && m[1] != "main.go" {
			keys = append(keys, m[1])
			continue
		}
		for _, w := range word.FindAllString(m[1], -1) {
			if _, err := os.Stat(filepath.Join(repository, w)); err != nil && !words[w] {
				t.Errorf("`%s`: nothing has the name %s", m[1], w)
			}
		}
	}
	paths := configPaths(reflect.TypeFor[config.Config](), "")
	for _, key := range keys {
		if !slices.Contains(paths, key) {
			t.Errorf("there is no key %s", key)
		}
	}

	_, list, _ := strings.Cut(text, "different ones must\nall hold: ")
	list, _, found := strings.Cut(list, "`as=message`")
	names := regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(list, -1)
	if !found || len(names) == 0 {
		t.Fatal("README has no list of parameters")
	}
	g := startGateway(t, newHotels(t, 1).sources(), issuer)
	for _, m := range names {
		value := "x"
		if slices.Contains([]string{"from", "to", "since"}, m[1]) {
			value = "2026-11-21T08:00:00Z"
		}
		answer, _ := g.ask(t, "HEAD", "/events?"+m[1]+"="+value, "Authorization", "Bearer "+allOf(t))
		if answer.StatusCode == http.StatusBadRequest {
			t.Errorf("there is no parameter %s", m[1])
		}
	}
}

// sources are the texts that the program is made of, and what belongs to it.
func sources(t testing.TB) (texts []string) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case d.IsDir() && (name == "node_modules" || name == ".git" || name == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || strings.HasSuffix(name, "_test.go"),
			!slices.Contains([]string{".go", ".js", ".conf", ".cfg", ".service"}, filepath.Ext(name)) && name != "Makefile":
			return nil
		}
		text, err := os.ReadFile(path)
		texts = append(texts, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// configPaths returns the paths of all keys of a configuration's type.
func configPaths(of reflect.Type, prefix string) (paths []string) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	for field := range of.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("key"), ",")
		if key != "" {
			paths = append(paths, prefix+key)
			paths = append(paths, configPaths(field.Type, prefix+key+".")...)
		}
	}
	return paths
}

// TestConfigurationIsAnnotated holds the file that README calls complete against
// the keys that there are: each stands in its section, in force or in a comment.
func TestConfigurationIsAnnotated(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile(filepath.Join(repository, "gateway/config/testdata/bellhop.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	section := ""
	for line := range strings.Lines(string(file)) {
		if m := regexp.MustCompile(`^(?:# )?([a-z_]+):`).FindStringSubmatch(line); m != nil {
			section = m[1]
		}
		sections[section] += line
	}
	for _, path := range configPaths(reflect.TypeFor[config.Config](), "") {
		top, _, _ := strings.Cut(path, ".")
		key := path[strings.LastIndexByte(path, '.')+1:]
		if !regexp.MustCompile(`\b` + key + `(_file)?\b`).MatchString(sections[top]) {
			t.Errorf("%s is not in the file", path)
		}
	}
}
