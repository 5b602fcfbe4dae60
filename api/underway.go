package api

import (
	"sync"
	"sync/atomic"
)

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
	end  sync.Once
	over chan struct{} // closed when all have left for good
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
		u.end.Do(func() { close(u.over) })
	}
}

// shut lets nobody in any more. The channel is closed when all have left.
func (u *underway) shut() <-chan struct{} {
	u.n.Add(1) // one that is counted, so that the last to leave finds the bit set
	u.n.Or(shutBit)
	u.leave()
	return u.over
}
