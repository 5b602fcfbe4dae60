package main

import (
	"slices"
	"sync"
	"time"
)

// meter counts the calls to one upstream, as the gateway sees them. What the
// Session sees (queue, connections, breaker) is in its Snapshot.
type meter struct {
	mu     sync.Mutex
	now    tally
	recent []time.Duration // of the latest calls that were not cut off
	next   int             // where in recent the next one goes
}

// tally is what a meter has counted up to a moment.
type tally struct {
	calls    int // that ended
	errors   int // of which failed
	cutOff   int // of which the breaker let none through
	inFlight int
}

// latest is how many calls the percentiles are taken over.
const latest = 2048

func (m *meter) begin() time.Time {
	m.mu.Lock()
	m.now.inFlight++
	m.mu.Unlock()
	return time.Now()
}

// end counts a call that ended in one of a part's states and returns how long it took.
func (m *meter) end(began time.Time, state string) time.Duration {
	took := time.Since(began)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.inFlight--
	m.now.calls++
	switch state {
	case stateOpen:
		m.now.cutOff++
		return took // next to nothing, and would hide the rest
	case stateErr:
		m.now.errors++
	}
	if len(m.recent) < latest {
		m.recent = append(m.recent, took)
	} else {
		m.recent[m.next] = took
		m.next = (m.next + 1) % latest
	}
	return took
}

// read returns the counts, and the median and 99th percentile of the latest calls.
func (m *meter) read() (t tally, p50, p99 time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.recent) == 0 {
		return m.now, 0, 0
	}
	sorted := slices.Sorted(slices.Values(m.recent))
	return m.now, sorted[len(sorted)/2], sorted[len(sorted)*99/100]
}
