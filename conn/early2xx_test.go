package conn

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// heard waits until the watch has found something.
func heard(t testing.TB, c *Conn) {
	eventually(t, "something heard", func() bool {
		c.watch.mu.Lock()
		defer c.watch.mu.Unlock()
		return c.watch.found != unheard
	})
}

// A server that begins a 2xx answer while it still reads gets the whole body, byte
// for byte, and the connection stays in use.
func TestEarly2xxGoesOn(t *testing.T) {
	body := []byte(text(hugeBody / 8))
	for _, tr := range append(transports, overHiddenTCP) {
		for _, up := range uploads {
			for _, cut := range []int{5, 12, len(early200)} {
				if raceEnabled && cut != 12 {
					continue // it takes twenty times as long, and is not about where the answer is cut
				}
				t.Run(fmt.Sprintf("%s over %s, %d bytes early", up.name, tr.name, cut), func(t *testing.T) {
					c, p := tr.meet(t)
					p.work.Go(func() {
						req, err := http.ReadRequest(p.br)
						if err != nil {
							return
						}
						p.write(early200[:cut])
						if cut > 9 && tr.name != overPipe.name {
							heard(t, c)
						}
						got, _ := io.ReadAll(req.Body)
						if !bytes.Equal(got, body) {
							t.Errorf("other bytes arrived: %d of %d", len(got), len(body))
						}
						p.write(early200[cut:])
						p.request()
						p.write(okLength)
					})
					if sent, err := up.send(t, c, body); sent != SentAll || err != nil {
						t.Fatalf("sent %v, %v", sent, err)
					}
					if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) || !c.Reusable() {
						t.Errorf("%+v, reusable %t", r, c.Reusable())
					}
					c.Park()
					if r := exchange(c, "GET"); r.err != nil || !c.Reusable() {
						t.Errorf("the next: %+v", r)
					}
					p.work.Wait()
				})
			}
		}
	}
}

// Once a 2xx has begun, a write without progress ends.
func TestEarly2xxStuck(t *testing.T) {
	for _, up := range uploads {
		t.Run(up.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := overPipe.meet(t)
				c.watch.stall = stallTime
				const reads = 10
				p.work.Go(func() {
					http.ReadRequest(p.br)
					p.write(early200)
					for range reads { // slow, but it goes on
						time.Sleep(stallTime - time.Millisecond)
						io.CopyN(io.Discard, p.raw, stride)
					}
				})
				start := time.Now()
				sent, err := up.send(t, c, make([]byte, 4<<20))
				if sent != SentPart || err != ErrAnswered {
					t.Fatalf("sent %v, %v", sent, err)
				}
				took := time.Since(start)
				if took < (reads+1)*(stallTime-time.Millisecond) || took > (reads+2)*stallTime {
					t.Errorf("ended after %v", took)
				}
				if sent, err := c.More([]byte("x"), true); sent != SentPart || err != ErrAnswered {
					t.Errorf("a further piece: sent %v, %v", sent, err)
				}
				if time.Since(start) > took {
					t.Error("a further piece waits again")
				}
				if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) {
					t.Errorf("%+v", r)
				}
				if c.Reusable() {
					t.Error("reusable")
				}
			})
		})
	}
}

// The same over sockets.
func TestEarly2xxStuckSockets(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS} {
		for _, up := range uploads {
			t.Run(up.name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				c.watch.stall = 20 * time.Millisecond
				p.refuses(early200)
				sent, err := up.send(t, c, make([]byte, hugeBody))
				if sent != SentPart || err != ErrAnswered {
					t.Fatalf("sent %v, %v", sent, err)
				}
				if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) || c.Reusable() {
					t.Errorf("%+v, reusable %t", r, c.Reusable())
				}
			})
		}
	}
}

// Progress is what counts, also of a write that was begun as a whole: once a 2xx has
// begun, each stride has a time of its own.
func TestEarly2xxGivesEachStrideItsTime(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS} {
		for _, up := range uploads {
			t.Run(up.name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				d := &deadlines{TCPConn: c.sock.Conn.(*net.TCPConn)}
				c.sock.Conn = d
				p.work.Go(func() {
					req, err := http.ReadRequest(p.br)
					if err != nil {
						return
					}
					p.write(early200)
					heard(t, c)
					io.Copy(io.Discard, req.Body)
				})
				if sent, err := up.send(t, c, make([]byte, hugeBody)); sent != SentAll || err != nil {
					t.Fatalf("sent %v, %v", sent, err)
				}
				if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) || !c.Reusable() {
					t.Errorf("%+v, reusable %t", r, c.Reusable())
				}
				d.check(t, hugeBody/2/stride) // the rest went into the sockets' buffers before
			})
		}
	}
}

// deadlines keeps the write deadlines that were set.
type deadlines struct {
	*net.TCPConn
	mu  sync.Mutex
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set = append(d.set, t)
	return d.TCPConn.SetWriteDeadline(t)
}

// check wants so many deadlines that give time, none of them earlier than one before it, and
// in the end none.
func (d *deadlines) check(t *testing.T, atLeast int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	given, last := 0, past
	for i, at := range d.set {
		if at.IsZero() || at.Equal(past) {
			continue
		}
		if given++; at.Before(last) {
			t.Errorf("deadline %d goes back", i)
		}
		last = at
	}
	if given < atLeast {
		t.Errorf("time was given %d times, want at least %d", given, atLeast)
	}
	if n := len(d.set); n == 0 || !d.set[n-1].IsZero() {
		t.Error("a deadline is left behind")
	}
}

// A file that the kernel can't send (a pipe, or one of a file system without sendfile) goes
// through memory: a write that is ended to go on in strides has read further then than it
// has sent.
func TestEarly2xxGoesOnPastSendfile(t *testing.T) {
	body := []byte(text(hugeBody / 8))
	c, p := overTCP.meet(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p.work.Go(func() {
		w.Write(body)
		w.Close()
	})
	p.work.Go(func() {
		req, err := http.ReadRequest(p.br)
		if err != nil {
			return
		}
		p.write(early200[:12])
		heard(t, c)
		got, _ := io.ReadAll(req.Body)
		if !bytes.Equal(got, body) {
			t.Errorf("other bytes arrived: %d of %d", len(got), len(body))
		}
		p.write(early200[12:])
	})
	head := fmt.Sprintf("PUT / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: %d\r\n\r\n", len(body))
	if sent, err := c.Write([]byte(head), nil, false); err != nil {
		t.Fatalf("sent %v, %v", sent, err)
	}
	if sent, err := c.SendFile(r, int64(len(body))); sent != SentAll || err != nil {
		t.Errorf("sent %v, %v", sent, err)
		p.raw.Close()
		r.Close()
	}
	if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) || !c.Reusable() {
		t.Errorf("%+v, reusable %t", r, c.Reusable())
	}
	p.work.Wait()
}
