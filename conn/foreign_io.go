package conn

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// This file is how a driver's Read and Write are called, and waited for.

// direction is one of the two ways over a connection.
type direction struct {
	call  atomic.Pointer[transfer] // nil while free; stored by the one who reads, or writes
	err   error                    // why nothing more can be written
	limit limit
}

// transfer is one call of a driver's Read or Write, in memory that is not the
// caller's: it may last longer than the caller waits.
type transfer struct {
	buf     []byte
	lent    *[]byte       // what buf is of, where it may go back once the call has returned
	begun   chan struct{} // closed when the call begins
	at      time.Time     // when that was
	thread  int           // and on which thread; 0: nobody knows
	done    chan struct{} // closed when it has returned
	changed chan struct{} // gets one for the one who waits: its limit is another, or Close was called
	n       int           // the call's results, from done on
	err     error
	taken   int // of n; the reader's
}

// Read takes what the driver's Read has brought or brings.
func (f *foreign) Read(p []byte) (int, error) {
	for range maxEmptyReads {
		t, err := f.reading(bufferSize)
		if err == nil {
			err = f.await(&f.in, t)
		}
		if err == nil && t.err == nil && f.closed.Load() { // what has come before is nobody's any more
			err = f.ended()
		}
		if err != nil {
			return 0, err
		}
		n := copy(p, t.buf[t.taken:t.n])
		t.taken += n
		if n > 0 && (t.taken < t.n || t.err != nil) { // the error comes by itself, after the bytes
			return n, nil
		}
		f.free(&f.in, t)
		if n > 0 || t.err != nil || len(p) == 0 {
			return n, t.err
		}
	}
	return 0, io.ErrNoProgress
}

// reading is the driver's Read that is under way or has returned. Where there is none it
// is begun, for size bytes.
func (f *foreign) reading(size int) (*transfer, error) {
	t := f.in.call.Load()
	if t != nil {
		return t, nil
	}
	if size == frugal {
		t = &transfer{buf: make([]byte, size)}
	} else {
		t = f.borrow(size)
	}
	return t, f.begin(&f.in, t)
}

func (f *foreign) borrow(size int) *transfer {
	lent := f.keeper.Buffers.get()
	return &transfer{lent: lent, buf: (*lent)[:size]}
}

// free ends a call that has returned.
func (f *foreign) free(d *direction, t *transfer) {
	d.call.Store(nil)
	if t.lent != nil {
		f.keeper.Buffers.put(t.lent)
	}
}

// Write hands a copy of p to the driver's Write, piece by piece. Where it gives up
// waiting, what was under way may still go out, and nothing follows it.
func (f *foreign) Write(p []byte) (n int, err error) {
	for d := &f.out; len(p) > 0; {
		if d.err != nil {
			return n, d.err
		}
		if left, limited := d.limit.left(); limited && left <= 0 {
			return n, os.ErrDeadlineExceeded // nothing of it has begun to go out
		}
		t := f.borrow(min(len(p), bufferSize))
		copy(t.buf, p)
		if err := f.begin(d, t); err != nil {
			return n, err
		}
		if err := f.await(d, t); err != nil && !f.told(t) {
			f.doubt(d)
			d.err = err
			return n, err
		}
		f.free(d, t)
		switch n += t.n; {
		case t.err != nil && f.closed.Load():
			return n, f.ended()
		case t.err != nil:
			return n, t.err
		case t.n < len(t.buf):
			return n, io.ErrShortWrite
		}
		p = p[len(t.buf):]
	}
	return n, nil
}

// begin calls the driver's method beside.
func (f *foreign) begin(d *direction, t *transfer) error {
	t.begun, t.done, t.changed = make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	f.mu.Lock()
	if f.closed.Load() {
		f.mu.Unlock()
		return f.ended()
	}
	f.calls.Add(1)
	d.call.Store(t)
	f.mu.Unlock()
	f.run(func() {
		defer f.calls.Done()
		f.call(d, t)
	})
	return nil
}

func (f *foreign) run(fn func()) {
	if f.keeper.Run == nil || !f.keeper.Run(fn) {
		go fn()
	}
}

// call calls the driver's method, whatever that does.
func (f *foreign) call(d *direction, t *transfer) {
	method, name := f.nc.Read, "Read"
	if d == &f.out {
		method, name = f.nc.Write, "Write"
	}
	returned := false
	defer func() {
		if !returned { // who knows who else has its memory
			t.n, t.err, t.lent = 0, f.failed(name, recover()), nil
			f.doubt(d)
		}
		close(t.done)
	}()
	t.at, t.thread = time.Now(), thread()
	close(t.begun)
	t.n, t.err = method(t.buf)
	if t.n < 0 || t.n > len(t.buf) {
		t.err = fmt.Errorf("the driver's connection gave an impossible count in %s: %d of %d bytes", name, t.n, len(t.buf))
		t.n, t.lent = 0, nil
		f.doubt(d)
	}
	probe(t.err)
	returned = true
}

// doubt notes that nobody knows what a call has written.
func (f *foreign) doubt(d *direction) {
	if d == &f.out {
		f.unsure.Store(true)
	}
}

// probe asks an error of a driver's what others will ask it: one that panics does so here.
func probe(err error) {
	if err != nil {
		_ = IsTimeout(err)
		_ = err.Error()
	}
}

// await waits for t to return, or tells why not: the limit, or Close.
func (f *foreign) await(d *direction, t *transfer) error {
	for {
		select {
		case <-t.done:
			return nil
		default:
		}
		if f.closed.Load() {
			return f.ended()
		}
		left, limited := d.limit.left()
		switch {
		case !limited:
			select {
			case <-t.done:
			case <-t.changed:
			}
		case left <= 0:
			return os.ErrDeadlineExceeded
		default:
			timer := time.NewTimer(left)
			select {
			case <-t.done:
			case <-t.changed:
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

// change tells whoever waits to look at why.
func (d *direction) change() {
	if t := d.call.Load(); t != nil {
		select {
		case t.changed <- struct{}{}:
		default:
		}
	}
}

// told gives a Write that is not waited for any more a moment to tell how much it wrote:
// Close may end it. Of a deadline the driver's Write knows nothing, but it may be done just
// now.
func (f *foreign) told(t *transfer) bool {
	grace := lateGrace
	if f.closed.Load() {
		grace = closeGrace
	}
	enough := time.NewTimer(grace)
	defer enough.Stop()
	select {
	case <-t.done:
		return true
	case <-enough.C:
		return false
	}
}

// see tells what the driver's Read has brought so far.
func (f *foreign) see() lookResult {
	if f.closed.Load() {
		return lookClosed
	}
	t := f.in.call.Load()
	if t == nil {
		return lookUnable
	}
	select {
	case <-t.done:
	default:
		return lookQuiet
	}
	if t.n > 0 {
		return lookBytes
	}
	if t.err == nil {
		return lookQuiet // it gave nothing
	}
	return lookClosed
}

// look is see, but that what is there already is seen even if nobody has asked the
// driver for it before; size is how much a Read takes that has to be begun for that. It
// is the reader's.
func (f *foreign) look(size int) lookResult {
	if t := f.in.call.Load(); t != nil && f.see() == lookQuiet && t.empty() {
		f.free(&f.in, t)
	}
	t, err := f.reading(size)
	if err != nil {
		return lookClosed
	}
	<-t.begun // by then that goroutine goes on, and we come next on its thread
	if t.thread != 0 && t.thread == thread() {
		return f.see() // it has left the thread to us: the Read has returned, or waits
	}
	return f.settle(t)
}

// settle watches a Read that may be about to give something. One that is as old as
// settled needs no watching.
func (f *foreign) settle(t *transfer) lookResult {
	for range settleTurns {
		old := time.Since(t.at) >= settled // before the look: between the two the machine may take us away
		if what := f.see(); what != lookQuiet || t.empty() || old {
			return what
		}
		pause()
	}
	return f.see()
}

// empty tells whether the call has returned without a result.
func (t *transfer) empty() bool {
	select {
	case <-t.done:
		return t.n == 0 && t.err == nil
	default:
		return false
	}
}
