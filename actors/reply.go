package actors

import "sync/atomic"

// reply is where one caller awaits one answer of an actor. It is reused for all
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
type reply struct {
	state atomic.Uint32
	ch    chan struct{} // capacity 1; touched only by those who park
}

const (
	replyPending uint32 = iota
	replyParked
	replyDone
)

func (r *reply) reset() { r.state.Store(replyPending) }

func (r *reply) complete() {
	if r.state.Swap(replyDone) == replyParked {
		r.ch <- struct{}{}
	}
}

// wait blocks until the reply is complete; then it reports true. It reports false
// when one of the two channels, which may be nil, was closed first: the reply is still owed its
// completion then, and collect takes it.
func (r *reply) wait(left, over <-chan struct{}) bool {
	return r.state.Load() == replyDone || r.park(left, over)
}

//go:noinline
func (r *reply) park(left, over <-chan struct{}) bool {
	if !r.state.CompareAndSwap(replyPending, replyParked) {
		return true
	}
	if left == nil && over == nil {
		<-r.ch // half the price of a select
		return true
	}
	select {
	case <-r.ch:
		return true
	case <-left:
		return false
	case <-over:
		return false
	}
}

// collect waits for the completion of a reply whose wait reported false.
func (r *reply) collect() { <-r.ch }
