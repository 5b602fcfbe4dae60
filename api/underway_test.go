package api

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func isOver(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	default:
		return false
	}
}

// It is over when the last one has left that was let in, and not before.
func TestUnderway(t *testing.T) {
	for _, inside := range []int{0, 1, 3} {
		u := underway{over: make(chan struct{})}
		for range inside + 1 {
			if !u.enter() {
				t.Fatalf("%d inside: refused while open", inside)
			}
		}
		u.leave()
		over := u.shut()
		for n := range inside {
			if u.enter() {
				t.Errorf("%d inside: let in", inside)
			}
			if isOver(over) { // who was refused counts for nothing
				t.Fatalf("over after %d of %d have left", n, inside)
			}
			u.leave()
		}
		if !isOver(over) {
			t.Errorf("not over though all %d have left", inside)
		}
		if u.enter() {
			t.Errorf("%d inside: let in at the end", inside)
		}
		if !isOver(over) || !isOver(u.shut()) {
			t.Errorf("%d inside: not over any more", inside)
		}
	}
}

// Whoever is let in is waited for, and nobody is once it is over, however many come and
// go at that moment.
func TestUnderwayConcurrently(t *testing.T) {
	for range 60 {
		u := underway{over: make(chan struct{})}
		var inside, entered atomic.Int64
		var refused atomic.Bool
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for n := 1; u.enter(); n++ {
					inside.Add(1)
					entered.Add(1)
					inside.Add(-1)
					u.leave()
					if n%100 == 0 {
						runtime.Gosched() // or the test would wait for a processor
					}
				}
				if refused.Store(true); u.enter() {
					t.Error("let in after a refusal")
				}
			})
		}
		for n := 0; n < 20 || entered.Load() < 50; n++ {
			interrupt()
		}
		if refused.Load() {
			t.Error("refused while open")
		}
		<-u.shut()
		if n := inside.Load(); n != 0 {
			t.Errorf("over with %d inside", n)
		}
		before := entered.Load()
		all.Wait()
		if n := entered.Load() - before; n != 0 {
			t.Errorf("%d were let in when it was over", n)
		}
	}
}

// interrupt has each goroutine that runs make way for another wherever it stands. Its
// own Gosched always comes at the same place, and a time slice lasts 10 ms.
func interrupt() {
	runtime.ReadMemStats(new(runtime.MemStats)) // stops the world
	runtime.Gosched()
}
