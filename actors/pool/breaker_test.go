package pool

import (
	"math"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
)

func TestBreakerRatioNeedsItsMinimum(t *testing.T) {
	cfg := Breaker{Failures: -1, Ratio: 0.5, MinRequests: 4, Window: 10 * time.Second}.withDefaults()
	b := newBreaker(cfg, "x", nil)
	for i, out := range []Outcome{OutcomeFailed, OutcomeOK, OutcomeFailed} {
		if b.report(0, out, nil); b.open() {
			t.Fatalf("open after %d of the 4 requests it needs", i+1)
		}
	}
	if b.report(0, OutcomeFailed, nil); !b.open() {
		t.Error("closed with 3 of 4 failed")
	}
}

func TestBreakerForgetsWhatLeftTheWindow(t *testing.T) {
	cfg := Breaker{Failures: -1, Ratio: 0.5, MinRequests: 4, Window: 10 * time.Second}.withDefaults()
	b := newBreaker(cfg, "x", nil)
	for range 3 {
		b.report(0, OutcomeFailed, nil)
	}
	later := Instant(0).Add(10 * time.Second)
	if b.report(later, OutcomeFailed, nil); b.open() {
		t.Error("open by failures older than the window")
	}
	if b.window.all != 1 || b.window.failed != 1 {
		t.Errorf("the window holds %d, %d failed; want the last one only", b.window.all, b.window.failed)
	}
}

// gobreaker alone never trips on failures that take longer than its interval.
func TestBreakerTripsOnFailuresSlowerThanTheWindow(t *testing.T) {
	cfg := Breaker{Failures: 3, Window: time.Second}.withDefaults()
	b := newBreaker(cfg, "x", nil)
	var now Instant
	for range 3 {
		now = now.Add(5 * time.Second)
		b.report(now, OutcomeFailed, nil)
	}
	if !b.open() {
		t.Error("three failures in a row did not open it")
	}
}

func TestBreakerStates(t *testing.T) {
	var seen []string
	cfg := Breaker{Failures: 1, OpenFor: 5 * time.Second, Probes: 2}.withDefaults()
	b := newBreaker(cfg, "x", func(_, to gobreaker.State) { seen = append(seen, to.String()) })
	b.report(0, OutcomeFailed, nil)
	at := Instant(0).Add(cfg.OpenFor)
	if _, err := b.admit(at - 1); err != ErrCircuitOpen {
		t.Fatalf("open: admitted with %v", err)
	}
	first, err1 := b.admit(at)
	second, err2 := b.admit(at)
	_, err3 := b.admit(at)
	if err1 != nil || err2 != nil || err3 != ErrCircuitOpen {
		t.Fatalf("half-open with 2 probes: %v, %v, %v", err1, err2, err3)
	}
	b.report(at, OutcomeNeutral, first) // left without a result: another may go
	third, err := b.admit(at)
	if err != nil {
		t.Fatalf("the place of a neutral probe was not free: %v", err)
	}
	b.report(at, OutcomeFailed, nil) // what began before says nothing now
	b.report(at, OutcomeOK, second)
	b.report(at, OutcomeOK, third)
	if b.state != gobreaker.StateClosed || b.row != 0 {
		t.Errorf("after 2 good probes: %v, %d failures in a row", b, b.row)
	}
	if got := len(seen); got != 3 {
		t.Errorf("told of %v", seen)
	}
}

// Of two probes one fails: how the other ends says nothing, and the breaker stays open
// for all of OpenFor.
func TestBreakerLateProbe(t *testing.T) {
	cfg := Breaker{Failures: 1, OpenFor: 5 * time.Second, Probes: 2}.withDefaults()
	for _, late := range []Outcome{OutcomeNeutral, OutcomeOK, OutcomeFailed} {
		b := newBreaker(cfg, "x", nil)
		b.report(0, OutcomeFailed, nil)
		at := Instant(0).Add(cfg.OpenFor)
		first, _ := b.admit(at)
		second, _ := b.admit(at)
		if !b.report(at, OutcomeFailed, first) || b.report(at+1, late, second) {
			t.Error("not opened by the first, or opened by the second")
		}
		again := at.Add(cfg.OpenFor)
		if _, err := b.admit(again - 1); err != ErrCircuitOpen || !b.open() {
			t.Errorf("after a probe that failed and one that ended with %d: %v, %v", late, b, err)
		}
		if p, err := b.admit(again); p == nil || err != nil {
			t.Errorf("no probe after OpenFor: %v", err)
		}
	}
}

func TestInstantsSaturate(t *testing.T) {
	for _, c := range []struct {
		from Instant
		d    time.Duration
		want Instant
	}{
		{5, math.MaxInt64, Never}, {0, math.MaxInt64, Never}, {Never, 1, Never}, {Never, 0, Never},
		{5, 2, 7}, {5, 0, 5}, {5, -2, 3},
	} {
		if got := c.from.Add(c.d); got != c.want {
			t.Errorf("%d + %d: %d, want %d", c.from, c.d, got, c.want)
		}
	}
}

func TestBreakerDisabled(t *testing.T) {
	b := newBreaker(Breaker{Disabled: true}.withDefaults(), "x", nil)
	for range 100 {
		b.report(0, OutcomeFailed, nil)
	}
	if p, err := b.admit(0); p != nil || err != nil || b.String() != "disabled" {
		t.Errorf("disabled: %v, %v, %v", p, err, b)
	}
}
