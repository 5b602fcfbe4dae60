package conn

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
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
// for byte, and the connection stays in use; also where the answer is whole, and the
// body in time.
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
						if n, same := arrives(req.Body, body); !same {
							t.Errorf("other bytes arrived: the first %d of %d are the same", n, len(body))
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

// arrives tells whether r gives body and no more, and for how many bytes at least.
func arrives(r io.Reader, body []byte) (n int, same bool) {
	buf := make([]byte, 64<<10)
	for {
		k, err := r.Read(buf)
		if !bytes.HasPrefix(body[n:], buf[:k]) {
			return n, false
		}
		if n += k; err != nil {
			return n, err == io.EOF && n == len(body)
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
				const reads, cut = 10, len(early200) - 1
				p.work.Go(func() {
					http.ReadRequest(p.br)
					p.write(early200[:cut])
					for range reads { // slow, but it goes on
						time.Sleep(stallTime - time.Millisecond)
						io.CopyN(io.Discard, p.raw, stride)
					}
					time.Sleep(2 * stallTime)
					p.write(early200[cut:])
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
				ended := make(chan struct{})
				p.work.Go(func() {
					if _, err := http.ReadRequest(p.br); err == nil {
						p.write(early200[:20])
						<-ended
						p.write(early200[20:])
					}
				})
				sent, err := up.send(t, c, zeros())
				close(ended)
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
					p.write(early200[:20])
					heard(t, c)
					io.Copy(io.Discard, req.Body)
					p.write(early200[20:])
				})
				if sent, err := up.send(t, c, zeros()); sent != SentAll || err != nil {
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

// early are 2xx answers, cut where they may come early, and whether they are whole then.
var early = []struct {
	name, in, rest string
	whole          bool
	status         int
	body           string
}{
	{"length", early200, "", true, 200, "hello"},
	{"no body", "HTTP/1.1 204 No Content\r\n\r\n", "", true, 204, ""},
	{"an empty body", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", "", true, 201, ""},
	{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "", true, 200, "hello"},
	{"behind an interim answer", "HTTP/1.1 103 Early Hints\r\n\r\n" + early200, "", true, 200, "hello"},
	{"larger than a buffer", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), "", true, 200, strings.Repeat("x", 100000)},
	{"the head alone", early200[:len(early200)-5], "hello", false, 200, "hello"},
	{"all but a byte", early200[:len(early200)-1], "o", false, 200, "hello"},
	{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "\r\n", false, 200, "hello"},
	{"until close", "HTTP/1.1 200 OK\r\n\r\nhel", "lo", false, 200, "hello"},
}

// A 2xx answer that is whole leaves the body finishTime, however well it goes on; then the
// answer is read and the connection of no use any more. One that is not yet whole does not.
func TestEarly2xxWhole(t *testing.T) {
	for _, tc := range early {
		for _, up := range uploads {
			t.Run(up.name+", "+tc.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, p := overPipe.meet(t)
					c.watch.finish = finishTime
					const size, pieces = 4 << 20, 100
					read := 0
					var came time.Time
					p.work.Go(func() {
						req, err := http.ReadRequest(p.br)
						if err != nil {
							return
						}
						p.write(tc.in)
						came = time.Now()
						for range pieces { // ten times what the answer leaves it
							time.Sleep(10 * finishTime / pieces)
							n, err := io.CopyN(io.Discard, req.Body, size/pieces)
							if read += int(n); err != nil {
								return
							}
						}
						n, _ := io.Copy(io.Discard, req.Body)
						read += int(n)
						p.write(tc.rest)
						if strings.Contains(tc.name, "close") {
							p.finish()
						}
					})
					sent, err := up.send(t, c, make([]byte, size))
					if tc.whole {
						if took := time.Since(came); sent != SentPart || err != ErrAnswered || took != finishTime {
							t.Errorf("sent %v, %v, after %v", sent, err, took)
						}
						if sent, err := c.More([]byte("x"), true); sent != SentPart || err != ErrAnswered {
							t.Errorf("a further piece: sent %v, %v", sent, err)
						}
					} else if sent != SentAll || err != nil {
						t.Errorf("sent %v, %v", sent, err)
					}
					if r := receive(c, "PUT", 0); r != (reply{tc.status, tc.body, nil}) {
						t.Errorf("%d, %d bytes, %v", r.status, len(r.body), r.err)
					}
					if want := !tc.whole && tc.name != "until close"; c.Reusable() != want {
						t.Errorf("reusable %t", c.Reusable())
					}
					c.Close()
					p.work.Wait()
					if (read == size) == tc.whole {
						t.Errorf("the server read %d of %d", read, size)
					}
				})
			})
		}
	}
}
