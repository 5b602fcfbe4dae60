package conn

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A body that is out in time is followed by other requests, without any deadline of before.
func TestEarly2xxWholeInTime(t *testing.T) {
	for _, tc := range early {
		if !tc.whole {
			continue
		}
		for _, up := range uploads {
			t.Run(up.name+", "+tc.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, p := overPipe.meet(t)
					c.watch.finish = finishTime
					p.work.Go(func() {
						req, err := http.ReadRequest(p.br)
						if err != nil {
							return
						}
						p.write(tc.in)
						time.Sleep(finishTime - time.Nanosecond)
						io.Copy(io.Discard, req.Body)
						time.Sleep(time.Hour)
						p.request()
						p.write(okLength)
					})
					if sent, err := up.send(t, c, make([]byte, 1<<20)); sent != SentAll || err != nil {
						t.Fatalf("sent %v, %v", sent, err)
					}
					if r := receive(c, "PUT", 0); r != (reply{tc.status, tc.body, nil}) || !c.Reusable() {
						t.Errorf("%d, %d bytes, %v, reusable %t", r.status, len(r.body), r.err, c.Reusable())
					}
					c.Park()
					if r := exchange(c, "GET"); r.err != nil || !c.Reusable() {
						t.Errorf("the next: %+v", r)
					}
				})
			})
		}
	}
}

// The same over sockets, whose long writes have to be ended: the server reads no more until
// the upload's time is over.
func TestEarly2xxWholeSockets(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS, overHiddenTCP} {
		for _, up := range append(joined, uploads...) {
			for _, cut := range []int{12, len(early200)} { // what comes first
				t.Run(fmt.Sprintf("%s over %s, %d bytes first", up.name, tr.name, cut), func(t *testing.T) {
					c, p := tr.meet(t)
					c.watch.finish = time.Millisecond
					p.work.Go(func() {
						if _, err := http.ReadRequest(p.br); err != nil {
							return
						}
						p.write(early200[:cut])
						if cut < len(early200) {
							heard(t, c)
						}
						p.write(early200[cut:])
					})
					if sent, err := up.send(t, c, zeros()); sent != SentPart || err != ErrAnswered {
						t.Fatalf("sent %v, %v", sent, err)
					}
					if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) || c.Reusable() {
						t.Errorf("%+v, reusable %t", r, c.Reusable())
					}
				})
			}
		}
	}
}

// foundBoth is a connection whose first Write is ended as a 2xx has begun, and returns when
// that is whole.
type foundBoth struct {
	net.Conn
	c      *Conn
	writes int
}

func (f *foundBoth) Write(p []byte) (int, error) {
	if f.writes++; f.writes > 1 {
		return len(p), nil
	}
	f.c.watch.note(begun, &f.c.sock)
	f.c.watch.note(whole, &f.c.sock)
	return len(p) / 2, os.ErrDeadlineExceeded
}

// A write that was ended only to go on in strides goes on also where the answer is whole by
// then: its time is not over.
func TestEarly2xxWholeWhileWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := overPipe.meet(t)
		c.watch.finish = finishTime
		f := &foundBoth{Conn: c.sock.Conn, c: c}
		c.sock.Conn, c.direct = f, true
		if sent, err := c.Write(putHead(1000), make([]byte, 1000), true); sent != SentAll || err != nil || f.writes < 2 {
			t.Errorf("sent %v, %v, in %d writes", sent, err, f.writes)
		}
	})
}

// A HEAD's answer has no body: it is whole with its head, whatever length that tells.
func TestEarly2xxOfHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := overPipe.meet(t)
		c.watch.finish = finishTime
		p.work.Go(func() {
			if _, err := http.ReadRequest(p.br); err == nil {
				p.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
			}
		})
		head := bytes.Replace(putHead(1<<20), []byte("PUT"), []byte("HEAD"), 1)
		if sent, err := c.Write(head, make([]byte, 1<<20), true); sent != SentPart || err != ErrAnswered {
			t.Errorf("sent %v, %v", sent, err)
		}
		if r := receive(c, "HEAD", 0); r != (reply{200, "", nil}) {
			t.Errorf("%+v", r)
		}
	})
}

// What is too much to be kept is not read beside the writing: the body goes on.
func TestEarly2xxTooLargeToHear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := overPipe.meet(t)
		c.watch.finish = finishTime
		const size = 4 * maxAhead
		p.work.Go(func() {
			req, err := http.ReadRequest(p.br)
			if err != nil {
				return
			}
			p.work.Go(func() {
				p.write("HTTP/1.1 200 OK\r\nContent-Length: "+strconv.Itoa(size)+"\r\n\r\n", strings.Repeat("x", size))
			})
			time.Sleep(time.Minute)
			io.Copy(io.Discard, req.Body)
		})
		if sent, err := c.Write(putHead(1<<20), make([]byte, 1<<20), true); sent != SentAll || err != nil {
			t.Fatalf("sent %v, %v", sent, err)
		}
		if c.w-c.r > 2*maxAhead {
			t.Errorf("%d bytes are kept", c.w-c.r)
		}
		if r := receive(c, "PUT", 0); r.err != nil || len(r.body) != size || !c.Reusable() {
			t.Errorf("%d, %d bytes, %v", r.status, len(r.body), r.err)
		}
	})
}

// Between two pieces the caller's own reader may take long: the end of the upload's time is
// told, and so is more than an answer, at once.
func TestEarly2xxWholeBetweenPieces(t *testing.T) {
	for answer, after := range map[string]time.Duration{early200: finishTime, early200 + "x": 0} {
		synctest.Test(t, func(t *testing.T) {
			c, p := overPipe.meet(t)
			c.watch.finish = finishTime
			p.work.Go(func() {
				io.ReadFull(p, make([]byte, len(putHead(15))+5))
				p.write(answer)
			})
			if sent, err := c.Write(putHead(15), []byte("first"), false); sent != SentPart || err != nil {
				t.Fatal(sent, err)
			}
			began := time.Now()
			<-c.Answered()
			if took := time.Since(began); took != watchAfter+after {
				t.Errorf("told after %v", took)
			}
			if sent, err := c.More([]byte("the second"), true); sent != SentPart || err != ErrAnswered {
				t.Errorf("sent %v, %v", sent, err)
			}
			if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) || c.Reusable() {
				t.Errorf("%+v, reusable %t", r, c.Reusable())
			}
		})
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
		if n, same := arrives(req.Body, body); !same {
			t.Errorf("other bytes arrived: the first %d of %d are the same", n, len(body))
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
