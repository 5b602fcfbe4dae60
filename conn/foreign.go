package conn

import (
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// foreign is a connection of a driver's own type. Nothing is known of such a type but
// what net.Conn says: it may embed a socket and lack what the socket's other methods
// promise, and it may refuse or ignore deadlines, panic, end its goroutine, or block
// where no net.Conn should. So only its Read, Write and Close are used, each on a
// goroutine of its own, and deadlines are kept here: whoever reads or writes waits for
// that goroutine, the deadline, or Close, whichever comes first. See
// docs/decisions/0010-foreign-connections.md.
//
// One goroutine may read and one write at the same time; Close, see and the deadlines
// are for any.
//
//	a direction is  event                   next     effect
//	free            Read, Write, look       under way  the driver's method is called beside
//	under way       it returns              held       the result waits to be taken
//	under way       deadline, Close         under way  the waiting Read or Write returns without
//	held            Read, Write             free       the result is taken
type foreign struct {
	nc     net.Conn
	keeper *Keeper
	remote net.Addr
	in     direction
	out    direction

	// unsure tells that a Write of this request was given up or has panicked: more may
	// have gone out than it said.
	unsure atomic.Bool
	closed atomic.Bool // no call of the driver's begins any more; set under mu

	mu    sync.Mutex
	fault error          // what a method that panicked has left
	shut  *shutting      // from Close on
	calls sync.WaitGroup // Reads and Writes of the driver's; grows under mu, unless closed
}

// shutting is the end of a foreign connection.
type shutting struct {
	began time.Time
	gone  chan struct{} // closed when the driver's Close has returned
}

// Keeper gives connections of drivers' own types what they need.
type Keeper struct {
	// Buffers lends the memory for their Reads and Writes; nil: it is not shared.
	Buffers *Buffers
	// Run starts fn on a goroutine whose end somebody awaits; false: it is too late for
	// that, and fn is not started. nil: nobody does.
	Run func(fn func()) bool
	// End is Run for what closes the connection and stays until nothing of it runs any
	// more, however long that takes; nil: as Run.
	End func(fn func()) bool
	// Failed is told of a method that panicked or ended its goroutine; nil: nobody is.
	Failed func(err error)
}

const (
	// maxEmptyReads bounds Reads that give neither bytes nor an error. A conn may do
	// that now and then; one that keeps doing it makes no progress.
	maxEmptyReads = 100

	// closeGrace is how long an end may take of which nobody needs the rest: a
	// close_notify, and a driver's Close. crypto/tls would give the first 5 s.
	closeGrace = 100 * time.Millisecond

	// lateGrace is how long a Write is waited for beyond its deadline.
	lateGrace = time.Millisecond

	// frugal is what a Read holds that waits for nothing but an idle connection's end.
	frugal = 64

	// A Read under way that has nothing to give can't be told from one that is about to
	// give something, but its thread or its age may tell. One that is as old as this has
	// nothing.
	settled = 20 * time.Millisecond
)

// adopt makes a driver's connection safe to use: those of package net are used as they
// are, all others as a foreign one.
func adopt(nc net.Conn, k *Keeper) (adopted net.Conn, err error) {
	switch nc.(type) {
	case *foreign, *proxyTLS:
		return nc, nil
	case *net.TCPConn, *net.UnixConn:
		if canPeek {
			return nc, nil
		}
	}
	if k == nil {
		k = &Keeper{}
	}
	if k.Buffers == nil {
		k = &Keeper{&Buffers{}, k.Run, k.End, k.Failed}
	}
	f := &foreign{nc: nc, keeper: k}
	returned := false
	defer func() {
		if !returned {
			adopted, err = nil, f.failed("RemoteAddr", recover())
		}
	}()
	if f.remote = nc.RemoteAddr(); isNil(f.remote) {
		f.remote = nil
	} else {
		_ = f.remote.String() // one that panics does so here
	}
	returned = true
	return f, nil
}

// isNil also knows the nil pointers that an interface hides.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		return r.IsNil()
	}
	return false
}

// RemoteAddr is what the driver's said when the connection was made.
func (f *foreign) RemoteAddr() net.Addr { return f.remote }

// LocalAddr is nil: nobody needs it.
func (f *foreign) LocalAddr() net.Addr { return nil }

// SetDeadline sets both of the deadlines below.
func (f *foreign) SetDeadline(t time.Time) error {
	f.in.bound(t)
	f.out.bound(t)
	return nil
}

// SetReadDeadline bounds how long a Read waits; the driver's goes on.
func (f *foreign) SetReadDeadline(t time.Time) error {
	f.in.bound(t)
	return nil
}

// SetWriteDeadline bounds how long a Write waits; the driver's goes on.
func (f *foreign) SetWriteDeadline(t time.Time) error {
	f.out.bound(t)
	return nil
}

func (d *direction) bound(t time.Time) {
	d.limit.set(t)
	d.change()
}

// limit is a deadline.
type limit struct {
	mu sync.Mutex
	at time.Time // zero: none
}

func (l *limit) set(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = at
}

func (l *limit) left() (left time.Duration, limited bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		return 0, false
	}
	return time.Until(l.at), true
}
