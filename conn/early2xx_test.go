package conn

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
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

// The same over sockets, in real time.
func TestEarly2xxStuckSockets(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS} {
		for _, up := range uploads {
			if (tr.name == overTLS.name) != (up.name == "pieces") {
				continue // each way of writing once is enough of what takes seconds
			}
			t.Run(up.name+" over "+tr.name, func(t *testing.T) {
				t.Parallel()
				c, p := tr.meet(t)
				p.refuses(early200)
				start := time.Now()
				sent, err := up.send(t, c, make([]byte, hugeBody))
				if sent != SentPart || err != ErrAnswered {
					t.Fatalf("sent %v, %v", sent, err)
				}
				if took := time.Since(start); took < stallTime || took > 4*stallTime {
					t.Errorf("ended after %v", took)
				}
				if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) || c.Reusable() {
					t.Errorf("%+v, reusable %t", r, c.Reusable())
				}
			})
		}
	}
}

// Progress is what counts, also of a write that was begun as a whole.
func TestEarly2xxSlowSockets(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS} {
		for _, up := range uploads {
			if (tr.name == overTLS.name) != (up.name == "pieces") {
				continue // each way of writing once is enough of what takes seconds
			}
			t.Run(up.name+" over "+tr.name, func(t *testing.T) {
				t.Parallel()
				c, p := tr.meet(t)
				p.work.Go(func() {
					req, err := http.ReadRequest(p.br)
					if err != nil {
						return
					}
					p.write(early200)
					for range 2 {
						time.Sleep(stallTime * 3 / 5)
						io.CopyN(io.Discard, req.Body, hugeBody/4)
					}
					io.Copy(io.Discard, req.Body)
				})
				if sent, err := up.send(t, c, make([]byte, hugeBody)); sent != SentAll || err != nil {
					t.Fatalf("sent %v, %v", sent, err)
				}
				if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) || !c.Reusable() {
					t.Errorf("%+v, reusable %t", r, c.Reusable())
				}
			})
		}
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
