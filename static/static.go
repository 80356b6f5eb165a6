// Package static holds the files of the demo page. They need no build step, and
// every address in them is relative, so that they can be served below any prefix.
package static

import "embed"

// Files holds the page at index.html and what it loads. It is read-only; the
// page's tests, which lie beside these files, are not part of it.
//
//go:embed index.html favicon.svg app.js supervisor.js session.js model view style
var Files embed.FS
