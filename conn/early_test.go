package conn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

const (
	early413 = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much"
	early200 = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
)

func putHead(size int) []byte {
	return fmt.Appendf(nil, "PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n", size)
}

// upload is a way to send a body.
type upload struct {
	name string
	send func(t testing.TB, c *Conn, body []byte) (Sent, error)
}

var uploads = []upload{
	{"bytes", func(_ testing.TB, c *Conn, body []byte) (Sent, error) {
		return c.Write(putHead(len(body)), body, true)
	}},
	{"pieces", func(_ testing.TB, c *Conn, body []byte) (sent Sent, err error) {
		const piece = 32 << 10
		n := min(len(body), piece)
		sent, err = c.Write(putHead(len(body)), body[:n], n == len(body))
		for body = body[n:]; err == nil && len(body) > 0; body = body[n:] {
			n = min(len(body), piece)
			sent, err = c.More(body[:n], n == len(body))
		}
		return sent, err
	}},
	{"file", func(t testing.TB, c *Conn, body []byte) (Sent, error) {
		f, err := os.Create(filepath.Join(t.TempDir(), "body"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		f.Truncate(int64(len(body)))
		if len(body) < hugeBody { // else all zeros
			f.Write(body)
			f.Seek(0, io.SeekStart)
		}
		if sent, err := c.Write(putHead(len(body)), nil, false); err != nil {
			return sent, err
		}
		return c.SendFile(f, int64(len(body)))
	}},
}

// joined are bodies behind their head in one piece.
var joined = []upload{
	{"joined", func(_ testing.TB, c *Conn, body []byte) (Sent, error) {
		return c.Write(append(putHead(len(body)), body...), nil, true)
	}},
	{"asked", func(_ testing.TB, c *Conn, body []byte) (Sent, error) {
		if !c.CanAsk() {
			return c.Write(append(putHead(len(body)), body...), nil, true)
		}
		return c.Ask(append(putHead(len(body)), body...))
	}},
}

// refuses reads the head of a request, answers and reads no further.
func (p *peer) refuses(pieces ...string) {
	p.work.Go(func() {
		if _, err := http.ReadRequest(p.br); err == nil {
			p.write(pieces...)
		}
	})
}

// An answer that comes while the write is blocked ends that, in each way of
// writing, and is read as any other.
func TestEarlyAnswerEndsBlockedWrite(t *testing.T) {
	for _, tr := range append(transports, overHiddenTCP) {
		for _, up := range append(joined, uploads...) {
			t.Run(up.name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				p.refuses("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+early413[:9], early413[9:])
				sent, err := up.send(t, c, zeros())
				if sent != SentPart || err != ErrAnswered || !c.AnswerBegun() {
					t.Fatalf("sent %v, %v, begun %t", sent, err, c.AnswerBegun())
				}
				if r := receive(c, "PUT", 0); r != (reply{413, "too much", nil}) {
					t.Errorf("%+v", r)
				}
				if c.Reusable() {
					t.Error("reusable")
				}
			})
		}
	}
}

// What ends an upload, and what the read then tells.
func TestEarlyEnds(t *testing.T) {
	var protocol *http1.Error
	for _, tc := range []struct {
		name, in string
		fin      bool
		want     reply
		as       any // the error of the read
		begun    bool
	}{
		{"another status", early413, false, reply{413, "too much", nil}, nil, true},
		{"until close", "HTTP/1.1 401 Unauthorized\r\n\r\nwho?", true, reply{401, "who?", nil}, nil, true},
		{"a redirect", "HTTP/1.1 307 Temporary Redirect\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", false, reply{status: 307}, nil, true},
		{"a 2xx that closes", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false, reply{200, "ok", nil}, nil, true},
		{"no HTTP", "SSH-2.0-x\r\n", false, reply{}, &protocol, true},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false, reply{status: 0}, &protocol, true},
		{"an endless head", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", http1.DefaultHeadBytes), false, reply{err: ErrTooLarge}, nil, true},
		{"interim answers without end", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20), false, reply{}, &protocol, true},
		{"a FIN", "", true, reply{err: ErrServerClosed}, nil, false},
		{"a FIN in the head", "HTTP/1.1 4", true, reply{err: http1.ErrTruncated}, nil, true},
		{"a FIN behind an interim answer", "HTTP/1.1 100 Continue\r\n\r\n", true, reply{err: ErrServerClosed}, nil, true},
	} {
		for _, tr := range []transport{overTCP, overTLS} {
			t.Run(tc.name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				p.work.Go(func() {
					if _, err := http.ReadRequest(p.br); err != nil {
						return
					}
					p.write(tc.in)
					if tc.fin {
						p.finish()
					}
				})
				sent, err := c.Write(putHead(hugeBody), zeros(), true)
				if sent != SentPart || err != ErrAnswered || c.AnswerBegun() != tc.begun {
					t.Fatalf("sent %v, %v, begun %t", sent, err, c.AnswerBegun())
				}
				if sent, err := c.More([]byte("x"), true); sent != SentPart || err != ErrAnswered {
					t.Errorf("a further piece: sent %v, %v", sent, err)
				}
				r := receive(c, "PUT", 0)
				if tc.as != nil {
					if !errors.As(r.err, tc.as) {
						t.Errorf("error %v", r.err)
					}
				} else if !errors.Is(r.err, tc.want.err) || r.body != tc.want.body || tc.want.err == nil && r.status != tc.want.status {
					t.Errorf("%+v, want %+v", r, tc.want)
				}
				if c.Reusable() || c.watch.set {
					t.Errorf("reusable %t, watched %t", c.Reusable(), c.watch.set)
				}
			})
		}
	}
}

// Where a write can't be ended, the next is not begun.
func TestEarlyAnswerWithoutWriteDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		c, p := overPipe.over(t, deadlineless{client, os.ErrNoDeadline}, server)
		p.work.Go(func() {
			http.ReadRequest(p.br)
			p.write(early413)
			time.Sleep(time.Second)
			io.Copy(io.Discard, p.raw)
		})
		if sent, err := c.Write(putHead(1<<20), make([]byte, 1<<20), true); sent != SentPart || err != ErrAnswered {
			t.Errorf("sent %v, %v", sent, err)
		}
		if r := receive(c, "PUT", 0); r != (reply{413, "too much", nil}) {
			t.Errorf("%+v", r)
		}
		c.Close()
	})
}

// Between two pieces the caller's own code may take long: the next one is told at
// once, and nothing of the answer is lost, wherever it was cut.
func TestEarlyAnswerBetweenPieces(t *testing.T) {
	for _, answer := range []string{early413, early200, "HTTP/1.1 103 Early Hints\r\n\r\n" + early413} {
		refused := strings.Index(answer, "HTTP/1.1 4")
		for cut := range len(answer) + 1 {
			ends := refused >= 0 && cut >= refused+len("HTTP/1.1 4") || cut == len(answer)
			synctest.Test(t, func(t *testing.T) {
				c, p := overPipe.meet(t)
				p.work.Go(func() {
					io.ReadFull(p, make([]byte, len(putHead(15))+5))
					p.write(answer[:cut])
					if ends {
						time.Sleep(2 * time.Hour)
					} else {
						io.ReadFull(p, make([]byte, 10))
					}
					p.write(answer[cut:])
				})
				if sent, err := c.Write(putHead(15), []byte("first"), false); sent != SentPart || err != nil {
					t.Fatal(sent, err)
				}
				time.Sleep(time.Hour)
				sent, err := c.More([]byte("the second"), true)
				if ends && (sent != SentPart || err != ErrAnswered) || !ends && (sent != SentAll || err != nil) {
					t.Fatalf("cut at %d: sent %v, %v", cut, sent, err)
				}
				if r := receive(c, "PUT", 0); r.err != nil || r.body != "too much" && r.body != "hello" {
					t.Errorf("cut at %d: %+v", cut, r)
				}
				if c.Reusable() == ends {
					t.Errorf("reusable %t", c.Reusable())
				}
				if ends {
					return
				}
				c.Park()
				time.Sleep(time.Hour) // no deadline is left behind
				p.answers(okLength)
				if r := exchange(c, "GET"); r.err != nil {
					t.Errorf("the next: %+v", r)
				}
			})
		}
	}
}

// Whatever comes next ends the goroutine that watches.
func TestWatchEnds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, c *Conn, p *peer){
		"the last piece": func(t *testing.T, c *Conn, p *peer) {
			p.work.Go(func() { io.ReadFull(p, make([]byte, 1)) })
			if sent, err := c.More([]byte("x"), true); sent != SentAll || err != nil {
				t.Error(sent, err)
			}
		},
		"an empty last piece": func(t *testing.T, c *Conn, _ *peer) {
			if sent, err := c.More(nil, true); sent != SentAll || err != nil {
				t.Error(sent, err)
			}
		},
		"ReadHead": func(t *testing.T, c *Conn, p *peer) {
			p.work.Go(func() { p.write(early413) })
			if r := receive(c, "PUT", 0); r != (reply{413, "too much", nil}) {
				t.Errorf("%+v", r)
			}
		},
		"ReadHead in time": func(t *testing.T, c *Conn, p *peer) {
			_, err := c.ReadHead("PUT", new(http1.Head), nil, http1.Limits{}, time.Second)
			wantError(t, err, os.ErrDeadlineExceeded)
		},
		"AwaitContinue": func(t *testing.T, c *Conn, _ *peer) { c.AwaitContinue(time.Second, http1.Limits{}) },
		"AnswerBegun": func(t *testing.T, c *Conn, _ *peer) {
			if c.AnswerBegun() {
				t.Error("begun")
			}
		},
		"Park":  func(_ *testing.T, c *Conn, _ *peer) { c.Park() },
		"Close": func(_ *testing.T, c *Conn, _ *peer) { c.Close() },
		"Interrupt": func(t *testing.T, c *Conn, _ *peer) {
			c.Interrupt(errFirst)
			sent, err := c.More([]byte("x"), true)
			wantError(t, err, errFirst)
			if sent != SentPart {
				t.Errorf("sent %v", sent)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := overPipe.meet(t)
				p.work.Go(func() { io.ReadFull(p, make([]byte, len(get)+4)) })
				if _, err := c.Write([]byte(get), []byte("body"), false); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if !c.watch.set || c.watch.timer.Reset(time.Hour) {
					t.Fatal("not watched")
				}
				c.watch.timer.Stop()
				end(t, c, p)
				if c.watch.set {
					t.Error("still watched")
				}
			})
		})
	}
}

// An interruption at any moment wins over whatever the server says.
func TestInterruptWatched(t *testing.T) {
	for _, up := range uploads {
		for after := time.Duration(0); after <= 2*watchAfter; after += watchAfter / 8 {
			synctest.Test(t, func(t *testing.T) {
				c, p := overPipe.meet(t)
				p.work.Go(func() {
					http.ReadRequest(p.br)
					time.Sleep(watchAfter + watchAfter/2)
					p.write(early413)
				})
				time.AfterFunc(after, func() { c.Interrupt(errFirst) })
				_, err := up.send(t, c, make([]byte, 1<<20))
				if !errors.Is(err, errFirst) && (err != ErrAnswered || after < watchAfter+watchAfter/2) {
					t.Errorf("after %v: %v", after, err)
				}
				time.Sleep(time.Second)
				checkInterrupted(t, c)
			})
		}
	}
	for _, tr := range []transport{overTCP, overTLS} {
		for _, up := range uploads {
			for range 5 {
				c, p := tr.meet(t)
				p.work.Go(func() {
					http.ReadRequest(p.br)
					p.write(early413)
					c.Interrupt(errFirst)
				})
				if _, err := up.send(t, c, zeros()); !errors.Is(err, errFirst) && err != ErrAnswered {
					t.Errorf("%s over %s: %v", up.name, tr.name, err)
				}
				p.work.Wait()
				checkInterrupted(t, c)
			}
		}
	}
}

// A driver's Write that was given up may still send something: nobody may take the
// request for unsent, whatever came meanwhile.
func TestEarlyBytesBeforeAny(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := overPipe
				tr.secure = secure
				c, p := tr.meet(t)
				p.work.Go(func() { p.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n") })
				if sent, err := c.Write(putHead(4), []byte("body"), true); sent != SentPart || err != ErrAnswered || c.Reusable() {
					t.Errorf("sent %v, %v, reusable %t", sent, err, c.Reusable())
				}
			})
		})
	}
}

type panickingRead struct{ net.Conn }

func (panickingRead) Read([]byte) (int, error) { panic("in Read") }

// A driver's Read that panics beside the writer ends the connection, not the
// program.
func TestWatchedReadPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		c := New(panickingRead{client}, &Buffers{})
		go io.CopyN(io.Discard, server, 100)
		sent, err := c.Write(putHead(1000), make([]byte, 1000), true)
		if sent != SentPart || err == nil || !strings.Contains(err.Error(), "failed in Read") {
			t.Errorf("sent %v, %v", sent, err)
		}
		if r := receive(c, "PUT", 0); r.err == nil || !strings.Contains(r.err.Error(), "failed in Read") {
			t.Errorf("%+v", r)
		}
		c.Close()
	})
}
