package actors

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// closeGrace is how long a call waits for the Close of a body that it was given to
// return. It is the time that net/http gives a body that is still being sent.
const closeGrace = 50 * time.Millisecond

// readers are the goroutines of a session that run methods of the bodies its calls were
// given: a Read, or a Close. Nothing can end them from here, so where one stays, the
// session's end names the call that it is of.
type readers struct {
	mu     sync.Mutex
	inside map[*reader]struct{}
	closed bool
	gone   chan struct{} // made by close, closed when nobody is inside
}

// reader is one of these goroutines.
type reader struct {
	method string // that it runs
	call   CallSite
}

// enter counts a goroutine in; false once the session has ended: nobody waits for it.
func (r *readers) enter(g *reader) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	if r.inside == nil {
		r.inside = map[*reader]struct{}{}
	}
	r.inside[g] = struct{}{}
	return true
}

// leave counts out what enter has counted in, and does nothing for any other.
func (r *readers) leave(g *reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.inside[g]; !ok {
		return
	}
	delete(r.inside, g)
	if r.closed && len(r.inside) == 0 {
		close(r.gone)
	}
}

// close lets nobody in any more and waits for those inside, but no longer than
// patience. What it gives names the calls whose bodies have not let go by then.
func (r *readers) close(patience time.Duration) []string {
	r.mu.Lock()
	r.closed, r.gone = true, make(chan struct{})
	if len(r.inside) == 0 {
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	if waitFor(r.gone, patience) {
		return nil
	}
	return r.left()
}

// left names each place once, in order.
func (r *readers) left() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]int{}
	for g := range r.inside {
		found[fmt.Sprintf("a %s of the body of the call made at %v does not return", g.method, &g.call)]++
	}
	for _, what := range slices.Sorted(maps.Keys(found)) {
		if n := found[what]; n > 1 {
			what = fmt.Sprintf("%s (%d of them)", what, n)
		}
		names = append(names, what+"; give a body with a Close that ends its Read")
	}
	return names
}

// CloseReaders closes what a call was given to read and nobody will read any more. Each
// Close runs once, on a goroutine of its own: it may block, as while a Read does, and then
// the call does not wait for it longer than closeGrace. Their errors are ignored; a panic
// goes to the Logger.
func (s *Scheduler) CloseReaders(closers []io.Closer) {
	var call CallSite
	call.Take()
	var begun sync.WaitGroup
	done := make(chan struct{}, len(closers))
	for _, c := range closers {
		g := &reader{method: "Close", call: call}
		s.readers.enter(g)
		begun.Add(1)
		go func() {
			defer func() {
				s.readers.leave(g)
				done <- struct{}{}
			}()
			begun.Done()
			s.closeReader(c)
		}()
	}
	begun.Wait() // so that the time below is theirs, also where the machine is busy
	t := time.NewTimer(closeGrace)
	defer t.Stop()
	for range closers {
		select {
		case <-done:
		case <-t.C:
			return
		}
	}
}

func (s *Scheduler) closeReader(c io.Closer) {
	defer func() {
		if v := recover(); v != nil {
			s.logs.bodyPanicked(conn.NewPanicError(v))
		}
	}()
	_ = c.Close()
}
