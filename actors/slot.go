package actors

import "sync/atomic"

// slot is where one caller awaits one answer of an actor. It is reused for all
// the steps of a call, and with the call for others.
//
//	state    event     next     effect
//	pending  complete  done     -           the actor ran on the caller's goroutine, or was quick
//	pending  wait      parked   caller blocks
//	parked   complete  done     caller is woken through ch
//	done     wait      done     returns at once
//	done     complete  done     -
//
// reset is the caller's, before it sends the next message; complete is the
// actor's last act on a message: afterwards it must not touch the call.
type slot struct {
	state atomic.Uint32
	ch    chan struct{} // capacity 1; touched only by those who park
}

const (
	slotPending uint32 = iota
	slotParked
	slotDone
)

func (s *slot) reset() { s.state.Store(slotPending) }

func (s *slot) complete() {
	if s.state.Swap(slotDone) == slotParked {
		s.ch <- struct{}{}
	}
}

// wait blocks until the slot is complete; then it reports true. It reports false
// when one of the two channels, which may be nil, was closed first: the slot is still owed its
// completion then, and collect takes it.
func (s *slot) wait(left, over <-chan struct{}) bool {
	return s.state.Load() == slotDone || s.park(left, over)
}

//go:noinline
func (s *slot) park(left, over <-chan struct{}) bool {
	if !s.state.CompareAndSwap(slotPending, slotParked) {
		return true
	}
	if left == nil && over == nil {
		<-s.ch // half the price of a select
		return true
	}
	select {
	case <-s.ch:
		return true
	case <-left:
		return false
	case <-over:
		return false
	}
}

// collect waits for the completion of a slot whose wait reported false.
func (s *slot) collect() { <-s.ch }
