package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// upstreams makes them of the URLs, or starts the embedded ones where there are
// none. The farm is to be closed whatever the error.
func upstreams(o options, cycle time.Duration) ([]*upstream, *farm, error) {
	f := &farm{network: o.network, stop: make(chan struct{})}
	if len(o.upstreams) == 0 {
		all, err := f.startAll(cycle)
		return all, f, err
	}
	var all []*upstream
	for i, s := range o.upstreams {
		u, err := newUpstream(fmt.Sprintf("up%d", i+1), s)
		if err != nil {
			return nil, f, err
		}
		all = append(all, u)
	}
	return all, f, nil
}

func newUpstream(name, at string) (*upstream, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, errors.New("an upstream's URL can't be read") // err would show a password
	}
	up := &upstream{name: name, url: at, origin: origin(u)}
	u.User = nil
	up.shown = u.String()
	return up, nil
}

// origin names what shares connections and a breaker, as a Snapshot does.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)
}

// startAll starts the embedded upstreams: one that answers at once, one that takes
// its time, and one that dies for the second third, more or less, of each cycle.
func (f *farm) startAll(cycle time.Duration) ([]*upstream, error) {
	var all []*upstream
	for _, s := range []struct {
		name    string
		handler http.HandlerFunc
	}{{"fast", fast}, {"slow", slow()}, {"flaky", fast}} {
		at, err := f.start(s.name, s.handler)
		if err != nil {
			return nil, err
		}
		u, err := newUpstream(s.name, at)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	f.outages(f.doors[2], cycle)
	return all, nil
}

func fast(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"path":%q,"at":%q}`, r.URL.Path, time.Now().Format(time.RFC3339Nano))
}

// slow takes 20 to 60 ms, and one time in a hundred longer than the deadline.
func slow() http.HandlerFunc {
	var asked atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		wait := time.Duration(20+(n*17)%41) * time.Millisecond
		if n%100 == 0 {
			wait = 2 * deadline
		}
		select {
		case <-time.After(wait):
			fast(w, r)
		case <-r.Context().Done(): // the gateway has given up
		}
	}
}
