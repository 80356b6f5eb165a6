//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// A table is what all runs of all scenarios came to.
type table struct{ rows []*row }

// A row is one figure over all runs.
type row struct {
	scenario string
	figure
	values, besides, ratios []float64
}

// add takes in the figures of a run.
func (t *table) add(scenario string, figures []figure) {
	for _, f := range figures {
		r := t.row(scenario, f)
		r.values = append(r.values, f.value)
		if !math.IsNaN(f.beside) {
			r.besides = append(r.besides, f.beside)
			r.ratios = append(r.ratios, f.value/f.beside)
		}
	}
}

func (t *table) row(scenario string, f figure) *row {
	i := slices.IndexFunc(t.rows, func(r *row) bool { return r.scenario == scenario && r.name == f.name })
	if i < 0 {
		i = len(t.rows)
		t.rows = append(t.rows, &row{scenario: scenario, figure: f})
	}
	return t.rows[i]
}

// print writes the medians. That of the ratios is of the runs' own, each with
// both sides from the same minute.
func (t *table) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "scenario\tfigure\tgateway\tbeside it\tratio\taim\truns")
	for _, r := range t.rows {
		fmt.Fprintf(tw, "%s\t%s\t%.4g %s\t", r.scenario, r.name, median(r.values), r.unit)
		if len(r.besides) > 0 {
			fmt.Fprintf(tw, "%.4g %s (%s)\t%.2f", median(r.besides), r.unit, r.what, median(r.ratios))
		} else {
			fmt.Fprint(tw, "\t")
		}
		fmt.Fprintf(tw, "\t%s\t%d\n", r.aim, len(r.values))
	}
	return tw.Flush()
}

// median returns the middle of at least one value, of two the mean.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
