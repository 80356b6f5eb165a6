package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unique"

	"bellhop/auth"
)

// A visit is one connection of a guest: what it asked for and all that it heard.
type visit struct {
	view     *view
	resume   string    // the Last-Event-ID; empty for none
	since    time.Time // zero for none
	snapshot bool
	token    string // as the gateway was given it
	subject  string
	short    bool // the token expires soon

	status   int    // of the response, 0 for none
	begun    uint64 // the log's first sequence when it was asked
	from, to uint64 // the log's end lay between them when the stream began
	blocks   []heard
	torn     string // behind the last block
	left     bool   // the guest itself ended it, or part of it
	err      error  // what reading ended with
	caught   bool   // it has been told that it has everything
}

// heard is a block that was received. Its text, which most blocks share with those
// of other visits, is kept once.
type heard struct {
	retry, id, event string
	text             unique.Handle[string]
}

// A guest comes again and again, and goes on from what it heard last.
type guest struct {
	*stay
	number  int
	view    *view
	door    entrance
	random  *rand.Rand
	crowded bool   // shares a subject with others
	last    string // the last id that it has heard
	visits  []*visit
}

// wander visits in all manners until ctx ends.
func (g *guest) wander(ctx context.Context) {
	end, _ := ctx.Deadline()
	for ctx.Err() == nil {
		m := fickle(g.random)
		m.within = min(m.within, time.Until(end))
		g.pay(g.drawVisit(), m, func(heard) {})
	}
}

// catchUp visits until it has been given everything up to the last of the marks,
// and stays to the end.
func (g *guest) catchUp(ctx context.Context, marks []*mark) {
	defer func() {
		for _, m := range marks { // whatever comes, nobody waits for it in vain
			m.reached.Done()
		}
	}()
	for ctx.Err() == nil && !g.Failed() {
		v := &visit{view: g.view, subject: g.subject(), resume: g.last}
		g.pay(v, steady(), func(h heard) {
			if len(marks) > 0 && h.event == "bellhop.heartbeat" && h.id == marks[0].id {
				marks[0].reached.Done()
				if g.number%4 < 2 {
					<-marks[0].goOn
				}
				marks = marks[1:]
				v.caught = len(marks) == 0
			}
		})
		if v.caught {
			return
		}
	}
	if !g.Failed() {
		g.Errorf("%s did not catch up", g)
	}
}

// subject returns who the guest is to the gateway.
func (g *guest) subject() string { return fmt.Sprint("guest-", g.number) }

// drawVisit draws what is asked for: mostly to go on, from the last id or from an
// older one, at times something that leads nowhere or nothing.
func (g *guest) drawVisit() *visit {
	v := &visit{view: g.view, subject: g.subject(), short: oneIn(g.random, 5)}
	if g.crowded {
		v.subject = crowd
	}
	_, end := g.log.Bounds()
	switch g.random.IntN(20) {
	case 0, 1:
	case 2:
		v.resume = of(g.random, "e9.7", "nonsense", "e1.-1", "e1.", fmt.Sprint("e1.", end+1_000_000))
	case 3, 4:
		v.resume = fmt.Sprint("e1.", end-min(end, uint64(g.random.IntN(3000))))
	case 5:
		v.resume = fmt.Sprint("e1.", g.random.Uint64N(end+1))
	case 6:
		v.resume = fmt.Sprint("e1.", end)
	default:
		v.resume = g.last
	}
	switch g.random.IntN(6) {
	case 0, 1:
		v.snapshot = true
	case 2:
		v.since = time.Now().Add(-time.Duration(g.random.IntN(int(time.Second)))).UTC()
	}
	return v
}

func (g *guest) request(v *visit) (*http.Request, error) {
	expires := time.Now().Add(time.Hour)
	if v.short {
		expires = time.Now().Add(2*time.Second - leeway)
	}
	var err error
	v.token, err = auth.Mint(secret, auth.Claims{
		Issuer: issuer, Audience: audience, Subject: v.subject, ID: fmt.Sprint(minted.Add(1)), Expires: expires, Grants: v.view.grants(),
	})
	if err != nil {
		return nil, err
	}
	query := v.view.request()
	if v.snapshot {
		query += "&snapshot=true"
	}
	if !v.since.IsZero() {
		query += "&since=" + url.QueryEscape(v.since.Format(time.RFC3339Nano))
	}
	scheme := "http"
	if g.door.config != nil {
		scheme = "https"
	}
	r, err := http.NewRequest("GET", scheme+"://"+g.door.address+"/events?"+strings.TrimPrefix(query, "&"), nil)
	if err != nil {
		return nil, err
	}
	r.Header = get("", bearer(v.token)).header
	if v.resume != "" {
		r.Header.Set("Last-Event-ID", v.resume)
	}
	return r, nil
}

// pay makes a visit, and calls each with every block.
func (g *guest) pay(v *visit, m manner, each func(heard)) {
	w, err := dialWhim(g.door.address, m, rand.New(rand.NewPCG(g.random.Uint64(), 0)))
	if err != nil {
		g.Errorf("%s: %v", g, err)
		return
	}
	defer w.Close()
	r, err := g.request(v)
	if err != nil {
		g.Errorf("%s: %v", g, err)
		return
	}
	g.visits = append(g.visits, v)
	g.presented(g.number, v.token)
	v.begun, _ = g.log.Bounds()
	v.from = g.hub.Head()
	response, err := g.door.ask(r, w)
	if err != nil {
		v.left, v.err = w.left.Load(), err
		return
	}
	defer response.Body.Close()
	if v.status = response.StatusCode; v.status != http.StatusOK {
		return
	}
	g.hear(v, response.Body, each)
	v.left = w.left.Load()
}

// hear reads to the end.
func (g *guest) hear(v *visit, body io.Reader, each func(heard)) {
	blocks := newBlockReader(body)
	for {
		b, err := blocks.next()
		if err != nil {
			if v.torn, v.err = b.text, err; b.text != "" && !errors.Is(err, errTorn) {
				g.Errorf("%s: %v", g, err)
			}
			return
		}
		if len(v.blocks) == 0 {
			_, v.to = g.log.Bounds()
		}
		h := heard{b.retry, b.id, b.event, unique.Make(b.text)}
		v.blocks = append(v.blocks, h)
		if h.id != "" {
			g.last = h.id
		}
		each(h)
	}
}

func (g *guest) String() string {
	return fmt.Sprintf("guest %d (%s, %s)", g.number, g.door.name, g.view.name)
}
