package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// upstream is one of those that are asked for each answer.
type upstream struct {
	name   string // its part's name in the answer
	url    string
	origin string // as Session.Snapshot calls it
	shown  string // the URL without user info
	meter  meter
}

// The states of a part.
const (
	stateOK   = "ok"
	stateErr  = "error"
	stateOpen = "circuit open" // not asked: the breaker has cut the upstream off
)

// part is what came of asking one upstream.
type part struct {
	State string          `json:"state"`
	Error string          `json:"error,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
	Took  float64         `json:"ms"`
}

// answer is all parts merged.
type answer struct {
	Complete bool            `json:"complete"` // every part is ok
	Parts    map[string]part `json:"parts"`
}

// gateway asks all its upstreams for each request. One Session serves them all: it
// keeps their connections and cuts off the ones that fail.
type gateway struct {
	session   *api.Session
	upstreams []*upstream
	deadline  time.Duration
}

// ServeHTTP answers with what the upstreams gave within the deadline: 200 if any
// did, 502 if none.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The request's context ends when the client leaves: so do the calls upstream.
	ctx, cancel := context.WithTimeout(r.Context(), g.deadline)
	defer cancel()

	parts := make([]part, len(g.upstreams))
	var wg sync.WaitGroup
	for i, u := range g.upstreams {
		wg.Go(func() { parts[i] = g.fetch(ctx, u) })
	}
	wg.Wait() // the deadline bounds it

	status, a := merge(g.upstreams, parts)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(a)
}

// fetch asks one upstream.
func (g *gateway) fetch(ctx context.Context, u *upstream) part {
	began := u.meter.begin()
	p := part{State: stateOK}
	data, err := g.get(ctx, u.url)
	switch {
	case errors.Is(err, api.ErrCircuitOpen):
		p.State, p.Error = stateOpen, err.Error()
	case err != nil:
		p.State, p.Error = stateErr, err.Error()
	default:
		p.Data = data
	}
	p.Took = float64(u.meter.end(began, p.State).Microseconds()) / 1000
	return p
}

func (g *gateway) get(ctx context.Context, url string) (json.RawMessage, error) {
	resp, err := g.session.Get(ctx, url, api.Headers{"Accept": "application/json"})
	if err != nil {
		return nil, err
	}
	defer resp.Release() // what is kept of it is copied first
	if err := resp.Err(); err != nil {
		return nil, err
	}
	if !json.Valid(resp.Content()) {
		return nil, errors.New("the upstream's answer is not JSON")
	}
	return bytes.Clone(resp.Content()), nil
}

// merge makes one answer of the parts.
func merge(upstreams []*upstream, parts []part) (status int, a answer) {
	a = answer{Complete: true, Parts: make(map[string]part, len(parts))}
	status = http.StatusBadGateway
	for i, p := range parts {
		a.Parts[upstreams[i].name] = p
		if p.State == stateOK {
			status = http.StatusOK
		} else {
			a.Complete = false
		}
	}
	return status, a
}
