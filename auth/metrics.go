package auth

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Values of the label result.
const (
	resultValid       = "valid"
	resultInvalid     = "invalid"
	resultUnavailable = "unavailable"
	resultDone        = "done"
	resultFailed      = "failed"
)

type metrics struct {
	valid, invalid, unavailable prometheus.Counter // tokens judged
	fetches                     *prometheus.CounterVec
}

// newMetrics registers on r, which may be nil.
func newMetrics(r prometheus.Registerer, revocations func() int) *metrics {
	factory := promauto.With(r)
	tokens := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "bellhop_auth_tokens_total",
		Help: "Tokens judged, by result.",
	}, []string{"result"})
	m := &metrics{
		valid:       tokens.WithLabelValues(resultValid),
		invalid:     tokens.WithLabelValues(resultInvalid),
		unavailable: tokens.WithLabelValues(resultUnavailable),
		fetches: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "bellhop_auth_key_fetches_total",
			Help: "Fetches of key sets, by result.",
		}, []string{"result"}),
	}
	for _, result := range []string{resultDone, resultFailed} {
		m.fetches.WithLabelValues(result)
	}
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bellhop_auth_revocations",
		Help: "Revocations in memory.",
	}, func() float64 { return float64(revocations()) })
	return m
}
