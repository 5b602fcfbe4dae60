package api

import "sync/atomic"

// underway counts the calls of a session that have begun and not ended, also while
// they are between two requests and no actor knows of them: Shutdown waits for these.
//
//	state   event          next    effect
//	open    enter          open    counted
//	open    shut           shut    over, if there are none
//	shut    enter          shut    refused
//	shut    the last left  shut    over
type underway struct {
	n    atomic.Int64 // how many, and shutBit
	over chan struct{}
}

const shutBit = 1 << 62

func (u *underway) enter() bool {
	if u.n.Add(1)&shutBit == 0 {
		return true
	}
	u.leave()
	return false
}

func (u *underway) leave() {
	if u.n.Add(-1) == shutBit {
		select {
		case u.over <- struct{}{}:
		default: // one is enough: who takes it hands it on
		}
	}
}

// shut lets nobody in any more. The channel gets a value when all have left, which
// whoever takes it puts back.
func (u *underway) shut() chan struct{} {
	if u.n.Or(shutBit)|shutBit == shutBit {
		u.n.Add(1)
		u.leave()
	}
	return u.over
}
