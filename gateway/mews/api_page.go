package mews

import (
	"context"
	"errors"
	"maps"
)

// page is one answer of a listing.
type page struct {
	rows  []row
	items int    // rows that there were, bad ones too
	next  string // the cursor of the next page; empty after the last
}

// request returns the body of a request for count rows from a cursor on.
func (l listing) request(count int, from string) params {
	limitation := map[string]any{"Count": count}
	if from != "" {
		limitation["Cursor"] = from
	}
	body := maps.Clone(l.body)
	if body == nil {
		body = params{}
	}
	body["Limitation"] = limitation
	return body
}

// page reads one page. A bad row is counted and passed over.
func (a *api) page(ctx context.Context, r request, l listing) (p page, err error) {
	var items [][]byte
	err = a.call(ctx, r, func(answer []byte) (err error) {
		items, p.next, err = readPage(answer, l.list)
		return err
	})
	if err != nil {
		return page{}, err
	}
	p.items = len(items)
	for _, item := range items {
		row, o := newRow(l.typ, item)
		a.metrics.row(l.typ, o)
		if o == accepted {
			p.rows = append(p.rows, row)
		} else {
			a.troubles.Do(func() { a.log.Warn("api row refused", "operation", l.op, "reason", string(o), "bytes", len(item)) })
		}
	}
	return p, nil
}

// readPage returns the rows' texts and the next page's cursor of an answer, which
// is a valid JSON object.
func readPage(answer []byte, list string) (items [][]byte, next string, err error) {
	v := pick(answer, list, "Cursor")
	switch kind(v[0]) {
	case "array":
	case "null": // of what was not asked for, or was not there
		return nil, "", nil
	default:
		return nil, "", errors.New("no list of rows")
	}
	c := &cursor{text: v[0]}
	err = c.array(func() error {
		item, err := c.value()
		items = append(items, item)
		return err
	})
	switch kind(v[1]) {
	case "string":
		next = unquote(v[1])
	case "null", "absent":
	default:
		err = errors.New("no cursor")
	}
	return items, next, err
}
