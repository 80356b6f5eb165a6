package mews

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// apiMetrics counts for the APIs of all Mews sources of a process.
type apiMetrics struct {
	calls *prometheus.CounterVec
	waits *prometheus.HistogramVec
	rows  *prometheus.CounterVec
}

// newAPIMetrics registers the metrics with r; nil registers them nowhere.
func newAPIMetrics(r prometheus.Registerer) *apiMetrics {
	register := promauto.With(r)
	return &apiMetrics{
		calls: register.NewCounterVec(prometheus.CounterOpts{
			Name: "bellhop_source_api_calls_total", Help: "API calls sent, each attempt one, by what came of them.",
		}, []string{"source", "operation", "outcome"}),
		waits: register.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bellhop_source_api_wait_seconds", Help: "Time that API calls waited for the request limit.",
			Buckets: []float64{.01, .1, .5, 1, 2, 5, 10, 30, 60, 300},
		}, []string{"source", "class"}),
		rows: register.NewCounterVec(prometheus.CounterOpts{
			Name: "bellhop_source_api_rows_total", Help: "Entities read from the API, by what became of them.",
		}, []string{"source", "type", "outcome"}),
	}
}

// apiSourceMetrics are the series of one source's API, all there from the start.
type apiSourceMetrics struct {
	calls map[callLabels]prometheus.Counter
	waits [classCount]prometheus.Observer
	rows  map[eventLabels]prometheus.Counter
}

type callLabels struct {
	op      string
	outcome callOutcome
}

func (m *apiMetrics) of(source string) *apiSourceMetrics {
	s := &apiSourceMetrics{
		calls: make(map[callLabels]prometheus.Counter),
		rows:  make(map[eventLabels]prometheus.Counter),
	}
	for _, op := range append(slices.Clone(operations), otherType) {
		for _, o := range callOutcomes {
			s.calls[callLabels{op, o}] = m.calls.WithLabelValues(source, op, string(o))
		}
	}
	for c := range classCount {
		s.waits[c] = m.waits.WithLabelValues(source, c.String())
	}
	for _, typ := range []string{typeReservation, typeResource, typeDeviceCommand} {
		for _, o := range outcomes {
			s.rows[eventLabels{typ, o}] = m.rows.WithLabelValues(source, typ, string(o))
		}
	}
	return s
}

func (s *apiSourceMetrics) call(op string, o callOutcome) {
	if !slices.Contains(operations, op) {
		op = otherType
	}
	s.calls[callLabels{op, o}].Inc()
}

func (s *apiSourceMetrics) wait(c class, d time.Duration) { s.waits[c].Observe(d.Seconds()) }

func (s *apiSourceMetrics) row(typ string, o outcome) { s.rows[eventLabels{typ, o}].Inc() }
