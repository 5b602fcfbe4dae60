package actors

import (
	"sync"
	"time"
)

// crew owns the goroutines of one scheduler: dials, timers that fired, messages
// handed over by a mailbox. Its end is awaited, so that nothing is left behind.
type crew struct {
	mu     sync.Mutex
	n      int
	closed bool
	gone   chan struct{} // made by close, closed when n is 0
}

// enter counts the calling goroutine in; false once the crew is closed.
func (c *crew) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.n++
	return true
}

func (c *crew) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.closed && c.n == 0 {
		close(c.gone)
	}
}

// run starts fn on a goroutine of the crew; false, and nothing is started, once
// the crew is closed.
func (c *crew) run(fn func()) bool {
	if !c.enter() {
		return false
	}
	go func() {
		defer c.leave()
		fn()
	}()
	return true
}

// start is run for a function that is made once and leaves the crew by itself: it
// allocates nothing.
func (c *crew) start(fn func()) bool {
	if !c.enter() {
		return false
	}
	go fn()
	return true
}

// close lets nobody in any more and waits for those inside, but no longer than
// patience. It reports whether all have left.
func (c *crew) close(patience time.Duration) bool {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.gone = make(chan struct{})
		if c.n == 0 {
			close(c.gone)
		}
	}
	c.mu.Unlock()
	return waitFor(c.gone, patience)
}

// waitFor waits for done to be closed, but no longer than patience.
func waitFor(done <-chan struct{}, patience time.Duration) bool {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
