package mews_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"bellhop/gateway/mews"
)

// samples returns the samples of r as "name label… value", those that are 0 left
// out, and how many there are in all.
func samples(t *testing.T, r *prometheus.Registry) (lines []string, all int) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			all++
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if value == 0 {
				continue
			}
			words := []string{strings.TrimPrefix(family.GetName(), "bellhop_source_")}
			for _, label := range m.GetLabel() {
				words = append(words, label.GetValue())
			}
			lines = append(lines, strings.Join(append(words, fmt.Sprint(value)), " "))
		}
	}
	slices.Sort(lines)
	return lines, all
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		b := startWith(t, &sink{}, "prague", mews.NewMetrics(registry))
		defer b.stop()
		zero, before := samples(t, registry)
		if len(zero) != 0 || before == 0 {
			t.Errorf("at the start %d series and %q, want all at 0", before, zero)
		}
		b.refuse(t, "401 Unauthorized", "")
		p := b.accept(t)
		frames := []string{
			frameOf(room("a"), room("b"), `{"Type":"Minibar","Id":"m"}`),
			frameOf(`7`, `{"Type":"Error","Id":"e"}`),
		}
		for _, frame := range frames {
			p.send(frame)
		}
		settle(0)
		got, after := samples(t, registry)
		want := []string{
			"connects_total prague 1",
			"events_total accepted prague Resource 2",
			"events_total accepted prague other 1",
			"events_total name prague other 1",
			"events_total shape prague other 1",
			"failures_total rejected prague 1",
			"frames_total prague 2",
			fmt.Sprint("received_bytes_total prague ", len(frames[0])+len(frames[1])),
			"up prague 1",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("samples, -want +got:\n%s", diff)
		}
		if after != before {
			t.Errorf("%d series have become %d", before, after)
		}
		p.close(1000)
		settle(0)
		if got, _ := samples(t, registry); slices.Contains(got, "up prague 1") {
			t.Error("up after the close")
		}
	})
}

// A flood of bad events is counted, not logged.
func TestRefusalsAreLoggedSeldom(t *testing.T) {
	run(t, &sink{}, func(t *testing.T, b *bubble) {
		p := b.accept(t)
		for range 1000 {
			p.send(frameOf(`{"Type":"Resource","Id":"` + accessToken + `\n"}`))
			p.send(accessToken)
		}
		settle(time.Second)
		b.stop()
		if got := strings.Count(b.log.String(), "\n"); got > 50 {
			t.Errorf("%d lines in the log", got)
		}
	})
}
