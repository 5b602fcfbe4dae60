package pool

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// sharing makes a call one that may share a connection.
func sharing(q *Waiter) { q.Shareable = true }

// landed reports n answers, all well and in HTTP/1.1.
func (w *world) landed(n, answers int) *world {
	return w.landedAs(n, Report{N: answers, OK: answers, Proven: true})
}

func (w *world) landedAs(n int, t Report) *world {
	w.p.CallsEnded(w.now, w.seat(n), t)
	w.took()
	return w
}

// shared is a world in which a and b share connection 1.
func shared(t *testing.T, cfg Config) *world {
	if cfg.PipelineDepth == 0 {
		cfg.PipelineDepth = 3
	}
	cfg.MaxConnsPerOrigin = 1
	w := newWorld(t, cfg)
	w.ask("first", "x", sharing).up(1).landed(1, 1).want("dial 1", "first gets 1")
	return w.ask("a", "x", sharing).ask("b", "x", sharing).want("a gets 1", "b gets 1")
}

func TestCallsShareAConnectionUpToTheDepth(t *testing.T) {
	w := shared(t, Config{})
	w.ask("c", "x", sharing).want("c gets 1")
	w.ask("d", "x", sharing).ask("e", "x", sharing).ask("f", "x", sharing).want()
	w.landed(1, 1).want("d gets 1").landed(1, 2).want("e gets 1", "f gets 1")
	if got := w.seat(1).InFlight(); got != 3 {
		t.Errorf("%d in flight, want 3", got)
	}
	w.landed(1, 3).want().ask("g", "x").want("g gets 1") // a plain one: it idled
}

func TestConnectionIsSharedOnlyWhenItHasAnswered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		proven bool
		want   []string
	}{
		{"in HTTP/1.1", true, []string{"b gets 1", "c gets 1"}},
		{"in HTTP/1.0", false, []string{"b gets 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Config{MaxConnsPerOrigin: 1, PipelineDepth: 8})
			w.ask("a", "x", sharing).up(1).ask("b", "x", sharing).ask("c", "x", sharing).want("dial 1", "a gets 1")
			w.landedAs(1, Report{N: 1, OK: 1, Proven: tt.proven}).want(tt.want...)
		})
	}
}

func TestSharedConnectionSavesADial(t *testing.T) {
	w := newWorld(t, Config{PipelineDepth: 2})
	w.ask("a", "x", sharing).up(1).landed(1, 1).want("dial 1", "a gets 1")
	w.ask("b", "x", sharing).ask("c", "x", sharing).want("b gets 1", "c gets 1")
	w.ask("d", "x", sharing).want("dial 2") // the depth is reached
}

func TestPlainCallIsNotPassedByThoseThatShare(t *testing.T) {
	w := shared(t, Config{})
	w.ask("plain", "x").ask("c", "x", sharing).landed(1, 1).want()
	w.landed(1, 1).want("plain gets 1").idle(1).want("c gets 1")
	w.ask("d", "x", sharing).want("d gets 1")
}

func TestWhatKeepsOthersFromJoining(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   Config
		event func(w *world)
		then  []string // once both that share it are answered
	}{
		{"a call pinned to it", Config{}, func(w *world) { w.ask("pinned", "x", pinned(w, 1, nil)) }, []string{"pinned gets 1"}},
		{"its age", Config{MaxConnAge: time.Minute}, func(w *world) { w.after(time.Hour) }, []string{"stop 1"}},
		{"another origin that starves", Config{MaxConns: 1}, func(w *world) { w.ask("other", "y") }, []string{"stop 1"}},
		{"a caller that gave up on it", Config{}, func(w *world) { w.p.ConnSilent(w.now, w.seat(1), OutcomeFailed, 0) }, []string{"c gets 1"}},
		{"its end", Config{}, func(w *world) { w.p.Close(w.seat(1)) }, []string{"stop 1"}},
		{"a lease that waits", Config{}, func(w *world) {
			w.ask("lease", "x", func(q *Waiter) { q.Lease, q.More().Owner = true, &Owner{} })
		}, []string{"lease gets 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := shared(t, tt.cfg)
			tt.event(w)
			w.after(1).ask("c", "x", sharing).want()
			w.landed(1, 2).want(tt.then...)
		})
	}
}

func TestAnswerEndsTheDoubt(t *testing.T) {
	w := shared(t, Config{})
	w.p.ConnSilent(w.now, w.seat(1), OutcomeFailed, 0)
	w.ask("c", "x", sharing).want().landed(1, 1).want("c gets 1")
}

func TestProbeIsNotShared(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, Config{MaxConnsPerOrigin: 1, PipelineDepth: 8, Breaker: Breaker{Failures: 1, OpenFor: time.Second, Probes: 2}})
		w.ask("a", "x", sharing).up(1).landedAs(1, Report{N: 1, Failed: 1, Row: 1, Proven: true}).want("dial 1", "a gets 1", "breaker open")
		w.outlast(time.Second)
		w.ask("b", "x", sharing).want("breaker half-open", "b gets 1")
		w.ask("c", "x", sharing).want() // the second probe
		w.landed(1, 1).want("c gets 1").landed(1, 1).want("breaker closed")
		w.ask("d", "x", sharing).ask("e", "x", sharing).want("d gets 1", "e gets 1")
	})
}

func TestProbeThatLeavesMakesRoomForAnother(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, Config{MaxConnsPerOrigin: 1, PipelineDepth: 8, Breaker: Breaker{Failures: 1, OpenFor: time.Second}})
		w.ask("a", "x", sharing).up(1).landedAs(1, Report{N: 1, Failed: 1, Row: 1, Proven: true}).want("dial 1", "a gets 1", "breaker open")
		w.outlast(time.Second)
		w.ask("b", "x", sharing).want("breaker half-open", "b gets 1")
		w.landedAs(1, Report{N: 1}).want() // never written
		w.ask("c", "x", sharing).want("c gets 1").landed(1, 1).want("breaker closed")
	})
}

func TestPlainCallWithADialOfItsOwnHoldsNobodyUp(t *testing.T) {
	w := newWorld(t, Config{MaxConnsPerOrigin: 2, PipelineDepth: 2})
	w.ask("first", "x", sharing).up(1).landed(1, 1).want("dial 1", "first gets 1")
	w.ask("a", "x", sharing).ask("plain", "x").ask("b", "x", sharing).want("a gets 1", "dial 2", "b gets 1")
	w.ask("c", "x", sharing).want() // the depth is reached
	w.ask("d", "x", sharing).landed(1, 1).want("c gets 1").landed(1, 1).want("d gets 1")
	w.ask("waits", "x").ask("e", "x", sharing).landed(1, 1).want() // no dial for that one
	w.up(2).want("plain gets 2").landed(1, 1).want("waits gets 1")
	w.idle(2).want("e gets 2")
}

func TestGivenBackPlaceIsTaken(t *testing.T) {
	w := shared(t, Config{PipelineDepth: 2})
	w.ask("c", "x", sharing).want()
	w.p.GiveBack(w.now, w.seat(1), nil)
	w.took()
	w.want("c gets 1")
	w.landed(1, 1)
	w.p.GiveBack(w.now, w.seat(1), nil)
	w.took()
	w.ask("plain", "x").want("plain gets 1")
}

func TestDrainEndsASharedConnectionWhenAllAreAnswered(t *testing.T) {
	w := shared(t, Config{})
	w.p.Drain(w.now)
	w.took()
	w.ask("c", "x", sharing).want("c refused: session closed")
	w.landed(1, 1).want().landed(1, 1).want("stop 1")
}

func TestSharedConnectionThatEndsIsReplaced(t *testing.T) {
	w := shared(t, Config{})
	w.gone(1, OutcomeNeutral).want()
	w.landed(1, 2).want() // a report that comes late
	w.ask("c", "x", sharing).want("dial 2").up(2).want("c gets 2")
}

func TestBreakerHearsOfEveryAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		t    Report
		open bool
	}{
		{"four in a row", Report{N: 9, OK: 5, Failed: 4, Row: 4}, false},
		{"five in a row", Report{N: 9, OK: 4, Failed: 5, Row: 5}, true},
		{"five, not in a row", Report{N: 12, OK: 7, Failed: 5}, false},
		{"all", Report{N: 5, Failed: 5, Row: 5}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Config{PipelineDepth: 64, Breaker: Breaker{Ratio: -1}})
			w.ask("a", "x", sharing).up(1).landed(1, 1)
			for i := range tt.t.N {
				w.ask(fmt.Sprint(i), "x", sharing)
			}
			w.landedAs(1, tt.t)
			if got := slices.Contains(w.log, "breaker open"); got != tt.open {
				t.Errorf("opened: %v, want %v", got, tt.open)
			}
			o := w.seat(1).Origin
			if got := o.breaker.window.all; got != tt.t.N+1 && !tt.open {
				t.Errorf("the window holds %d, want %d", got, tt.t.N+1)
			}
		})
	}
}

func TestLandingsAddUp(t *testing.T) {
	var sum Report
	for _, t := range []Report{{N: 2, OK: 1, Failed: 1, Row: 1, At: 1, Keep: 5}, {N: 1, Failed: 1, Row: 1, At: 2, Proven: true}, {N: 1}} {
		sum.Add(t)
	}
	if want := (Report{N: 4, OK: 1, Failed: 2, Row: 2, At: 2, Proven: true}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	sum.Add(Report{N: 2, OK: 1, Failed: 1, Row: 1, At: 3})
	if sum.Row != 1 || sum.N != 6 {
		t.Errorf("got %+v", sum)
	}
}

func TestSharedConnectionIsFilledBeforeAnotherIsUsed(t *testing.T) {
	w := newWorld(t, Config{PipelineDepth: 2})
	w.ask("a", "x", sharing).ask("b", "x", sharing).up(1).up(2).landed(1, 1).landed(2, 1)
	w.want("dial 1", "dial 2", "a gets 1", "b gets 2")
	w.ask("c", "x", sharing).ask("d", "x", sharing).ask("e", "x", sharing)
	w.want("c gets 2", "d gets 2", "e gets 1") // the youngest first
	w.ask("plain", "x").want("dial 3")
}
