package mews

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"bellhop/gateway"
)

// otherType labels all types that the socket is not documented to send, so that
// an upstream cannot make series at will.
const otherType = "other"

// Metrics counts for all Mews sources of a process. Every series of a source is
// there, at 0, from [NewSource] on.
type Metrics struct {
	up       *prometheus.GaugeVec
	connects *prometheus.CounterVec
	failures *prometheus.CounterVec
	frames   *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	events   *prometheus.CounterVec
	api      *apiMetrics
	past     pastMetrics
}

// NewMetrics registers the metrics with r; nil registers them nowhere.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return promauto.With(r).NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"source"}, labels...))
	}
	return &Metrics{
		up: promauto.With(r).NewGaugeVec(prometheus.GaugeOpts{
			Name: "bellhop_source_up", Help: "Whether the upstream's socket is open.",
		}, []string{"source"}),
		connects: counter("bellhop_source_connects_total", "Sockets opened."),
		failures: counter("bellhop_source_failures_total", "Failed dials and lost sockets, by reason.", "reason"),
		frames:   counter("bellhop_source_frames_total", "Messages read."),
		bytes:    counter("bellhop_source_received_bytes_total", "Bytes of the messages read."),
		events:   counter("bellhop_source_events_total", "Events read, by what became of them.", "type", "outcome"),
		api:      newAPIMetrics(r),
		past:     newPastMetrics(r),
	}
}

// sourceMetrics are the series of one source.
type sourceMetrics struct {
	up                      prometheus.Gauge
	connects, frames, bytes prometheus.Counter
	failures                map[gateway.Reason]prometheus.Counter
	events                  map[eventLabels]prometheus.Counter
	api                     *apiSourceMetrics
	past
}

type eventLabels struct {
	typ     string
	outcome outcome
}

func (m *Metrics) of(source string) *sourceMetrics {
	s := &sourceMetrics{
		up:       m.up.WithLabelValues(source),
		connects: m.connects.WithLabelValues(source),
		frames:   m.frames.WithLabelValues(source),
		bytes:    m.bytes.WithLabelValues(source),
		failures: make(map[gateway.Reason]prometheus.Counter),
		events:   make(map[eventLabels]prometheus.Counter),
		api:      m.api.of(source),
		past:     m.past.of(source),
	}
	for _, reason := range []gateway.Reason{
		gateway.ReasonDial, gateway.ReasonSilent, gateway.ReasonClosed, gateway.ReasonRejected, gateway.ReasonEnterprise,
	} {
		s.failures[reason] = m.failures.WithLabelValues(source, string(reason))
	}
	for _, typ := range append([]string{otherType}, socketTypes...) {
		for _, o := range outcomes {
			s.events[eventLabels{typ, o}] = m.events.WithLabelValues(source, typ, string(o))
		}
	}
	return s
}

func (s *sourceMetrics) connected(up bool) {
	if !up {
		s.up.Set(0)
		return
	}
	s.up.Set(1)
	s.connects.Inc()
}

func (s *sourceMetrics) failed(reason gateway.Reason) { s.failures[reason].Inc() }

func (s *sourceMetrics) frame(bytes int) {
	s.frames.Inc()
	s.bytes.Add(float64(bytes))
}

func (s *sourceMetrics) event(typ string, o outcome) {
	if c, ok := s.events[eventLabels{typ, o}]; ok {
		c.Inc()
		return
	}
	s.events[eventLabels{otherType, o}].Inc()
}
