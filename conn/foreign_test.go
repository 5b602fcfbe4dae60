package conn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// driversTLS is a connection over a driver's own *tls.Conn.
func driversTLS(t *testing.T) (*Conn, *peer) {
	t.Helper()
	client, server := tcpPair(t)
	p := &peer{raw: server, out: &outlet{Conn: server}}
	p.Conn = tls.Server(p.out, serverTLS())
	theirs := tls.Client(client, clientTLS())
	p.work.Go(func() { p.Conn.(*tls.Conn).Handshake() })
	if err := theirs.Handshake(); err != nil {
		t.Fatal(err)
	}
	p.work.Wait()
	c, _ := overTCP.over(t, theirs, server)
	return c, p
}

// A TLS that the driver has made holds back what came with an answer in a record of its
// own, and a look at its socket would not see that.
func TestDriversTLSHoldsBack(t *testing.T) {
	c, p := driversTLS(t)
	var both []byte
	p.out.divert = func(b []byte) { both = append(both, b...) }
	p.write(okLength, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
	p.work.Go(func() {
		io.ReadFull(p, make([]byte, len(get)))
		p.raw.Write(both)
	})
	if got := exchange(c, "GET"); got != (reply{200, "hello", nil}) {
		t.Fatalf("%+v", got)
	}
	p.work.Wait()
	c.Park()
	eventually(t, "what was held back is seen", func() bool { return !c.Alive(0) })
}

// A body until close that a driver's TLS saw cut off within a record has not ended.
func TestDriversTLSCutOff(t *testing.T) {
	c, p := driversTLS(t)
	var record []byte
	p.out.divert = func(b []byte) { record = append(record, b...) }
	p.write(ok + "\r\nhalf of it")
	whole := len(record)
	p.write("the other half")
	p.work.Go(func() {
		io.ReadFull(p, make([]byte, len(get)))
		p.raw.Write(record[:whole+10])
		p.cut()
	})
	if got := exchange(c, "GET"); !errors.Is(got.err, io.ErrUnexpectedEOF) {
		t.Errorf("%+v", got)
	}
}

// scripted is a driver's conn whose methods a test provides; nil ones block until it is
// closed.
type scripted struct {
	net.Conn
	read, write func(p []byte) (int, error)
	over        chan struct{}
	once        sync.Once
}

func newScripted() *scripted { return &scripted{over: make(chan struct{})} }

func (s *scripted) Read(p []byte) (int, error)  { return s.call(s.read, p) }
func (s *scripted) Write(p []byte) (int, error) { return s.call(s.write, p) }
func (s *scripted) RemoteAddr() net.Addr        { return nil }
func (s *scripted) Close() error                { s.once.Do(func() { close(s.over) }); return nil }

func (s *scripted) call(f func(p []byte) (int, error), p []byte) (int, error) {
	if f == nil {
		<-s.over
		return 0, net.ErrClosed
	}
	return f(p)
}

// What a Read brings after its deadline is there for the next one.
func TestForeignReadLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		c := New(client, &Buffers{})
		defer c.Close()
		defer server.Close()
		go io.CopyN(io.Discard, server, int64(len(get)))
		c.Write([]byte(get), nil, true)
		var h http1.Head
		if _, err := c.ReadHead("GET", &h, nil, http1.Limits{}, time.Second); !IsTimeout(err) {
			t.Fatal(err)
		}
		go io.WriteString(server, okLength)
		synctest.Wait()
		if got := receive(c, "GET", 0); got != (reply{200, "hello", nil}) {
			t.Errorf("%+v", got)
		}
	})
}

// Memory that a driver may still write to, or have kept, goes to nobody else.
func TestForeignBuffersComeBackOnlyWhenFree(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("the driver's own") }, "block": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var buffers Buffers
				var kept atomic.Pointer[[]byte]
				s, stuck := newScripted(), make(chan struct{})
				s.write = func(p []byte) (int, error) { return len(p), nil }
				s.read = func(p []byte) (int, error) {
					kept.Store(&p)
					if fail != nil {
						fail()
					}
					<-stuck
					return 0, io.EOF
				}
				nc, err := adopt(s, &Keeper{Buffers: &buffers})
				if err != nil {
					t.Fatal(err)
				}
				c := New(nc, &buffers)
				c.Write([]byte(get), nil, true)
				if _, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, time.Second); err == nil {
					t.Fatal("no error")
				}
				c.Close()
				theirs := &(*kept.Load())[0]
				for range 100 {
					if lent := buffers.get(); &(*lent)[0] == theirs {
						t.Fatal("lent while the driver has it")
					}
				}
				close(stuck)
			})
		})
	}
}

// A connection that can't be closed ends all the same for those who use it.
func TestForeignCloseThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stuck := newScripted(), make(chan struct{})
		s.write = func(p []byte) (int, error) { return len(p), nil }
		s.read = func([]byte) (int, error) { <-stuck; return 0, io.EOF }
		c := New(&stubborn{s, stuck}, &Buffers{})
		c.Write([]byte(get), nil, true)
		began := time.Now()
		time.AfterFunc(time.Second, func() { c.Interrupt(errFirst) })
		if got := receive(c, "GET", 0); !errors.Is(got.err, errFirst) {
			t.Errorf("%+v", got)
		}
		c.Close()
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
		select {
		case <-c.Gone():
			t.Error("gone")
		default:
		}
		close(stuck)
		<-c.Gone()
	})
}

type stubborn struct {
	*scripted
	stuck chan struct{}
}

func (s *stubborn) Close() error                { <-s.stuck; return nil }
func (s *stubborn) SetDeadline(time.Time) error { return nil }

// Where Close fails, a deadline may still end what is under way.
func TestForeignCloseThatFails(t *testing.T) {
	for name, closes := range map[string]func() error{
		"panics":        func() error { panic("the driver's own") },
		"does nothing":  func() error { return nil },
		"waits for all": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer server.Close()
				u := &unclosable{Conn: client, close: closes}
				c := New(u, &Buffers{})
				if !c.StillAlive() { // a Read is under way now
					t.Error("not alive")
				}
				synctest.Wait()
				c.Close()
				<-c.Gone()
				synctest.Wait()
				time.Sleep(time.Second)
				if n := u.reads.Load(); n != 0 {
					t.Errorf("%d Reads have not ended", n)
				}
			})
		})
	}
}

// unclosable is a pipe's end that Close leaves open; without close that waits until no
// Read is under way.
type unclosable struct {
	net.Conn
	close func() error
	reads atomic.Int64
	all   sync.WaitGroup
}

func (u *unclosable) Read(p []byte) (int, error) {
	u.reads.Add(1)
	u.all.Add(1)
	defer u.all.Done()
	defer u.reads.Add(-1)
	return u.Conn.Read(p)
}

func (u *unclosable) Close() error {
	if u.close == nil {
		u.all.Wait()
		return nil
	}
	return u.close()
}

// Counts that can't be are errors, and of a Write nobody knows what it has sent.
func TestForeignImpossibleCounts(t *testing.T) {
	for _, more := range []int{-1 << 20, 1} {
		s := newScripted()
		s.write = func(p []byte) (int, error) { return len(p) + more, nil }
		c := New(s, &Buffers{})
		if sent, err := c.Write([]byte(get), nil, true); sent != SentPart || err == nil || !strings.Contains(err.Error(), "impossible count in Write") {
			t.Errorf("sent %v, %v", sent, err)
		}
		c.Close()
		s = newScripted()
		s.write = func(p []byte) (int, error) { return len(p), nil }
		s.read = func(p []byte) (int, error) { return len(p) + more, nil }
		c = New(s, &Buffers{})
		if got := exchange(c, "GET"); got.err == nil || !strings.Contains(got.err.Error(), "impossible count in Read") {
			t.Errorf("%+v", got)
		}
		c.Close()
	}
}

// An error whose methods panic is no error that others could be asked to read.
func TestForeignErrorsThatPanic(t *testing.T) {
	s := newScripted()
	s.write = func([]byte) (int, error) { return 0, (*nilError)(nil) }
	c := New(s, &Buffers{})
	defer c.Close()
	if _, err := c.Write([]byte(get), nil, true); err == nil || !strings.Contains(err.Error(), "failed in Write") {
		t.Errorf("%v", err)
	}
}

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// The keeper of a connection is told of what it does wrong, and where that was.
func TestForeignFailuresAreTold(t *testing.T) {
	told := make(chan error, 10)
	s := newScripted()
	s.write = func([]byte) (int, error) { panic(errFirst) }
	nc, err := adopt(s, &Keeper{Failed: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	c := New(nc, &Buffers{})
	defer c.Close()
	if sent, err := c.Write([]byte(get), nil, true); sent != SentPart || !errors.Is(err, errFirst) {
		t.Errorf("sent %v, %v", sent, err)
	}
	var p *PanicError
	if err := <-told; !errors.As(err, &p) || !strings.Contains(string(p.Stack), "TestForeignFailuresAreTold") {
		t.Errorf("told of %v", err)
	}
}

// What came before the end of a connection, and was not read, is nobody's afterwards.
func TestForeignGivesNothingAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := overPipe.meet(t)
		p.work.Go(func() {
			p.request()
			time.Sleep(time.Second)
			p.write(okLength)
		})
		c.Write([]byte(get), nil, true)
		if _, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, time.Millisecond); !IsTimeout(err) {
			t.Fatal(err)
		}
		p.work.Wait() // the Read that was under way has taken it
		c.Interrupt(errFirst)
		if got := receive(c, "GET", 0); !errors.Is(got.err, errFirst) {
			t.Errorf("%+v", got)
		}
	})
}
