package pool

import (
	"errors"
	"math"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Instant is a moment: nanoseconds since the scheduler started.
type Instant int64

func (t Instant) Since(from Instant) time.Duration { return time.Duration(t - from) }

// Add is the moment d later; what would be beyond all numbers is never.
func (t Instant) Add(d time.Duration) Instant {
	if d > time.Duration(Never-t) {
		return Never
	}
	return t + Instant(d)
}

// Outcome is what an exchange, or a dial, says about its origin.
type Outcome uint8

const (
	OutcomeNeutral Outcome = iota // nothing: the caller's doing, or this machine's
	OutcomeOK
	OutcomeFailed
	OutcomeLate // its caller's deadline came first: pace.judge decides
)

var (
	errFailed   = errors.New("failed")
	errExcluded = errors.New("excluded")
)

// probe reports the outcome of a request that was let through in half-open.
type probe func(error)

// settle tells gobreaker how the probe ended; a nil probe has nothing to tell.
func (p probe) settle(out Outcome) {
	if p == nil {
		return
	}
	switch out {
	case OutcomeOK:
		p(nil)
	case OutcomeFailed:
		p(errFailed)
	default:
		p(errExcluded) // makes room for another probe
	}
}

// breaker cuts an origin off. gobreaker keeps the state; the counts are the
// origin's own, because gobreaker's Allow and done cost an allocation each time
// and lose what ends in a later window than it began. So while closed it hears
// of failures only, as they happen, and asks these counts whether to trip. In
// half-open its two steps span the request. How long it stays open is timed here,
// since gobreaker looks at a clock of its own.
//
//	state      event                       next       effect
//	closed     failure, thresholds passed  open       all who wait are held or rejected (hold.go)
//	open       call                        open       held or rejected
//	open       call, OpenFor over          half-open  let through as a probe
//	half-open  call, Probes under way      half-open  held or rejected
//	half-open  Probes succeeded            closed     counts start anew
//	half-open  a probe failed              open       as before, for OpenFor again
type breaker struct {
	cfg   Breaker
	gate  *gobreaker.TwoStepCircuitBreaker[any] // nil: disabled
	state gobreaker.State                       // as OnStateChange last said
	until Instant                               // open: when the next call probes

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
		Timeout:     time.Nanosecond, // over when admit asks again
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

// closed is so for a disabled breaker too.
func (b *breaker) closed() bool { return b.state == gobreaker.StateClosed }

func (b *breaker) open() bool { return b.state == gobreaker.StateOpen }

// admit decides over a new call. In half-open it returns a probe, to be settled.
func (b *breaker) admit(now Instant) (probe, error) {
	if b.closed() {
		return nil, nil
	}
	if b.open() && now < b.until {
		return nil, ErrCircuitOpen
	}
	done, err := b.gate.Allow()
	if err != nil {
		return nil, ErrCircuitOpen
	}
	return func(err error) {
		if !b.open() { // else another probe has failed: this one is of the past, and done would start the next half-open
			done(err)
		}
	}, nil
}

// report takes in how an exchange or a dial ended. p is its probe, if it was one. It
// tells whether that has opened the breaker.
func (b *breaker) report(now Instant, out Outcome, p probe) (opened bool) {
	was := b.state
	switch {
	case p != nil:
		p.settle(out)
	case out == OutcomeNeutral || b.gate == nil || !b.closed():
		return false // what began before the breaker opened says nothing new
	case out == OutcomeOK:
		b.window.add(now, false)
		b.row = 0
		return false
	default:
		b.window.add(now, true)
		b.row++
		if done, err := b.gate.Allow(); err == nil {
			done(errFailed)
		}
	}
	if opened = b.open() && was != b.state; opened {
		b.until = now.Add(max(b.cfg.OpenFor, 2*time.Nanosecond)) // past gobreaker's own, be the clock that of a test
	}
	return opened
}

// tripped tells whether the counts pass a threshold.
func (b *breaker) tripped() bool {
	if b.cfg.Failures > 0 && b.row >= b.cfg.Failures {
		return true
	}
	all, failed := b.window.all, b.window.failed
	return b.cfg.Ratio > 0 && all >= b.cfg.MinRequests && float64(failed) >= b.cfg.Ratio*float64(all)
}

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

func (w *window) add(now Instant, failed bool) {
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
func (w *window) roll(now Instant) {
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
