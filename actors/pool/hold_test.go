package pool

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// cutOff is a world whose origin x has its breaker open: it probes five seconds on.
func cutOff(t *testing.T, cfg Config) *world {
	cfg.Breaker.Failures, cfg.Breaker.OpenFor = 1, 5*time.Second
	w := newWorld(t, cfg)
	w.ask("first", "x").gone(1, OutcomeFailed).want("dial 1", "breaker open", "first refused: no route")
	return w
}

func (w *world) wantRetryAt(name string, at Instant) *world {
	w.t.Helper()
	if got := w.calls[name].More().RetryAt; got != at {
		w.t.Errorf("%s may be made again at %v, want %v", name, time.Duration(got), time.Duration(at))
	}
	return w
}

var probesAt = Instant(0).Add(5 * time.Second)

func TestPatientCallsWaitForAnOpenBreaker(t *testing.T) {
	w := cutOff(t, Config{}).wantRetryAt("first", probesAt)
	w.ask("a", "x", patient(30*time.Second)).after(1).ask("b", "x", patient(30*time.Second)).want()
	w.ask("plain", "x").want("plain refused: circuit open").wantRetryAt("plain", probesAt)
	w.pass(5*time.Second-2).want().pass(1).want("breaker half-open", "dial 2")
	w.up(2).want("a gets 2").ask("c", "x", patient(30*time.Second)).pass(time.Second).want()
	w.idle(2).want("breaker closed").pass(0).want("b gets 2", "dial 3")
	w.up(3).want("c gets 3")
	if got := w.calls["b"].Extra.Hold.spent; got != 6*time.Second-1 {
		t.Errorf("b was held for %v", got)
	}
}

func TestHalfOpenLetsHeldCallsThroughInOrder(t *testing.T) {
	for probes := 1; probes <= 3; probes++ {
		w := cutOff(t, Config{Breaker: Breaker{Probes: probes}})
		for _, name := range []string{"a", "b", "c", "d"} {
			w.after(1).ask(name, "x", patient(time.Minute))
		}
		w.pass(5 * time.Second)
		want := []string{"breaker half-open"}
		for i := range probes {
			want = append(want, fmt.Sprintf("dial %d", i+2))
		}
		w.want(want...).ask("plain", "x").want("plain refused: circuit open")
		for i, name := range []string{"a", "b", "c"}[:probes] {
			w.up(i + 2).want(fmt.Sprintf("%s gets %d", name, i+2))
		}
	}
}

func TestCallThatComesAtTheProbesTimeWaitsBehindThoseHeld(t *testing.T) {
	w := cutOff(t, Config{})
	w.ask("a", "x", patient(time.Minute)).want()
	w.after(5 * time.Second) // and no tick yet
	w.ask("plain", "x").want("breaker half-open", "dial 2", "plain refused: circuit open")
	w.ask("b", "x", patient(time.Minute)).up(2).want("a gets 2")
}

func TestProbeThatFailsHoldsThemLonger(t *testing.T) {
	w := cutOff(t, Config{})
	w.ask("a", "x", patient(time.Minute)).ask("short", "x", patient(6*time.Second)).ask("b", "x", patient(time.Minute))
	w.ask("soon", "x", patient(time.Minute), before(Instant(0).Add(9*time.Second)))
	w.pass(5 * time.Second).up(2).log = nil
	w.after(time.Second).gone(2, OutcomeFailed).want("breaker open", "short refused: circuit open", "soon refused: circuit open")
	w.wantRetryAt("short", probesAt.Add(6*time.Second)).wantRetryAt("soon", probesAt.Add(6*time.Second))
	w.pass(5*time.Second-1).want().pass(1).want("breaker half-open", "dial 3").up(3).want("b gets 3")
}

// The others that wait in half-open are probes too: with one that fails they go back to
// where they were.
func TestProbesThatWaitAreHeldAgain(t *testing.T) {
	w := cutOff(t, Config{Breaker: Breaker{Probes: 2}})
	for _, name := range []string{"a", "b", "c"} {
		w.after(1).ask(name, "x", patient(time.Minute))
	}
	w.pass(5*time.Second).want("breaker half-open", "dial 2", "dial 3")
	w.up(2).gone(2, OutcomeFailed).want("a gets 2", "breaker open")
	w.gone(3, OutcomeFailed).want() // nobody waits for it any more
	w.pass(5*time.Second).want("breaker half-open", "dial 4", "dial 5").up(4).up(5).want("b gets 4", "c gets 5")
}

func TestProbeThatLeavesLetsTheNextGo(t *testing.T) {
	w := cutOff(t, Config{})
	w.ask("a", "x", patient(time.Minute)).ask("b", "x", patient(time.Minute)).pass(5*time.Second).want("breaker half-open", "dial 2")
	w.leave("a").want("a refused: left").pass(0).want() // the dial under way is b's now
	w.up(2).want("b gets 2")
}

func TestPatienceIsForAllWaitsTogether(t *testing.T) {
	w := cutOff(t, Config{})
	w.ask("a", "x", patient(12*time.Second)).pass(5*time.Second).want("breaker half-open", "dial 2")
	w.gone(2, OutcomeFailed).want("breaker open", "a refused: no route") // the dial was an attempt
	again := w.calls["a"]
	w.ask("again", "x", func(q *Waiter) { q.Again, *q.More() = true, Extra{Patience: again.patience(), Hold: again.Extra.Hold} }).want()
	w.pass(5*time.Second).want("breaker half-open", "dial 3").gone(3, OutcomeFailed).want("breaker open", "again refused: no route")
	w.ask("once more", "x", func(q *Waiter) {
		q.Again, *q.More() = true, Extra{Patience: w.calls["again"].patience(), Hold: w.calls["again"].Extra.Hold}
	}).want("once more refused: circuit open")
}

func TestPatienceThatIsOverInHalfOpen(t *testing.T) {
	w := cutOff(t, Config{})
	w.ask("a", "x", patient(time.Minute)).ask("b", "x", patient(6*time.Second)).ask("c", "x", patient(7*time.Second))
	w.pass(5 * time.Second).up(2).log = nil
	w.pass(time.Second - 1).want().pass(1).want("b refused: circuit open")
	w.pass(time.Second).want("c refused: circuit open").idle(2).want("breaker closed")
}

func TestWhoCannotWaitIsRefusedAtOnce(t *testing.T) {
	w := cutOff(t, Config{})
	w.ask("a", "x", patient(5*time.Second-1)).want("a refused: circuit open").wantRetryAt("a", probesAt)
	w.ask("b", "x", patient(-1)).want("b refused: circuit open").wantRetryAt("b", probesAt)
	w.ask("c", "x", patient(time.Minute), before(probesAt)).want("c refused: circuit open").wantRetryAt("c", probesAt)
	w.ask("d", "x", patient(5*time.Second), before(probesAt+1)).want()
	w.ask("e", "x", patient(math.MaxInt64)).want()
}

func TestHeldCallsCountInTheQueue(t *testing.T) {
	w := cutOff(t, Config{MaxQueuePerOrigin: 2})
	w.ask("a", "x", patient(time.Minute)).ask("b", "x", patient(time.Minute)).want()
	w.ask("c", "x", patient(time.Minute)).want("c refused: queue full")
	w.ask("plain", "x").want("plain refused: circuit open")
	w.leave("a").want("a refused: left").ask("d", "x", patient(time.Minute)).want()
	if o := w.calls["b"].Origin; o.Snapshot(w.now).Queued != 2 {
		t.Errorf("%d are queued", o.Snapshot(w.now).Queued)
	}
}

func TestHeldCallsEndAtOnce(t *testing.T) {
	for name, end := range map[string]func(*world){
		"drain": func(w *world) { w.p.Drain(w.now) },
		"cut":   func(w *world) { w.p.Cut(w.now) },
	} {
		t.Run(name, func(t *testing.T) {
			w := cutOff(t, Config{})
			w.ask("a", "x", patient(time.Minute)).ask("b", "x", patient(time.Minute), func(q *Waiter) { q.Again = true }).want()
			end(w)
			w.took()
			w.want("a refused: session closed", "b refused: session closed")
		})
	}
}

// The breaker opens over calls that wait in the queue: who can wait goes on to, in order.
func TestBreakerOpensOverThoseWhoWait(t *testing.T) {
	w := newWorld(t, Config{MaxConnsPerOrigin: 1, Breaker: Breaker{Failures: 1, OpenFor: 5 * time.Second}})
	w.ask("first", "x").up(1).log = nil
	for i, name := range []string{"a", "b", "c", "d"} {
		w.after(1).ask(name, "x", patient([]time.Duration{time.Minute, 0, time.Second, time.Minute}[i]))
	}
	w.gone(1, OutcomeFailed).want("breaker open", "b refused: circuit open", "c refused: circuit open")
	w.pass(5*time.Second).want("breaker half-open", "dial 2").up(2).want("a gets 2")
	w.idle(2).pass(0).want("breaker closed", "d gets 2")
}

func TestPatientCallsWaitForABackoffAndTryOneByOne(t *testing.T) {
	w := newWorld(t, Config{Breaker: Breaker{Disabled: true}})
	for _, name := range []string{"a", "b", "c"} {
		w.ask(name, "x", patient(time.Minute))
	}
	w.want("dial 1", "dial 2", "dial 3").after(1).gone(1, OutcomeFailed).want("a refused: no route").wantRetryAt("a", Instant(1).Add(50*time.Millisecond))
	w.gone(2, OutcomeFailed).gone(3, OutcomeFailed).want("b refused: no route", "c refused: no route")
	for _, name := range []string{"d", "e", "f"} {
		w.after(1).ask(name, "x", patient(time.Minute)).want()
	}
	w.pass(50*time.Millisecond).want("dial 4").gone(4, OutcomeFailed).want("d refused: no route")
	w.pass(99 * time.Millisecond).want().pass(time.Millisecond).want("dial 5")
	w.up(5).want("e gets 5").pass(0).want("dial 6")
}

// With a connection there, a call waits for that as it always did, back-off or not.
func TestBackoffRefusesOnlyWhereThereIsNoConnection(t *testing.T) {
	w := newWorld(t, Config{Breaker: Breaker{Disabled: true}})
	w.ask("a", "x").up(1).ask("b", "x").gone(2, OutcomeFailed).want("dial 1", "a gets 1", "dial 2", "b refused: no route")
	w.ask("c", "x", patient(-1)).ask("d", "x", patient(time.Minute)).after(1).ask("e", "x").want()
	w.idle(1).want("c gets 1")
	w.gone(1, OutcomeFailed).want().pass(50*time.Millisecond).want("dial 3", "dial 4")
	w.gone(3, OutcomeFailed).want("d refused: no route")
	w.ask("f", "x", patient(-1)).want().gone(4, OutcomeFailed).want("e refused: no route", "f refused: backing off")
	w.ask("g", "x", patient(-1)).want("g refused: backing off").wantRetryAt("g", w.calls["f"].More().RetryAt)
	w.ask("h", "x", patient(time.Millisecond)).want("h refused: backing off")
	var backoff *BackoffError
	if err := w.calls["g"].Refused(); !errors.As(err, &backoff) || backoff.Cause.Error() != "no route" {
		t.Errorf("g was told %v", err)
	}
}

func TestLeasesAreHeldToo(t *testing.T) {
	w := cutOff(t, Config{})
	w.ask("l", "x", patient(time.Minute), func(q *Waiter) { q.Lease, q.More().Owner = true, &Owner{} }).ask("a", "x", patient(time.Minute)).want()
	w.pass(5*time.Second).want("breaker half-open", "dial 2").up(2).want("l gets 2")
	w.pass(0).want("dial 3") // a lease is no request: the next probes
}

// Whatever happens in whatever order, the limits hold, and once the origin answers
// nobody is left waiting.
func TestNobodyIsHeldForEver(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, Config{MaxConns: 6, MaxConnsPerOrigin: 4, MaxDialsPerOrigin: 1 + r.IntN(3), MaxQueuePerOrigin: 8,
			Breaker:     Breaker{Failures: 2, OpenFor: time.Second, Probes: 1 + r.IntN(3), Disabled: r.IntN(4) == 0},
			DialBackoff: DialBackoff{Disabled: r.IntN(4) == 0}})
		w.now = 1
		for step := range 150 {
			chaos(w, r, step)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
		for range 400 { // from now on all is well
			w.pass(time.Second)
			for n, e := range w.seats {
				switch e.state {
				case entryDialing:
					w.up(n + 1)
				case entryBusy:
					w.idle(n + 1)
				case entryStopping:
					w.gone(n+1, OutcomeNeutral)
				}
			}
		}
		for name, q := range w.calls {
			if q.Entry == nil && q.Refused() == nil {
				t.Fatalf("seed %d: %s waits for ever", seed, name)
			}
		}
	}
}

// chaos lets one thing happen.
func chaos(w *world, r *rand.Rand, step int) {
	out := []Outcome{OutcomeFailed, OutcomeFailed, OutcomeOK, OutcomeNeutral, OutcomeLate}[r.IntN(5)]
	n := 0
	if len(w.seats) > 0 {
		n = 1 + r.IntN(len(w.seats))
	}
	switch what := r.IntN(10); {
	case what < 3:
		kinds := []time.Duration{0, -1, time.Second, 5 * time.Second, time.Minute, math.MaxInt64}
		w.ask(fmt.Sprint(step), []string{"x", "y"}[r.IntN(2)], patient(kinds[r.IntN(len(kinds))]))
	case what < 5:
		w.pass(time.Duration(r.IntN(400)) * time.Millisecond)
	case what < 6:
		if q := w.calls[fmt.Sprint(r.IntN(step+1))]; q != nil {
			w.p.Leave(w.now, q)
			w.took()
		}
	case n == 0:
	default:
		switch e := w.seat(n); e.state {
		case entryDialing:
			if r.IntN(3) == 0 {
				w.up(n)
			} else if out != OutcomeLate {
				w.gone(n, out)
			}
		case entryBusy:
			if r.IntN(2) == 0 && out != OutcomeLate {
				w.idleAs(n, out, 0)
			} else {
				w.gone(n, out)
			}
		case entryStopping:
			w.gone(n, OutcomeNeutral)
		}
	}
}

// A lease takes the probe's place, gets what idles, and is no request: the next probes.
func TestLeaseThatGetsAnIdleConnectionIsNoProbe(t *testing.T) {
	w := cutOff(t, Config{})
	w.ask("l", "x", patient(time.Minute), func(q *Waiter) { q.Lease, q.More().Owner = true, &Owner{} }).after(1).ask("a", "x", patient(time.Minute))
	idle := w.calls["l"].Origin
	w.p.dial(w.now, idle) // as if it had been on its way
	w.took()
	w.up(2).want("dial 2").pass(5*time.Second).want("breaker half-open", "l gets 2", "dial 3")
}

// The one who was let go first leaves while it waits for a slot: the next takes its place.
func TestHeldCallsGoWhereTheFirstHasLeft(t *testing.T) {
	w := newWorld(t, Config{MaxConns: 1, Breaker: Breaker{Disabled: true}})
	w.ask("first", "x").gone(1, OutcomeFailed).ask("o", "other").up(2).log = nil
	w.ask("a", "x", patient(time.Minute)).after(1).ask("b", "x", patient(time.Minute)).pass(time.Second).want()
	w.leave("a").pass(0).want("a refused: left").idle(2).want("stop 2").gone(2, OutcomeOK).want("dial 3").up(3).want("b gets 3")
}
