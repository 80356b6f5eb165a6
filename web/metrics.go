package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bellhop/gateway"
)

// metrics are what the edge counts.
type metrics struct {
	streams    prometheus.Gauge
	deliveries prometheus.Counter
	bytes      prometheus.Counter
	latency    prometheus.Histogram
	ended      *prometheus.CounterVec
	refusals   *prometheus.CounterVec
	problems   *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		streams:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_streams", Help: "Streams that are open."}),
		deliveries: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_deliveries_total", Help: "Events written to streams, replays not counted."}),
		bytes:      prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_stream_bytes_total", Help: "Bytes of blocks written to streams."}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "bellhop_delivery_seconds",
			Help:    "From reading an event's upstream frame to having written it; once for each write, of its oldest event.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		ended:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_streams_ended_total", Help: "Streams that ended, by reason."}, []string{"reason"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_refusals_total", Help: "Streams answered with a single bellhop.bye, by reason."}, []string{"reason"}),
		problems: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_problems_total", Help: "Requests answered with a problem, by code."}, []string{"code"}),
	}
	for _, reason := range []string{
		gateway.ByeShutdown, gateway.ByeSlow, gateway.ByeExpired, gateway.ByeRevoked, gateway.ByeLifetime, gateway.ByeBusy, gateway.ByeClosed,
		endGone, endCut, endLog,
	} {
		m.ended.WithLabelValues(reason)
	}
	m.refusals.WithLabelValues(refusalBusy)
	m.refusals.WithLabelValues(refusalDraining)
	if r != nil {
		r.MustRegister(m.streams, m.deliveries, m.bytes, m.latency, m.ended, m.refusals, m.problems)
	}
	return m
}

// delivered counts events that were written, the oldest of which came from its
// upstream then.
func (m *metrics) delivered(events int, oldest time.Time) {
	if events > 0 {
		m.deliveries.Add(float64(events))
		m.latency.Observe(time.Since(oldest).Seconds())
	}
}

// pumped counts what a pump wrote.
func (m *metrics) pumped(events, bytes int, oldest time.Time) {
	m.bytes.Add(float64(bytes))
	m.delivered(events, oldest)
}
