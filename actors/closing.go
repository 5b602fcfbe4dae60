package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// This file is the end of a scheduler. Only code that is not troupe's can hold it up, as a
// Driver that ignores its context does. So there is one time for all of it, and what is still
// open then is named.

// patience is how long Close takes at most.
const patience = 5 * time.Second

// Close cuts everything off. When it returns, every actor, goroutine, timer and
// socket has ended; an error names what did not obey within Config.CloseTimeout, or is
// that of the Driver's Stop. It is safe to call twice and from many goroutines.
func (s *Scheduler) Close() error {
	s.closeOnce.Do(func() {
		e := closer{began: time.Now(), limit: s.cfg.CloseTimeout}
		s.close(&e)
		e.outlived(s.readers.close(e.left(10))...) // calls that were cut off close their bodies
		s.closeErr = errors.Join(e.errs...)
	})
	return s.closeErr
}

func (s *Scheduler) close(e *closer) {
	defer close(s.over)
	s.closing.Store(true)
	s.drain()
	s.cutOff()
	s.mail.PostUserMessage(&cut{})
	if !e.await(s.vacant, 8) { // the dispatcher is not stopped while one of its connections ends: the Stop would miss that
		e.outlived(s.openConns(e.limit / 10)...)
	}
	s.group.run(func() { s.system.Root.Stop(s.dispatcher) }) // it runs what a connection has not come to yet
	if !e.await(s.stopped, 8) {                              // it waits for its connections
		if len(e.errs) == 0 {
			e.outlived("the dispatcher does not end")
		}
		s.abort()
	}
	if !s.group.close(e.left(9)) {
		named, others := s.group.inside()
		e.outlived(named...)
		if len(e.errs) == 0 {
			e.outlived(fmt.Sprintf("%d goroutines do not end", others))
		}
	}
	s.pipelines.end()
	if d, ok := s.cfg.Driver.(conn.Stopper); ok {
		e.errs = append(e.errs, stopDriver(d, e.left(10)))
	}
}

// closer is a Close under way.
type closer struct {
	began time.Time
	limit time.Duration
	errs  []error
}

// left is what is left of so many tenths of the time. Each step of the end has a tenth more
// than the one before, so that it is not blamed for that one's delay.
func (e *closer) left(tenths time.Duration) time.Duration {
	return max(0, e.limit/10*tenths-time.Since(e.began))
}

func (e *closer) await(done <-chan struct{}, tenths time.Duration) bool {
	return waitFor(done, e.left(tenths))
}

// outlived names what is still open.
func (e *closer) outlived(what ...string) {
	for _, w := range what {
		e.errs = append(e.errs, fmt.Errorf("troupe: closing the session: still open after %v: %s", time.Since(e.began).Round(time.Millisecond), w))
	}
}

// openConns names the connections that have not ended.
func (s *Scheduler) openConns(patience time.Duration) (names []string) {
	m := &snapshot{reply: make(chan Snapshot, 1)}
	s.mail.PostUserMessage(m)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case snap := <-m.reply:
		for _, c := range snap.Conns {
			names = append(names, fmt.Sprintf("%s, %s: a Read, Write or Close of the Driver's connection does not return though it was closed",
				connName(c.ID, c.Origin, c.Peer), c.State))
		}
		return names
	case <-late.C:
		return []string{"the dispatcher does not answer"}
	}
}

// stopDriver calls the Driver's Stop, which is told to end a little before it is given up.
func stopDriver(d conn.Stopper, left time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), left-left/10)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		var err error = conn.NewPanicError("it ended its goroutine (runtime.Goexit)")
		defer func() {
			if v := recover(); v != nil {
				err = conn.NewPanicError(v)
			}
			done <- err
		}()
		err = d.Stop(ctx)
	}()
	late := time.NewTimer(left)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return fmt.Errorf("troupe: closing the session: still open: the Driver's Stop does not return though its context has ended (%T)", d)
	}
}
