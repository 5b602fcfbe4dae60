package actors

import (
	"errors"
	"math"
	"time"

	"github.com/sony/gobreaker/v2"
)

// instant is a moment: nanoseconds since the scheduler started.
type instant int64

func (t instant) since(from instant) time.Duration { return time.Duration(t - from) }

// add is the moment d later; what would be beyond all numbers is never.
func (t instant) add(d time.Duration) instant {
	if d > time.Duration(never-t) {
		return never
	}
	return t + instant(d)
}

// outcome is what an exchange, or a dial, says about its origin.
type outcome uint8

const (
	outcomeNeutral outcome = iota // nothing: the caller's doing, or this machine's
	outcomeOK
	outcomeFailed
)

var (
	errFailed   = errors.New("failed")
	errExcluded = errors.New("excluded")
)

// probe reports the outcome of a request that was let through in half-open.
type probe func(error)

// settle tells gobreaker how the probe ended; a nil probe has nothing to tell.
func (p probe) settle(out outcome) {
	if p == nil {
		return
	}
	switch out {
	case outcomeOK:
		p(nil)
	case outcomeFailed:
		p(errFailed)
	default:
		p(errExcluded) // makes room for another probe
	}
}

// breaker cuts an origin off. gobreaker keeps the state; the counts are the
// origin's own, because gobreaker's Allow and done cost an allocation each time
// and lose what ends in a later window than it began. So while closed it hears
// of failures only, as they happen, and asks these counts whether to trip. In
// half-open its two steps span the request.
//
//	state      event                       next       effect
//	closed     failure, thresholds passed  open       all who wait are rejected
//	open       call                        open       rejected
//	open       call, OpenFor over          half-open  let through as a probe
//	half-open  call, Probes under way      half-open  rejected
//	half-open  Probes succeeded            closed     counts start anew
//	half-open  a probe failed              open       rejected for OpenFor again
type breaker struct {
	cfg   Breaker
	gate  *gobreaker.TwoStepCircuitBreaker[any] // nil: disabled
	state gobreaker.State                       // as OnStateChange last said

	row     int // failures in a row
	window  window
	changed func(from, to gobreaker.State)
}

func newBreaker(cfg Breaker, name string, changed func(from, to gobreaker.State)) *breaker {
	b := &breaker{cfg: cfg, changed: changed, window: newWindow(cfg.Window)}
	if cfg.Disabled {
		return b
	}
	b.gate = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name:        name,
		MaxRequests: uint32(min(cfg.Probes, math.MaxInt32)),
		Timeout:     cfg.OpenFor,
		// Asked under gobreaker's lock: only our own counts may be read here.
		ReadyToTrip:   func(gobreaker.Counts) bool { return b.tripped() },
		OnStateChange: b.onStateChange,
		IsExcluded:    func(err error) bool { return err == errExcluded },
	})
	return b
}

func (b *breaker) onStateChange(_ string, from, to gobreaker.State) {
	b.state = to
	if to == gobreaker.StateClosed {
		b.row = 0
		b.window.clear()
	}
	if b.changed != nil {
		b.changed(from, to)
	}
}

// admit decides over a new call. In half-open it returns a probe, to be settled.
func (b *breaker) admit() (probe, error) {
	if b.state == gobreaker.StateClosed { // the hot path, and a disabled breaker
		return nil, nil
	}
	done, err := b.gate.Allow()
	if err != nil {
		return nil, ErrCircuitOpen
	}
	return done, nil
}

// report takes in how an exchange or a dial ended. p is its probe, if it was one.
func (b *breaker) report(now instant, out outcome, p probe) {
	if p != nil {
		p.settle(out)
		return
	}
	if out == outcomeNeutral || b.gate == nil || b.state != gobreaker.StateClosed {
		return // what began before the breaker opened says nothing new
	}
	b.window.add(now, out == outcomeFailed)
	if out == outcomeOK {
		b.row = 0
		return
	}
	b.row++
	if done, err := b.gate.Allow(); err == nil {
		done(errFailed)
	}
}

// tripped tells whether the counts pass a threshold.
func (b *breaker) tripped() bool {
	if b.cfg.Failures > 0 && b.row >= b.cfg.Failures {
		return true
	}
	all, failed := b.window.all, b.window.failed
	return b.cfg.Ratio > 0 && all >= b.cfg.MinRequests && float64(failed) >= b.cfg.Ratio*float64(all)
}

func (b *breaker) open() bool { return b.state == gobreaker.StateOpen }

func (b *breaker) String() string {
	if b.gate == nil {
		return "disabled"
	}
	return b.state.String()
}

// window counts what ended within the last span, in tenths of it.
type window struct {
	span        time.Duration // of one tenth
	slots       [10]tally
	at          int64 // number of the tenth being filled
	all, failed int   // sums over slots
}

type tally struct{ all, failed int }

func newWindow(span time.Duration) window { return window{span: max(span/10, 1)} }

func (w *window) clear() { *w = window{span: w.span, at: w.at} }

func (w *window) add(now instant, failed bool) {
	w.roll(now)
	s := &w.slots[w.at%int64(len(w.slots))]
	s.all++
	w.all++
	if failed {
		s.failed++
		w.failed++
	}
}

// roll drops what has left the window.
func (w *window) roll(now instant) {
	at := int64(now) / int64(w.span)
	if at == w.at {
		return
	}
	if at-w.at >= int64(len(w.slots)) {
		w.clear()
		w.at = at
		return
	}
	for w.at < at {
		w.at++
		s := &w.slots[w.at%int64(len(w.slots))]
		w.all -= s.all
		w.failed -= s.failed
		*s = tally{}
	}
}
