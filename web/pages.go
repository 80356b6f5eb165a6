package web

import (
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// pagePolicy lets the pages load what they bring along and nothing else, and
// speak to their own server only.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageTypes are the content types of the pages' files. The machine's own table
// is not asked: it may be missing, or say otherwise.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// servePages answers with the bundled pages, if they are enabled.
func (s *Server) servePages(w http.ResponseWriter, r *http.Request) *problem {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, s.basePath), "/")
	if name == "" {
		name = "index.html"
	}
	kind, known := pageTypes[path.Ext(name)]
	if s.static == nil || !known {
		return &problemNotFound
	}
	body, err := fs.ReadFile(s.static, name)
	if err != nil {
		return &problemNotFound
	}
	if p := getOnly(w, r); p != nil {
		return p
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	w.Write(body)
	return nil
}
