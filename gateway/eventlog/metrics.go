package eventlog

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the log's own, on the registry that it was given.
type metrics struct {
	to         prometheus.Registerer
	all        []prometheus.Collector
	bytes      prometheus.Gauge
	writable   prometheus.Gauge
	appends    prometheus.Counter
	reopens    prometheus.Counter
	unreadable prometheus.Counter
	seconds    prometheus.Histogram
}

func newMetrics(l *Log) *metrics {
	m := &metrics{to: l.opts.Registerer}
	gauge := func(name, help string) prometheus.Gauge {
		return added(m, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
	}
	counter := func(name, help string) prometheus.Counter {
		return added(m, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
	}
	value := func(name, help string, f func() float64) {
		added(m, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	value("bellhop_log_first_sequence", "Sequence of the first record that has not been trimmed.", func() float64 {
		first, _ := l.Bounds()
		return float64(first)
	})
	value("bellhop_log_last_sequence", "Sequence of the last record that is stored.", func() float64 {
		_, last := l.Bounds()
		return float64(last)
	})
	value("bellhop_log_pending", "Appends that are under way.", func() float64 { return float64(l.intake.pending()) })
	m.bytes = gauge("bellhop_log_bytes", "Bytes of the records that are kept.")
	m.writable = gauge("bellhop_log_writable", "Whether the log can be written, 1 or 0.")
	m.writable.Set(1)
	m.appends = counter("bellhop_log_appends_total", "Records that were stored.")
	m.reopens = counter("bellhop_log_reopens_total", "Attempts to open the log anew inside the process, after it could not be written.")
	m.unreadable = counter("bellhop_log_unreadable_total", "Records that a reader passed over because they are damaged.")
	m.seconds = added(m, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "bellhop_log_append_seconds",
		Help:    "Time from the taking of a record to its being stored.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10),
	}))
	return m
}

func added[C prometheus.Collector](m *metrics, c C) C {
	m.all = append(m.all, c)
	return c
}

// register registers all or none.
func (m *metrics) register() error {
	if m.to == nil {
		return nil
	}
	for i, c := range m.all {
		if err := m.to.Register(c); err != nil {
			m.all = m.all[:i]
			m.unregister()
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister() {
	if m.to == nil {
		return
	}
	for _, c := range m.all {
		m.to.Unregister(c)
	}
}
