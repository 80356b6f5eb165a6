package config_test

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"bellhop/gateway/config"
)

// TestLogger says something below the level, and something at it.
func TestLogger(t *testing.T) {
	for format, want := range map[string]string{
		"text": `^time=\S+ level=WARN msg=heard n=1\n$`,
		"json": `^{"time":"[^"]+","level":"WARN","msg":"heard","n":1}\n$`,
	} {
		var b strings.Builder
		logger := config.Log{Level: slog.LevelWarn, Format: format}.Logger(&b)
		logger.Info("unheard")
		logger.Warn("heard", "n", 1)
		if !regexp.MustCompile(want).MatchString(b.String()) {
			t.Errorf("%s: got %q, want %s", format, b.String(), want)
		}
	}
}
