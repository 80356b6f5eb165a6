package static_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"

	"bellhop/static"
)

// embedded returns every file of the page by its path.
func embedded(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(static.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(static.Files, name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var references = map[string]*regexp.Regexp{
	".html": regexp.MustCompile(`(?:href|src)="([^"#]+)"`),
	".js":   regexp.MustCompile(`(?m)^import .*from '([^']+)';$`),
	".css":  regexp.MustCompile(`url\(([^)]+)\)`),
}

func TestEveryReferenceIsRelativeAndEmbedded(t *testing.T) {
	files := embedded(t)
	referred := map[string]bool{"index.html": true}
	for name, text := range files {
		pattern := references[path.Ext(name)]
		if pattern == nil {
			continue
		}
		for _, match := range pattern.FindAllStringSubmatch(text, -1) {
			target := path.Join(path.Dir(name), match[1])
			if _, ok := files[target]; !ok || strings.HasPrefix(match[1], "/") {
				t.Errorf("%s refers to %q, which is not beside it", name, match[1])
			}
			referred[target] = true
		}
	}
	for name := range files {
		if !referred[name] {
			t.Errorf("%s is embedded but nothing refers to it", name)
		}
	}
}

// The page's policy is default-src 'none' with its own files alone, so a browser
// would drop each of these without a word to the reader.
var forbidden = map[string]*regexp.Regexp{
	".html": regexp.MustCompile(`(?i)<style|<script>|\sstyle=|\son[a-z]+=|https?://|javascript:|data:`),
	".js":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://`),
	".css":  regexp.MustCompile(`@import|https?://|data:`),
}

func TestNothingNeedsMoreThanTheStrictPolicy(t *testing.T) {
	for name, text := range embedded(t) {
		pattern := forbidden[path.Ext(name)]
		if pattern == nil {
			continue
		}
		// The SVG namespace is a name, not an address.
		if found := pattern.FindString(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

func TestScripts(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("BELLHOP_TEST_TOOLS") == "all" {
			t.Fatal(err)
		}
		t.Skip("node is not installed; it runs the page's own tests")
	}
	out, err := exec.CommandContext(t.Context(), node, "--test").CombinedOutput()
	if err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
