package pool

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestFirstCallDialsAndGetsTheConnection(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").want("dial 1").up(1).want("a gets 1")
}

func TestIdleConnectionIsReused(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").up(1).idle(1).want("dial 1", "a gets 1")
	w.ask("b", "x").want("b gets 1")
}

func TestYoungestIdleIsReusedFirst(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").ask("b", "x").up(1).up(2).want("dial 1", "dial 2", "a gets 1", "b gets 2")
	w.idle(2).after(time.Second).idle(1).want()
	w.ask("c", "x").want("c gets 1")
	w.ask("d", "x").want("d gets 2")
}

func TestOriginsDoNotShareConnections(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").up(1).idle(1).want("dial 1", "a gets 1")
	w.ask("b", "y").want("dial 2")
}

func TestWaitersAreServedFirstComeFirstServed(t *testing.T) {
	w := newWorld(t, Config{MaxConnsPerOrigin: 1})
	w.ask("a", "x").ask("b", "x").ask("c", "x").up(1).want("dial 1", "a gets 1")
	w.idle(1).want("b gets 1").idle(1).want("c gets 1").idle(1).want()
}

func TestBusyConnectionThatBecomesFreeServesTheOneWhoDialled(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").up(1).ask("b", "x").want("dial 1", "a gets 1", "dial 2")
	w.idle(1).want("b gets 1") // b does not wait for its dial
	w.up(2).want()             // which idles
	w.ask("c", "x").want("c gets 2")
}

func TestDialLimitHoldsAndIsRefilled(t *testing.T) {
	w := newWorld(t, Config{MaxDialsPerOrigin: 2})
	w.ask("a", "x").ask("b", "x").ask("c", "x").want("dial 1", "dial 2")
	w.up(1).want("a gets 1", "dial 3")
}

func TestConnectionLimitCountsEndingOnes(t *testing.T) {
	w := newWorld(t, Config{MaxConnsPerOrigin: 1, IdleTimeout: time.Second})
	w.ask("a", "x").up(1).idle(1).want("dial 1", "a gets 1")
	w.after(2*time.Second).ask("b", "x").want("stop 1") // too old to be used, and its slot not yet free
	w.gone(1, OutcomeNeutral).want("dial 2")
}

func TestQueueLimitCountsThoseBeyondTheDials(t *testing.T) {
	w := newWorld(t, Config{MaxConnsPerOrigin: 1, MaxQueuePerOrigin: 2})
	w.ask("a", "x").ask("b", "x").ask("c", "x").want("dial 1")
	w.ask("d", "x").want("d refused: queue full")
	w.up(1).want("a gets 1")
	w.ask("e", "x").want("e refused: queue full")
	w.idle(1).want("b gets 1").ask("f", "x").want()
}

func TestCallerWhoLeavesIsTakenOutAtOnceAndItsDialServesAnother(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").want("dial 1").leave("a").want("a refused: left")
	w.ask("b", "x").want() // the dial under way is b's now
	w.up(1).want("b gets 1")
}

func TestDialNobodyWaitsForIdles(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").leave("a").up(1).want("dial 1", "a refused: left")
	w.ask("b", "x").want("b gets 1")
}

func TestLeavingAfterTheGrantChangesNothing(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").up(1).leave("a").want("dial 1", "a gets 1")
	w.p.GiveBack(w.now, w.seat(1), nil)
	w.took()
	w.ask("b", "x").want("b gets 1")
}

func TestFailedDialFailsTheLongestWaiterAndDelaysTheOrigin(t *testing.T) {
	w := newWorld(t, Config{MaxDialsPerOrigin: 1})
	w.ask("a", "x").ask("b", "x").want("dial 1")
	w.gone(1, OutcomeFailed).want("a refused: no route")
	w.pass(49 * time.Millisecond).want()
	w.pass(time.Millisecond).want("dial 2") // half of the first backoff: the jitter is 0 here
	w.gone(2, OutcomeFailed).want("b refused: no route")
	w.ask("c", "x").want().pass(99 * time.Millisecond).want().pass(time.Millisecond).want("dial 3")
	w.up(3).want("c gets 3")
	w.ask("d", "x").want("dial 4") // success ends the backoff
}

func TestDialsThatFailTogetherDoubleTheBackoffOnce(t *testing.T) {
	w := newWorld(t, Config{Breaker: Breaker{Failures: 100}})
	w.ask("a", "x").ask("b", "x").ask("c", "x").want("dial 1", "dial 2", "dial 3")
	w.after(time.Millisecond)
	w.gone(1, OutcomeFailed).gone(2, OutcomeFailed).gone(3, OutcomeFailed)
	w.want("a refused: no route", "b refused: no route", "c refused: no route")
	w.ask("d", "x").pass(49 * time.Millisecond).want().pass(time.Millisecond).want("dial 4")
}

func TestBackoffIsBounded(t *testing.T) {
	w := newWorld(t, Config{Breaker: Breaker{Disabled: true}})
	for i := range 20 {
		w.ask("a", "x")
		for from := w.now; len(w.log) == 0; w.pass(time.Millisecond) {
			if w.now.Since(from) > lastBackoff {
				t.Fatalf("no dial for %v", w.now.Since(from))
			}
		}
		w.want(fmt.Sprintf("dial %d", i+1)).gone(i+1, OutcomeFailed).want("a refused: no route")
	}
}

func TestMaxConnsMakesRoomWithTheOldestIdle(t *testing.T) {
	w := newWorld(t, Config{MaxConns: 2})
	w.ask("a", "x").up(1).idle(1).after(time.Second).ask("b", "y").up(2).idle(2)
	w.want("dial 1", "a gets 1", "dial 2", "b gets 2")
	w.ask("c", "z").want("stop 1").gone(1, OutcomeNeutral).want("dial 3").up(3).want("c gets 3")
}

func TestMaxConnsBusyElsewhereStarvesUntilOneIsFree(t *testing.T) {
	w := newWorld(t, Config{MaxConns: 1})
	w.ask("a", "x").up(1).ask("b", "y").want("dial 1", "a gets 1")
	w.idle(1).want("stop 1").gone(1, OutcomeOK).want("dial 2").up(2).want("b gets 2")
}

func TestNobodyStarvesBehindABusyOrigin(t *testing.T) {
	w := newWorld(t, Config{MaxConns: 1})
	w.ask("a", "x").up(1).want("dial 1", "a gets 1")
	w.after(1).ask("b", "y").after(1).ask("c", "x").want()
	w.idle(1).want("stop 1") // b has waited longer than c, though c is of x
	w.gone(1, OutcomeOK).want("dial 2").up(2).want("b gets 2")
	w.idle(2).want("stop 2").gone(2, OutcomeOK).want("dial 3").up(3).want("c gets 3")
}

func TestOriginThatAlwaysWantsMoreDoesNotStarveTheRest(t *testing.T) {
	w := newWorld(t, Config{MaxConns: 1})
	w.ask("a", "x").up(1).after(1).ask("b", "x").after(1).ask("c", "y").after(1).ask("d", "x").want("dial 1", "a gets 1")
	// x itself is the first that starves: it has more calls than slots.
	w.idle(1).want("b gets 1").idle(1).want("stop 1").gone(1, OutcomeOK).log = nil
	w.up(2).idle(2).gone(2, OutcomeOK).up(3).log = nil
	if w.calls["c"].Entry == nil || w.calls["d"].Entry == nil {
		t.Errorf("c has %v, d has %v", w.calls["c"].Entry, w.calls["d"].Entry)
	}
}

func TestStarvingOriginsAreServedInOrder(t *testing.T) {
	w := newWorld(t, Config{MaxConns: 1})
	w.ask("a", "x").up(1).after(1).ask("b", "y").after(1).ask("c", "z").want("dial 1", "a gets 1")
	w.gone(1, OutcomeOK).want("dial 2").up(2).want("b gets 2")
	w.gone(2, OutcomeOK).want("dial 3").up(3).want("c gets 3")
}

func TestOneStarvingCallEndsOneIdleConnectionOnly(t *testing.T) {
	w := newWorld(t, Config{MaxConns: 3})
	w.ask("a", "x").ask("b", "x").ask("c", "x").up(1).up(2).up(3).idle(1).idle(2).idle(3).log = nil
	w.ask("d", "y").want("stop 1")
	w.ask("e", "y").want("stop 2")
	w.leave("e").want("e refused: left")
	w.gone(1, OutcomeNeutral).want("dial 4").gone(2, OutcomeNeutral).want()
}

func TestIdleTimeoutEndsConnections(t *testing.T) {
	w := newWorld(t, Config{IdleTimeout: time.Second})
	w.ask("a", "x").up(1).idle(1).want("dial 1", "a gets 1")
	w.pass(time.Second - 1).want().pass(1).want("stop 1")
}

func TestServersKeepAliveTimeoutIsHonoured(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").up(1).idleAs(1, OutcomeOK, 4*time.Second).want("dial 1", "a gets 1")
	w.after(4*time.Second).ask("b", "x").want("stop 1", "dial 2")
}

func TestMaxConnAgeEndsConnectionsWhenTheyIdle(t *testing.T) {
	w := newWorld(t, Config{MaxConnAge: 10 * time.Second}) // 9 s with a jitter of 0
	w.ask("a", "x").up(1).want("dial 1", "a gets 1")
	w.after(9 * time.Second).idle(1).want("stop 1")
	w.gone(1, OutcomeOK).ask("b", "x").up(2).idle(2).want("dial 2", "b gets 2")
	w.pass(9*time.Second - 1).want().pass(1).want("stop 2")
}

func TestSweepNamesIdleConnectionsAndTheirActorLooks(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").ask("b", "x").up(1).up(2).idle(1).after(time.Millisecond).idle(2).log = nil
	w.pass(sweepEvery).want()
	if len(w.p.Suspects) != 2 {
		t.Fatalf("%d suspects, want both idle connections", len(w.p.Suspects))
	}
	x := w.p.Suspects[0]
	w.p.Suspicious(x.Entry, x.Since)
	w.took()
	w.want("look 1")
	w.ask("c", "x").want("c gets 2") // not the one that is being looked at
	w.idleAs(1, OutcomeNeutral, 0).want()
	w.ask("d", "x").want("d gets 1")
}

func TestSuspectThatWasUsedMeanwhileIsLeftAlone(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").up(1).idle(1).pass(sweepEvery)
	x := w.p.Suspects[0]
	w.ask("b", "x").after(1).idle(1).log = nil
	w.p.Suspicious(x.Entry, x.Since)
	w.took()
	w.want()
}

func TestLookKeepsTheIdleOrder(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").ask("b", "x").up(1).up(2).idle(1).after(1).idle(2).log = nil
	w.p.Suspicious(w.seat(1), w.seat(1).idleSince)
	w.took()
	w.idleAs(1, OutcomeNeutral, 0).want("look 1")
	w.ask("c", "x").want("c gets 2")
}

func TestBreakerOpensAfterFailuresInARow(t *testing.T) {
	w := newWorld(t, Config{Breaker: Breaker{Failures: 3, OpenFor: time.Hour}, MaxConnsPerOrigin: 1})
	for i := range 3 {
		w.ask("a", "x").up(i + 1).log = nil
		if i == 2 {
			w.ask("b", "x").ask("c", "x").want()
		}
		w.gone(i+1, OutcomeFailed)
	}
	w.want("breaker open", "b refused: circuit open", "c refused: circuit open")
	w.ask("d", "x").want("d refused: circuit open")
	w.ask("e", "y").want("dial 4") // another origin is not touched
}

func TestBreakerCountsAFailedDialOnce(t *testing.T) {
	w := newWorld(t, Config{Breaker: Breaker{Failures: 2, OpenFor: time.Hour}})
	w.ask("a", "x").ask("b", "x").ask("c", "x").want("dial 1", "dial 2", "dial 3")
	w.gone(1, OutcomeFailed).want("a refused: no route")
	w.gone(2, OutcomeFailed).want("breaker open", "b refused: no route", "c refused: circuit open")
}

func TestBreakerIgnoresThisMachinesFault(t *testing.T) {
	w := newWorld(t, Config{Breaker: Breaker{Failures: 1, OpenFor: time.Hour}})
	w.ask("a", "x").gone(1, OutcomeNeutral).want("dial 1", "a refused: no route")
	w.pass(time.Second).ask("b", "x").want("dial 2")
}

func TestBreakerHalfOpenLetsProbesThrough(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, Config{Breaker: Breaker{Failures: 1, OpenFor: time.Second}})
		w.ask("a", "x").gone(1, OutcomeFailed).want("dial 1", "breaker open", "a refused: no route")
		w.outlast(time.Second)
		w.ask("b", "x").want("breaker half-open", "dial 2")
		w.ask("c", "x").want("c refused: circuit open") // one probe at a time
		w.leave("b").want("b refused: left")            // and its place is free again
		w.ask("d", "x").want().up(2).want("d gets 2")
		w.idle(2).want("breaker closed")
		w.ask("e", "x").want("e gets 2")
	})
}

func TestBreakerProbeThatFailsOpensAgain(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, Config{Breaker: Breaker{Failures: 1, OpenFor: time.Second}})
		w.ask("a", "x").gone(1, OutcomeFailed).log = nil
		w.outlast(time.Second)
		w.ask("b", "x").up(2).want("breaker half-open", "dial 2", "b gets 2")
		w.gone(2, OutcomeFailed).want("breaker open")
	})
}

func TestPinnedCallWaitsForItsConnectionOnly(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").up(1).ask("b", "x").up(2).idle(2).log = nil
	w.ask("p", "x", pinned(w, 1, nil)).want()
	w.idle(1).want("p gets 1")
}

func TestPinnedCallsAndOthersAreServedInOrder(t *testing.T) {
	w := newWorld(t, Config{MaxConnsPerOrigin: 1})
	w.ask("a", "x").up(1).log = nil
	w.after(1).ask("b", "x").after(1).ask("p", "x", pinned(w, 1, nil)).after(1).ask("c", "x").want()
	w.idle(1).want("b gets 1").idle(1).want("p gets 1").idle(1).want("c gets 1")
}

func TestPinToAnotherOriginOrToAClosedConnection(t *testing.T) {
	w := newWorld(t, Config{})
	w.ask("a", "x").up(1).log = nil
	w.ask("p", "y", pinned(w, 1, nil)).want("p refused: wrong origin")
	w.ask("q", "x", pinned(w, 1, nil)).gone(1, OutcomeOK).want("q refused: closed")
	w.ask("r", "x", pinned(w, 1, nil)).want("r refused: closed")
}

func TestLeaseIsOutOfThePoolUntilItIsGivenBack(t *testing.T) {
	w := newWorld(t, Config{MaxConnsPerOrigin: 1})
	me := &Owner{}
	w.ask("l", "x", func(q *Waiter) { q.Lease, q.More().Owner = true, me }).up(1).want("dial 1", "l gets 1")
	w.ask("a", "x").want() // it counts against the limits
	w.ask("m", "x", pinned(w, 1, me)).want("m gets 1").idle(1).want()
	w.after(1).ask("n", "x", pinned(w, 1, nil)).want() // a plain handle has to wait
	w.p.GiveBack(w.now, w.seat(1), me)
	w.took()
	w.want("a gets 1").idle(1).want("n gets 1")
}

func TestLeaseGivenBackWhileBusyIsFreedAfterwards(t *testing.T) {
	w := newWorld(t, Config{})
	me := &Owner{}
	w.ask("l", "x", func(q *Waiter) { q.Lease, q.More().Owner = true, me }).up(1).ask("m", "x", pinned(w, 1, me)).log = nil
	w.p.GiveBack(w.now, w.seat(1), me)
	w.took()
	w.want().idle(1).want()
	w.ask("a", "x").want("a gets 1")
}

func TestFreshCallsGetAConnectionOfTheirOwn(t *testing.T) {
	w := newWorld(t, Config{Fresh: true, MaxConnsPerOrigin: -1, MaxDialsPerOrigin: -1, Breaker: Breaker{Disabled: true}})
	mine := &Owner{}
	w.ask("a", "x", func(q *Waiter) { q.More().Owner = mine }).ask("b", "x", func(q *Waiter) { q.More().Owner = &Owner{} })
	w.want("dial 1", "dial 2").up(2).want("b gets 2").up(1).want("a gets 1")
	w.idle(1).ask("c", "x", func(q *Waiter) { q.More().Owner = &Owner{} }).want("dial 3")
	w.ask("d", "x", pinned(w, 1, mine)).want("d gets 1").idle(1).want()
	w.pass(defaultIdleTimeout).want("stop 1")
}

func TestFreshDialFailsItsOwnCallWithoutBackoff(t *testing.T) {
	w := newWorld(t, Config{Fresh: true, Breaker: Breaker{Disabled: true}})
	for i := range 10 {
		w.ask("a", "x").want(fmt.Sprintf("dial %d", i+1)).gone(i+1, OutcomeFailed).want("a refused: no route")
	}
}

func TestFreshDialEndsWithItsCall(t *testing.T) {
	w := newWorld(t, Config{Fresh: true})
	w.ask("a", "x").leave("a").want("dial 1", "stop 1", "a refused: left")
}

func TestDrainRefusesWaitersAndLetsTheBusyFinish(t *testing.T) {
	w := newWorld(t, Config{MaxConnsPerOrigin: 2})
	w.ask("a", "x").ask("b", "x").up(1).up(2).idle(2).ask("c", "y").log = nil
	w.p.Drain(w.now)
	w.took()
	w.want("c refused: session closed", "stop 2", "stop 3")
	w.ask("d", "x").want("d refused: session closed")
	w.gone(2, OutcomeNeutral).gone(3, OutcomeNeutral).idle(1).want("stop 1").gone(1, OutcomeNeutral).want()
	if w.p.Entries.Len() != 0 {
		t.Errorf("%d slots are still taken", w.p.Entries.Len())
	}
}

func TestCutEndsEverything(t *testing.T) {
	w := newWorld(t, Config{MaxConnsPerOrigin: 2})
	again := func(q *Waiter) { q.Again = true }
	w.ask("a", "x").ask("b", "x").up(1).ask("c", "x", again).ask("d", "x", pinned(w, 1, nil), again).log = nil
	w.p.Drain(w.now)
	w.took()
	w.want("b refused: session closed")
	w.p.Cut(w.now)
	w.took()
	w.want("c refused: session closed", "d refused: session closed", "cut 1", "cut 2")
	w.up(2).idle(1).want() // reports that were under way change nothing
	w.ask("e", "x", again).want("e refused: session closed")
}

// A queue may be long, and all who wait in it may leave at once. Whoever leaves is
// found without a walk: here one from either end leads nowhere.
func TestLeavingTakesNoWalkThroughTheQueue(t *testing.T) {
	names := strings.Split("bcdefgh", "")
	for i, leaving := range names {
		t.Run(leaving, func(t *testing.T) {
			w := newWorld(t, Config{MaxConnsPerOrigin: 1})
			w.ask("a", "x").up(1)
			for _, name := range names {
				w.ask(name, "x")
			}
			w.log = nil
			q := &w.calls["a"].Origin.waiters
			nowhere := new(Link[*Waiter])
			restore := func() {}
			if middle := w.calls["e"]; i == 0 || i == len(names)-1 {
				next, prev := middle.inQueue.Next, middle.inQueue.prev
				middle.inQueue.Next, middle.inQueue.prev = nowhere, nowhere
				restore = func() { middle.inQueue.Next, middle.inQueue.prev = next, prev }
			} else if i > 1 && i < len(names)-2 {
				first, last := q.Front, q.back
				next, prev := first.Next, last.prev
				first.Next, last.prev = nowhere, nowhere
				restore = func() { first.Next, last.prev = next, prev }
			}
			w.leave(leaving).want(leaving + " refused: left")
			restore()
			for _, name := range names {
				if name != leaving {
					w.idle(1).want(name + " gets 1")
				}
			}
			w.idle(1).want()
		})
	}
}

func TestOriginsAreForgotten(t *testing.T) {
	w := newWorld(t, Config{IdleTimeout: time.Second})
	w.ask("a", "x").up(1).idle(1).pass(time.Second).gone(1, OutcomeNeutral).log = nil
	w.pass(forgetAfter - 1)
	if w.p.Origins.Len() != 1 {
		t.Fatal("the origin was forgotten early")
	}
	w.pass(1)
	if w.p.Origins.Len() != 0 {
		t.Fatal("the origin is still known")
	}
	if w.p.Wake != Never {
		t.Errorf("an empty pool wants to be woken at %v", time.Duration(w.p.Wake))
	}
}

func TestAMillionOriginsStaySmall(t *testing.T) {
	w := newWorld(t, Config{})
	w.unchecked = true
	for i := range 20_000 { // the bound does not depend on how many
		w.ask("a", fmt.Sprint("host", i)).leave("a")
		w.gone(len(w.seats), OutcomeNeutral)
		w.seats, w.log = nil, nil
		clear(w.names)
	}
	if n := w.p.Origins.Len(); n > maxEmpty {
		t.Errorf("%d origins are kept, want at most %d", n, maxEmpty)
	}
}
