package mews

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// pastMetrics count, for all Mews sources of a process, what is read of the past
// and of the entities of events.
type pastMetrics struct {
	rowsRead, rowsLogged *prometheus.CounterVec
	notPermitted         *prometheus.CounterVec
	running, inbox       *prometheus.GaugeVec
	enrichments          *prometheus.CounterVec
	enrichTime           *prometheus.HistogramVec
}

func newPastMetrics(r prometheus.Registerer) pastMetrics {
	register := promauto.With(r)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"source"}, labels...))
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return register.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"source"})
	}
	return pastMetrics{
		rowsRead:     counter("bellhop_backfill_rows_total", "Entities read as backfill.", "type"),
		rowsLogged:   counter("bellhop_backfill_logged_total", "Events that backfilled entities became.", "type"),
		notPermitted: counter("bellhop_backfill_refused_total", "Reads that the token is not permitted, or that were refused.", "type"),
		running:      gauge("bellhop_backfill_running", "Whether what was missed, or the present state, is being read."),
		inbox:        gauge("bellhop_inbox_entries", "Frames in the inbox of which not all events are in the log."),
		enrichments:  counter("bellhop_enrich_events_total", "Events that waited for their entities, by how they came to them.", "type", "outcome"),
		enrichTime: register.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bellhop_enrich_wait_seconds", Help: "Time that events waited for their entities.",
			Buckets: []float64{.05, .1, .2, .5, 1, 2, 5, 10},
		}, []string{"source", "type"}),
	}
}

// past are the series of one source, all there from the start.
type past struct {
	rowsRead, rowsLogged, notPermitted map[string]prometheus.Counter
	running, inbox                     prometheus.Gauge
	enrichments                        map[enrichLabels]prometheus.Counter
	enrichTime                         map[string]prometheus.Observer
}

type enrichLabels struct {
	typ  string
	came enrichment
}

func (m pastMetrics) of(source string) past {
	p := past{
		rowsRead:     make(map[string]prometheus.Counter),
		rowsLogged:   make(map[string]prometheus.Counter),
		notPermitted: make(map[string]prometheus.Counter),
		running:      m.running.WithLabelValues(source),
		inbox:        m.inbox.WithLabelValues(source),
		enrichments:  make(map[enrichLabels]prometheus.Counter),
		enrichTime:   make(map[string]prometheus.Observer),
	}
	for _, typ := range rowTypes {
		p.rowsRead[typ] = m.rowsRead.WithLabelValues(source, typ)
		p.rowsLogged[typ] = m.rowsLogged.WithLabelValues(source, typ)
		p.notPermitted[typ] = m.notPermitted.WithLabelValues(source, typ)
		p.enrichTime[typ] = m.enrichTime.WithLabelValues(source, typ)
		for _, came := range enrichments {
			p.enrichments[enrichLabels{typ, came}] = m.enrichments.WithLabelValues(source, typ, string(came))
		}
	}
	return p
}

func (p past) row(typ string)       { p.rowsRead[typ].Inc() }
func (p past) logged(typ string)    { p.rowsLogged[typ].Inc() }
func (p past) forbidden(typ string) { p.notPermitted[typ].Inc() }

func (p past) reads(on bool) {
	if on {
		p.running.Set(1)
	} else {
		p.running.Set(0)
	}
}

func (p past) inboxHolds(entries int) { p.inbox.Set(float64(entries)) }

func (p past) enriched(typ string, came enrichment, waited time.Duration) {
	p.enrichments[enrichLabels{typ, came}].Inc()
	p.enrichTime[typ].Observe(waited.Seconds())
}
