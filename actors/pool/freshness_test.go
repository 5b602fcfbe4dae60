package pool

import (
	"testing"
	"time"
)

func recent(q *Waiter) { q.Freshness = FreshnessRecent }
func fresh(q *Waiter)  { q.Freshness = FreshnessNew }

// idling is a world with n connections to x that have idled for so long.
func idling(t *testing.T, cfg Config, n int, idle time.Duration) *world {
	w := newWorld(t, cfg)
	for i := range n {
		w.ask(string(rune('A'+i)), "x")
	}
	for i := range n {
		w.up(i + 1)
	}
	for i := range n {
		w.idle(i + 1)
	}
	w.after(idle)
	w.log = nil
	return w
}

func TestRecentLaneTakesWhatWasUsedAMomentAgo(t *testing.T) {
	idling(t, Config{}, 1, time.Second).ask("a", "x", recent).want("a gets 1")
}

func TestRecentLaneDialsWhereAllIdledForLong(t *testing.T) {
	w := idling(t, Config{}, 2, time.Second+1)
	w.ask("a", "x", recent).want("dial 3")
	w.ask("b", "x").want("b gets 2") // whoever is not choosy does not wait behind it
	w.up(3).want("a gets 3")
}

func TestRecentLaneTakesWhatOthersHaveJustUsed(t *testing.T) {
	w := idling(t, Config{}, 1, time.Minute)
	w.ask("a", "x").ask("b", "x", recent).want("a gets 1", "dial 2")
	w.idle(1).want("b gets 1")
}

func TestFreshLaneTakesNothingThatIdled(t *testing.T) {
	w := idling(t, Config{}, 1, 1)
	w.ask("a", "x", fresh).want("dial 2").up(2).want("a gets 2")
	w.ask("b", "x").ask("c", "x", fresh).want("b gets 1", "dial 3")
	w.idle(1).want("c gets 1") // straight from b
}

func TestChoosyCallsMakeRoomAtTheLimitOfTheirOrigin(t *testing.T) {
	w := idling(t, Config{MaxConnsPerOrigin: 2}, 2, time.Minute)
	w.ask("a", "x", recent).want("stop 1") // the oldest of those that it refuses
	w.gone(1, OutcomeNeutral).want("dial 3").up(3).want("a gets 3")
	w.ask("b", "x").want("b gets 2")
}

func TestChoosyCallsMakeRoomAtMaxConns(t *testing.T) {
	w := idling(t, Config{MaxConns: 1}, 1, time.Minute)
	w.ask("a", "x", recent).want("stop 1")
	w.gone(1, OutcomeNeutral).want("dial 2").up(2).want("a gets 2")
}

func TestChoosyCallDoesNotTakeAConnectionBackFromALook(t *testing.T) {
	w := idling(t, Config{}, 1, time.Minute)
	w.p.Suspicious(w.seat(1), w.seat(1).idleSince)
	w.took()
	w.ask("a", "x", recent).want("look 1", "dial 2")
	w.idle(1).want() // it is as old as before
	w.up(2).want("a gets 2")
}

// What a look brings back at a limit makes room: nobody else would, and the call would
// wait beside an idle connection for ever.
func TestChoosyCallIsServedAfterALookAtALimit(t *testing.T) {
	for _, cfg := range []Config{{MaxConnsPerOrigin: 1}, {MaxConns: 1}} {
		w := idling(t, cfg, 1, time.Minute)
		w.p.Suspicious(w.seat(1), w.seat(1).idleSince)
		w.took()
		w.ask("a", "x", recent).want("look 1")
		w.idle(1).want("stop 1")
		w.gone(1, OutcomeNeutral).want("dial 2").up(2).want("a gets 2")
	}
}

func TestKeepAliveTimeoutBoundsTheRecentLane(t *testing.T) {
	for _, c := range []struct {
		idle time.Duration
		want string
	}{{10 * time.Second, "b gets 1"}, {10*time.Second + 1, "dial 2"}} {
		w := newWorld(t, Config{})
		w.ask("a", "x").up(1).idleAs(1, OutcomeOK, 20*time.Second).want("dial 1", "a gets 1")
		w.after(c.idle).ask("b", "x", recent).want(c.want)
	}
}

func TestIdleLimitIsLearntFromConnectionsThatDiedIdle(t *testing.T) {
	w := idling(t, Config{}, 2, 7*time.Second)
	w.ends[w.seat(1)] = End{DiedIdle: true}
	w.gone(1, OutcomeNeutral).want()
	if got := w.seat(1).Origin.idleLimit; got != 5*time.Second { // less the time between two sweeps
		t.Fatalf("learnt %v", got)
	}
	w.ask("a", "x").want("a gets 2").idle(2)
	w.after(2500*time.Millisecond).ask("b", "x", recent).want("b gets 2").idle(2)
	w.after(2501*time.Millisecond).ask("c", "x", recent).want("dial 3")
}

func TestIdleLimitIsNeverBelowASecond(t *testing.T) {
	w := idling(t, Config{}, 1, 100*time.Millisecond) // its server restarts
	w.ends[w.seat(1)] = End{DiedIdle: true}
	o := w.seat(1).Origin
	w.gone(1, OutcomeNeutral)
	if o.idleLimit != time.Second {
		t.Errorf("learnt %v", o.idleLimit)
	}
}

func TestIdleLimitIsForgottenWhenAConnectionOutlivesIt(t *testing.T) {
	w := idling(t, Config{}, 2, time.Second)
	w.ends[w.seat(1)] = End{DiedIdle: true}
	o := w.seat(1).Origin
	w.gone(1, OutcomeNeutral)
	if o.idleLimit == 0 {
		t.Fatal("nothing was learnt")
	}
	w.pass(20 * time.Second) // the other one is still there
	if o.idleLimit != 0 {
		t.Errorf("still %v", o.idleLimit)
	}
}

func TestBudgetLetsAShareThrough(t *testing.T) {
	cfg := Budget{Ratio: 0.2, Min: 3, Window: 10 * time.Second}
	take := func(b *budget, now Instant) (n int) {
		for n < 1000 && b.retry(now) {
			n++
		}
		return n
	}
	for _, c := range []struct {
		requests, want int
	}{{0, 3}, {15, 3}, {20, 4}, {100, 20}} {
		b := newBudget(cfg)
		for range c.requests {
			b.request(1)
		}
		if got := take(&b, 1); got != c.want {
			t.Errorf("of %d requests %d were retried, want %d", c.requests, got, c.want)
		}
		if got := take(&b, Instant(9*time.Second)); got != 0 {
			t.Errorf("%d more within the window", got)
		}
		if got := take(&b, Instant(11*time.Second)); got != cfg.Min {
			t.Errorf("%d after the window, want %d", got, cfg.Min)
		}
	}
	for _, cfg := range []Budget{{}, {Ratio: -1, Window: time.Second}} {
		b := newBudget(cfg)
		if got := take(&b, 1); got != 1000 {
			t.Errorf("%+v: %d", cfg, got)
		}
	}
}
