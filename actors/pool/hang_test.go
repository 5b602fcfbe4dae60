package pool

import (
	"context"
	"testing"
	"time"
)

func TestDialThatHangsIsNotWaitedFor(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").pass(leastHang - 1).want("dial 1").pass(1).want("dial 2")
	w.up(2).want("a gets 2").up(1).want() // which idles
	w.ask("b", "x").want("b gets 1")
}

func TestDialOfACallerWhoLeftHangs(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").leave("a").want("dial 1", "a refused: left")
	w.pass(time.Minute).want() // nobody waits
	w.ask("b", "x").want("dial 2").up(2).want("b gets 2")
}

// A process that stood still knows nothing of how long its dials took.
func TestStallIsNoDialThatHangs(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").ask("b", "x").after(2*time.Second).pass(0).want("dial 1", "dial 2").up(1).want("a gets 1")
	w.pass(leastHang).want("dial 3").up(3).want("b gets 3")

	w = newWorld(t, Config{})
	w.ask("a", "x").after(2*time.Second).ask("b", "x").want("dial 1", "dial 2").pass(leastHang-1).want().pass(1).want("dial 3", "dial 4")
}

func TestEachWhoWaitsGetsAnotherDial(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").ask("b", "x").after(time.Millisecond).ask("c", "x").want("dial 1", "dial 2", "dial 3")
	w.pass(leastHang-time.Millisecond).want("dial 4", "dial 5")
	w.up(4).want("a gets 4").up(5).want("b gets 5").pass(time.Millisecond).want("dial 6").up(6).want("c gets 6")
}

func TestDialsThatHangAreStartedEverMoreSeldom(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").want("dial 1")
	for _, next := range []time.Duration{1, 2, 4, 8, 16, 32, 32, 32} {
		w.pass(next*leastHang - 1).want().pass(1)
		if len(w.log) != 1 {
			t.Fatalf("%v after the last dial: %v", next*leastHang, w.log)
		}
		w.log = nil
	}
	w.up(5).want("a gets 5")
}

func TestDialHangsByWhatIsUsualForItsOrigin(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").after(200*time.Millisecond).up(1).want("dial 1", "a gets 1").ask("b", "x").want("dial 2")
	w.pass(800*time.Millisecond - 1).want().pass(1).want("dial 3")
	w.ask("c", "y").want("dial 4").pass(leastHang).want("dial 5") // another origin is as it is
}

func TestDialsInPlaceOfOthersKeepTheLimits(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		then []string
	}{
		"MaxDialsPerOrigin": {Config{MaxDialsPerOrigin: 2}, []string{"a gets 3", "dial 4"}},
		"MaxConnsPerOrigin": {Config{MaxConnsPerOrigin: 2}, []string{"a gets 3"}},
		"MaxConns":          {Config{MaxConns: 2}, []string{"a gets 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.cfg)
			w.ask("a", "x").ask("b", "x").pass(time.Minute).want("dial 1", "dial 2")
			w.p.stop(w.seat(1))
			w.took()
			w.log = nil
			w.gone(1, OutcomeNeutral).want("dial 3").up(3).want(c.then...).idle(3).want("b gets 3")
		})
	}
}

// For a dial in place of one that hangs an idle connection of another origin makes room,
// as for any other.
func TestDialThatHangsAtMaxConns(t *testing.T) {
	w := newWorld(t, Config{MaxConns: 2})
	w.ask("o", "other").up(1).idle(1).ask("a", "x").want("dial 1", "o gets 1", "dial 2")
	w.pass(leastHang).want("stop 1").gone(1, OutcomeNeutral).want("dial 3").up(3).want("a gets 3")
}

func TestFreshLaneDoesNotWaitForADialThatHangs(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").up(1).idle(1).after(1).ask("b", "x", lane(FreshnessNew)).want("dial 1", "a gets 1", "dial 2")
	w.pass(leastHang).want("dial 3").up(3).want("b gets 3")
}

func TestProbeDoesNotWaitForADialThatHangs(t *testing.T) {
	w := cutOff(t, Config{})
	w.pass(5*time.Second).ask("a", "x").want("breaker half-open", "dial 2").ask("b", "x").want("b refused: circuit open")
	w.pass(leastHang).want("dial 3").up(3).want("a gets 3").idle(3).want("breaker closed")
}

func TestOneShotCallHasOneDial(t *testing.T) {
	w := newWorld(t, Config{Fresh: true})
	w.ask("a", "x").pass(time.Minute).want("dial 1").up(1).want("a gets 1")
}

// A call is failed by a dial of its own time. One that began before, and times out while
// others are under way for all who wait, fails nobody.
func TestDialThatHungFailsNobodyWhoCameLater(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").leave("a").pass(9*time.Second).ask("b", "x").want("dial 1", "a refused: left", "dial 2")
	w.after(time.Millisecond).gone(1, OutcomeFailed).want().up(2).want("b gets 2")
	w.ask("c", "x").pass(leastHang).want("dial 3", "dial 4").after(9*time.Second).gone(3, OutcomeFailed).want("c refused: no route")
	o := w.calls["c"].Origin
	if o.failures != 2 {
		t.Errorf("%d failures", o.failures)
	}
	w.after(leastHang).gone(4, OutcomeFailed).want()
	if o.failures != 2 {
		t.Errorf("a dial in place of another counted beside it: %d failures", o.failures)
	}
}

func TestDialThatTimesOutAfterAnotherSucceeded(t *testing.T) {
	w := newWorld(t, Config{Breaker: Breaker{Failures: 1}})
	w.ask("a", "x").pass(leastHang).up(2).want("dial 1", "dial 2", "a gets 2").after(10 * time.Second)
	w.p.Closed(w.now, w.seat(1), End{Outcome: OutcomeFailed, Err: context.DeadlineExceeded, TimedOut: true})
	w.took()
	w.want().ask("b", "x").want("dial 3")
}

func lane(l Freshness) func(*Waiter) { return func(q *Waiter) { q.Freshness = l } }
