package conn

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

var (
	errFirst  = errors.New("the first cause")
	errSecond = errors.New("the second cause")
)

// blocked are the steps that a silent server blocks. Each is ready to run when
// ahead has returned.
var blocked = []struct {
	name  string
	ahead func(c *Conn, p *peer) error // nil: nothing
	step  func(c *Conn) error
}{
	{"reading the head", nil, func(c *Conn) error {
		_, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, 0)
		return err
	}},
	{"reading the head in time", nil, func(c *Conn) error {
		_, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, time.Hour)
		return err
	}},
	{"in the head", serve("HTTP/1.1 2"), func(c *Conn) error {
		_, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, 0)
		return err
	}},
	{"reading all of a body", begin(ok + "Content-Length: 10000\r\n\r\n"), func(c *Conn) error {
		_, err := c.ReadAll(nil, 0)
		return err
	}},
	{"reading all until close", begin(ok + "\r\nhello"), func(c *Conn) error {
		_, err := c.ReadAll(nil, 0)
		return err
	}},
	{"reading a chunk", begin(okChunked + "5\r\nhel"), func(c *Conn) error {
		_, err := c.ReadAll(nil, 0)
		return err
	}},
	{"reading a piece", begin(ok + "Content-Length: 10000\r\n\r\nhello"), func(c *Conn) error {
		_, _, err := c.Read(make([]byte, 100), true)
		return err
	}},
	{"reading a large piece", begin(ok + "Content-Length: 10000\r\n\r\nhello"), func(c *Conn) error {
		_, _, err := c.Read(make([]byte, 10000), true)
		return err
	}},
	{"writing", nil, func(c *Conn) error {
		_, err := c.Write(zeros(), nil, true)
		return err
	}},
	{"writing head and body", nil, func(c *Conn) error {
		_, err := c.Write([]byte(get), zeros(), true)
		return err
	}},
	{"writing a further piece", nil, func(c *Conn) error {
		_, err := c.More(zeros(), true)
		return err
	}},
}

// hugeBody is more than the buffers of two sockets hold.
const hugeBody = 64 << 20

// zeros is a body of that size. Nobody writes to it.
var zeros = sync.OnceValue(func() []byte { return make([]byte, hugeBody) })

func serve(pieces ...string) func(c *Conn, p *peer) error {
	return func(_ *Conn, p *peer) error {
		p.work.Go(func() { p.write(pieces...) })
		return nil
	}
}

// begin makes the server send that much of an answer, and reads its head.
func begin(in string) func(c *Conn, p *peer) error {
	return func(c *Conn, p *peer) error {
		p.work.Go(func() { p.write(in) })
		_, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, 0)
		return err
	}
}

// An interruption ends what is blocked at once, and the first cause is told from
// then on.
func TestInterruptBlocked(t *testing.T) {
	for _, tc := range blocked {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := overPipe.meet(t)
				if tc.ahead != nil {
					if err := tc.ahead(c, p); err != nil {
						t.Fatal(err)
					}
				}
				ended := make(chan error)
				go func() { ended <- tc.step(c) }()
				synctest.Wait() // it is blocked now
				began := time.Now()
				c.Interrupt(errFirst)
				c.Interrupt(errSecond)
				wantError(t, <-ended, errFirst)
				if waited := time.Since(began); waited != 0 {
					t.Errorf("ended %v later", waited)
				}
				checkInterrupted(t, c)
			})
		})
	}
}

// The same over sockets of the system, at any moment.
func TestInterruptSockets(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS, overHiddenTLS} {
		for _, tc := range blocked {
			t.Run(tc.name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				if tc.ahead != nil {
					if err := tc.ahead(c, p); err != nil {
						t.Fatal(err)
					}
				}
				began, ended := make(chan struct{}), make(chan error)
				go func() {
					close(began)
					ended <- tc.step(c)
				}()
				<-began
				var both sync.WaitGroup
				for range 2 { // from anywhere, also at once
					both.Go(func() { c.Interrupt(errFirst) })
				}
				both.Wait()
				c.Interrupt(errSecond)
				wantError(t, <-ended, errFirst)
				checkInterrupted(t, c)
			})
		}
	}
}

// checkInterrupted tries what may come after an interruption.
func checkInterrupted(t *testing.T, c *Conn) {
	t.Helper()
	if c.Alive(time.Hour) || c.Alive(0) {
		t.Error("alive")
	}
	sent, err := c.Write([]byte(get), nil, true)
	wantError(t, err, errFirst)
	if sent != SentNothing {
		t.Errorf("sent %v", sent)
	}
	c.Park()
	_, err = c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, time.Second)
	wantError(t, err, errFirst)
	c.Close()
}

func TestInterruptIdle(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			p.answers(okLength)
			if got := exchange(c, "GET"); got.err != nil {
				t.Fatal(got.err)
			}
			p.work.Wait()
			c.Park()
			c.Interrupt(errFirst)
			checkInterrupted(t, c)
		})
	}
}

// A file that the kernel sends is interrupted too, while the server does not read.
func TestInterruptSendFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, hugeBody); err != nil {
		t.Fatal(err)
	}
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c, p := tr.meet(t)
			ended := make(chan error)
			p.work.Go(func() { p.Read(make([]byte, 1)) })
			if _, err := c.Write([]byte("x"), nil, false); err != nil {
				t.Fatal(err)
			}
			p.work.Go(func() { // some of the file gets through
				p.Read(make([]byte, 10))
				c.Interrupt(errFirst)
			})
			go func() {
				sent, err := c.SendFile(f, hugeBody)
				if sent != SentPart {
					t.Errorf("sent %v", sent)
				}
				ended <- err
			}()
			wantError(t, <-ended, errFirst)
			checkInterrupted(t, c)
		})
	}
}

// The context of a handshake is not the only thing that can end it.
func TestInterruptHandshake(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	c := New(client, &Buffers{})
	ended := make(chan error)
	go func() { ended <- c.Secure(t.Context(), clientTLS()) }()
	server.Read(make([]byte, 1)) // the client has begun
	c.Interrupt(errFirst)
	err := <-ended
	wantError(t, err, errFirst)
	var e *Error
	if !errors.As(err, &e) || e.Op != OpTLS {
		t.Errorf("error %v, want an *Error of the handshake", err)
	}
}

// A driver's conn may panic in Close: whoever interrupts is not taken along.
func TestInterruptPanickingClose(t *testing.T) {
	c := New(panickingClose{newCanned("")}, &Buffers{})
	c.Interrupt(errFirst)
	if c.Alive(time.Hour) {
		t.Error("alive")
	}
	c.Close()
}

type panickingClose struct{ net.Conn }

func (panickingClose) Close() error { panic("in Close") }
