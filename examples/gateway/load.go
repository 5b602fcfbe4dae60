package main

import (
	"context"
	"sync"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// load sends requests to the gateway at a steady rate, whether or not the earlier
// ones are answered, through a Session of its own.
type load struct {
	session  *api.Session
	url      string
	rps      int
	patience time.Duration // with one answer
	meter    meter

	mu       sync.Mutex
	complete int
	partial  int
	failed   int    // no answer, or none that had any part
	failure  string // the first of them
}

func newLoad(url string, o options) (*load, error) {
	// Nothing to cut off here: the other end is this program.
	s, err := api.NewSession(api.Config{Driver: o.network.driver, Breaker: api.Breaker{Disabled: true}})
	if err != nil {
		return nil, err
	}
	return &load{session: s, url: url + "/", rps: o.rps, patience: o.patience}, nil
}

// drive sends until ctx ends, and waits for the answers under way.
func (l *load) drive(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for due := int(now.Sub(began).Seconds() * float64(l.rps)); sent < due; sent++ {
				wg.Go(l.ask)
			}
		}
	}
}

// ask sends one request, which outlives the run's end: it is to be answered.
func (l *load) ask() {
	began := l.meter.begin()
	var a answer
	resp, err := l.session.Get(context.Background(), l.url, api.Timeout(l.patience))
	if err == nil {
		if err = resp.Err(); err == nil {
			err = resp.JSON(&a)
		}
		resp.Release()
	}
	state := stateOK
	if err != nil {
		state = stateErr
	}
	l.meter.end(began, state)
	l.count(a, err)
}

func (l *load) count(a answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.failed++
		if l.failure == "" {
			l.failure = err.Error()
		}
	case a.Complete:
		l.complete++
	default:
		l.partial++
	}
}

// counts are the answers so far.
func (l *load) counts() (complete, partial, failed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.complete, l.partial, l.failed
}

// merged is how many answers had at least one part.
func (l *load) merged() int {
	complete, partial, _ := l.counts()
	return complete + partial
}
