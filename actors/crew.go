package actors

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// crew owns the goroutines of one scheduler: dials, timers that fired, messages
// handed over by a mailbox. Its end is awaited, so that nothing is left behind.
type crew struct {
	failed func(err error) // told of a panic that nothing else has caught; may be nil

	mu      sync.Mutex
	n       int
	errands map[*errand]struct{} // which some of them are on
	closed  bool
	gone    chan struct{} // made by close, closed when n is 0
}

// errand is what a goroutine of the crew does in code that is not troupe's, which may not
// end when it is told to.
type errand struct {
	what string // with its verb: "the Logger's handler does not return"
	conn *Conn  // which it is for; nil: none
}

func (e *errand) String() string {
	if e.conn == nil {
		return e.what
	}
	return connName(e.conn.id, e.conn.seat.origin.name, e.conn.RemoteAddr()) + ": " + e.what
}

// connName is a connection in an error.
func connName(id, origin string, peer net.Addr) string {
	if peer == nil {
		return fmt.Sprintf("connection %s to %s", id, origin)
	}
	return fmt.Sprintf("connection %s to %s (%v)", id, origin, peer)
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

// leave counts the calling goroutine out. It is to be deferred by itself: then a panic
// that nothing else has caught ends this goroutine, and not the program.
func (c *crew) leave() {
	if v := recover(); v != nil && c.failed != nil {
		c.failed(conn.NewPanicError(v))
	}
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
	go c.work(fn)
	return true
}

// runErrand is run for what may not end when it is told to: inside tells of it.
func (c *crew) runErrand(e *errand, fn func()) bool {
	return c.startErrand(e, func() {
		defer c.leave()
		defer c.finish(e)
		fn()
	})
}

// startErrand is runErrand for a function that calls finish and leave by itself, at its end.
func (c *crew) startErrand(e *errand, fn func()) bool {
	if !c.enter() {
		return false
	}
	c.begin(e)
	go fn()
	return true
}

func (c *crew) begin(e *errand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.errands == nil {
		c.errands = map[*errand]struct{}{}
	}
	c.errands[e] = struct{}{}
}

// alsoErrand is also for what may not end when it is told to.
func (c *crew) alsoErrand(e *errand, fn func()) bool {
	return c.also(func() {
		c.begin(e)
		defer c.finish(e)
		fn()
	})
}

func (c *crew) finish(e *errand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.errands, e)
}

// inside names the errands under way, each once, and counts the other goroutines.
func (c *crew) inside() (errands []string, others int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := range c.errands {
		errands = append(errands, e.String())
	}
	slices.Sort(errands)
	return slices.Compact(errands), c.n - len(c.errands)
}

// also is run for a goroutine of the crew that needs another: as long as somebody is
// inside, one more is waited for.
func (c *crew) also(fn func()) bool {
	c.mu.Lock()
	inside := c.n > 0 || !c.closed
	if inside {
		c.n++
	}
	c.mu.Unlock()
	if inside {
		go c.work(fn)
	}
	return inside
}

func (c *crew) work(fn func()) {
	defer c.leave()
	fn()
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
	select {
	case <-done:
		return true
	default:
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
