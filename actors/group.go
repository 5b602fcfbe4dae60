package actors

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// group owns the goroutines of one scheduler: dials, timers that fired, messages
// handed over by a mailbox. Its end is awaited, so that nothing is left behind.
type group struct {
	failed func(err error) // told of a panic that nothing else has caught; may be nil

	mu      sync.Mutex
	n       int
	errands map[*errand]struct{} // which some of them are on
	closed  bool
	gone    chan struct{} // made by close, closed when n is 0
}

// errand is what a goroutine of the group does in code that is not troupe's, which may not
// end when it is told to.
type errand struct {
	what string // with its verb: "the Logger's handler does not return"
	conn *Conn  // which it is for; nil: none
}

func (e *errand) String() string {
	if e.conn == nil {
		return e.what
	}
	return connName(e.conn.id, e.conn.entry.Origin.Name, e.conn.RemoteAddr()) + ": " + e.what
}

// connName is a connection in an error.
func connName(id, origin string, peer net.Addr) string {
	if peer == nil {
		return fmt.Sprintf("connection %s to %s", id, origin)
	}
	return fmt.Sprintf("connection %s to %s (%v)", id, origin, peer)
}

// enter counts the calling goroutine in; false once the group is closed.
func (g *group) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.n++
	return true
}

// leave counts the calling goroutine out. It is to be deferred by itself: then a panic
// that nothing else has caught ends this goroutine, and not the program.
func (g *group) leave() {
	if v := recover(); v != nil && g.failed != nil {
		g.failed(conn.NewPanicError(v))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.closed && g.n == 0 {
		close(g.gone)
	}
}

// run starts fn on a goroutine of the group; false, and nothing is started, once
// the group is closed.
func (g *group) run(fn func()) bool {
	if !g.enter() {
		return false
	}
	go g.work(fn)
	return true
}

// runErrand is run for what may not end when it is told to: inside tells of it.
func (g *group) runErrand(e *errand, fn func()) bool {
	return g.startErrand(e, func() {
		defer g.leave()
		defer g.finish(e)
		fn()
	})
}

// startErrand is runErrand for a function that calls finish and leave by itself, at its end.
func (g *group) startErrand(e *errand, fn func()) bool {
	if !g.enter() {
		return false
	}
	g.begin(e)
	go fn()
	return true
}

func (g *group) begin(e *errand) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.errands == nil {
		g.errands = map[*errand]struct{}{}
	}
	g.errands[e] = struct{}{}
}

// alsoErrand is also for what may not end when it is told to.
func (g *group) alsoErrand(e *errand, fn func()) bool {
	return g.also(func() {
		g.begin(e)
		defer g.finish(e)
		fn()
	})
}

func (g *group) finish(e *errand) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.errands, e)
}

// inside names the errands under way, each once, and counts the other goroutines.
func (g *group) inside() (errands []string, others int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for e := range g.errands {
		errands = append(errands, e.String())
	}
	slices.Sort(errands)
	return slices.Compact(errands), g.n - len(g.errands)
}

// also is run for a goroutine of the group that needs another: as long as somebody is
// inside, one more is waited for.
func (g *group) also(fn func()) bool {
	g.mu.Lock()
	inside := g.n > 0 || !g.closed
	if inside {
		g.n++
	}
	g.mu.Unlock()
	if inside {
		go g.work(fn)
	}
	return inside
}

func (g *group) work(fn func()) {
	defer g.leave()
	fn()
}

// start is run for a function that is made once and leaves the group by itself: it
// allocates nothing.
func (g *group) start(fn func()) bool {
	if !g.enter() {
		return false
	}
	go fn()
	return true
}

// close lets nobody in any more and waits for those inside, but no longer than
// patience. It reports whether all have left.
func (g *group) close(patience time.Duration) bool {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		g.gone = make(chan struct{})
		if g.n == 0 {
			close(g.gone)
		}
	}
	g.mu.Unlock()
	return waitFor(g.gone, patience)
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
