package conn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

const (
	ok        = "HTTP/1.1 200 OK\r\n"
	okLength  = ok + "Content-Length: 5\r\n\r\nhello"
	okChunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
)

// kept are answers after which the connection lives on.
var kept = []struct {
	name, method, in string
	want             reply
}{
	{"length", "GET", okLength, reply{200, "hello", nil}},
	{"empty", "GET", ok + "Content-Length: 0\r\n\r\n", reply{200, "", nil}},
	{"no content", "GET", "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", reply{204, "", nil}},
	{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", reply{304, "", nil}},
	{"head", "HEAD", ok + "Content-Length: 9\r\n\r\n", reply{200, "", nil}},
	{"chunked", "GET", okChunked + "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", reply{200, "hello", nil}},
	{"trailers", "GET", okChunked + "5\r\nhello\r\n0\r\nDigest: x\r\nETag: \"y\"\r\n\r\n", reply{200, "hello", nil}},
	{"interim", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + okLength, reply{200, "hello", nil}},
	{"old with keep-alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n.", reply{200, ".", nil}},
}

// Every cut of every answer gives the same reply, one after the other over one
// connection.
func TestAnswerCutAnywhere(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			for _, a := range kept {
				for cut := 1; cut < len(a.in); cut++ {
					p.answers(a.in[:cut], a.in[cut:])
					if got := exchange(c, a.method); got != a.want {
						t.Fatalf("%s cut at %d: %+v", a.name, cut, got)
					}
					p.work.Wait()
					if !c.Finished() || !c.Reusable() {
						t.Fatalf("%s cut at %d: not reusable", a.name, cut)
					}
					c.Park()
					if !c.Alive(time.Hour) {
						t.Fatalf("%s cut at %d: not alive", a.name, cut)
					}
				}
			}
		})
	}
}

func TestAnswerByteByByte(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			for _, a := range kept {
				p.answers(strings.Split(a.in, "")...)
				if got := exchange(c, a.method); got != a.want || !c.Reusable() {
					t.Fatalf("%s: %+v, reusable %t", a.name, got, c.Reusable())
				}
				c.Park()
			}
		})
	}
}

// An answer whose body ends with the connection is whole only where the peer
// said so: over TLS with a close_notify (RFC 9112 §9.8).
func TestAnswerUntilClose(t *testing.T) {
	const in = ok + "Server: x\r\n\r\nhello"
	for _, tr := range transports {
		for cut := 1; cut < len(in); cut += 7 {
			t.Run(fmt.Sprint(tr.name, " cut at ", cut), func(t *testing.T) {
				c, p := tr.meet(t)
				p.work.Go(func() {
					p.request()
					p.write(in[:cut], in[cut:])
					p.finish()
				})
				if got := exchange(c, "GET"); got != (reply{200, "hello", nil}) {
					t.Errorf("%+v", got)
				}
				if !c.Finished() || c.Reusable() {
					t.Errorf("finished %t, reusable %t", c.Finished(), c.Reusable())
				}
			})
		}
	}
}

// A FIN before the answer's end is never a shorter answer (RFC 9112 §8).
func TestAnswerTruncated(t *testing.T) {
	for _, a := range []struct {
		name, in string
		want     error
	}{
		{"before any byte", "", ErrServerClosed},
		{"after an interim answer", "HTTP/1.1 100 Continue\r\n\r\n", ErrServerClosed},
		{"in the status line", "HTTP/1.1 2", http1.ErrTruncated},
		{"in the head", ok + "Content-", http1.ErrTruncated},
		{"before the empty line", ok + "Content-Length: 0\r\n", http1.ErrTruncated},
		{"before a body with a length", ok + "Content-Length: 5\r\n\r\n", http1.ErrTruncated},
		{"in a body with a length", ok + "Content-Length: 5\r\n\r\nhell", http1.ErrTruncated},
		{"in a long body", ok + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 99999), http1.ErrTruncated},
		{"before the first chunk", okChunked, http1.ErrTruncated},
		{"in a chunk's size", okChunked + "1", http1.ErrTruncated},
		{"in a chunk", okChunked + "5\r\nhell", http1.ErrTruncated},
		{"in a long chunk", okChunked + "10000\r\n" + strings.Repeat("x", 0xffff), http1.ErrTruncated},
		{"behind a chunk's data", okChunked + "5\r\nhello", http1.ErrTruncated},
		{"before the last chunk", okChunked + "5\r\nhello\r\n", http1.ErrTruncated},
		{"in the last chunk", okChunked + "5\r\nhello\r\n0\r\n", http1.ErrTruncated},
		{"in the trailers", okChunked + "5\r\nhello\r\n0\r\nDigest: x\r\n", http1.ErrTruncated},
	} {
		for _, tr := range transports {
			t.Run(a.name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				p.work.Go(func() {
					p.request()
					p.write(a.in)
					p.finish()
				})
				got := exchange(c, "GET")
				wantError(t, got.err, a.want)
				if c.Finished() || c.Reusable() {
					t.Errorf("finished %t, reusable %t", c.Finished(), c.Reusable())
				}
			})
		}
	}
}

// Whoever can cut a TCP connection must not be able to shorten a body that TLS
// protects.
func TestAnswerCutUnderTLS(t *testing.T) {
	const head = ok + "Server: x\r\n\r\n"
	for _, tr := range []transport{overTLS, overHiddenTLS} {
		for name, play := range map[string]func(p *peer){
			"between records": func(p *peer) { p.write(head + "hello") },
			"in a record": func(p *peer) {
				p.write(head + "hello")
				p.raw.Write([]byte{23, 3, 3, 0, 100, 1, 2, 3})
			},
			"in a record's header": func(p *peer) {
				p.write(head + "hello")
				p.raw.Write([]byte{23, 3})
			},
			"in the record behind the head": func(p *peer) {
				p.write(head)
				p.raw.Write([]byte{23, 3, 3, 0, 100, 1, 2, 3})
			},
			"in the head": func(p *peer) {
				p.write(ok)
				p.raw.Write([]byte{23, 3, 3, 0, 100, 1, 2, 3})
			},
			"in a body with a length": func(p *peer) {
				p.write(ok + "Content-Length: 9\r\n\r\nhello")
				p.raw.Write([]byte{23, 3, 3, 0, 100, 1, 2, 3})
			},
		} {
			t.Run(name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				p.work.Go(func() {
					p.request()
					play(p)
					p.cut()
				})
				got := exchange(c, "GET")
				wantError(t, got.err, http1.ErrTruncated)
				if c.Finished() || c.Reusable() {
					t.Errorf("finished %t, reusable %t", c.Finished(), c.Reusable())
				}
			})
		}
	}
}

// A conn may give the end together with the last bytes: a close_notify among them
// counts.
func TestAnswerUntilCloseAtOnce(t *testing.T) {
	for _, secure := range []bool{false, true} {
		tr := transport{secure: secure}
		client, server := tcpPair(t)
		all := &atOnce{Conn: client}
		c, p := tr.over(t, all, server)
		p.work.Go(func() {
			p.request()
			p.write(ok+"\r\n", "hello")
			p.finish()
		})
		all.gather = true
		if got := exchange(c, "GET"); got != (reply{200, "hello", nil}) {
			t.Errorf("secure %t: %+v", secure, got)
		}
	}
}

// atOnce gives all that comes until the FIN, with io.EOF beside the last of it.
type atOnce struct {
	net.Conn
	gather, gathered bool
	all              []byte
}

func (a *atOnce) Read(p []byte) (int, error) {
	if !a.gather {
		return a.Conn.Read(p)
	}
	if !a.gathered {
		a.gathered = true
		var err error
		if a.all, err = io.ReadAll(a.Conn); err != nil {
			return 0, err
		}
	}
	n := copy(p, a.all)
	if a.all = a.all[n:]; len(a.all) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func TestAnswerRefused(t *testing.T) {
	interim := func(n int) string { return strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", n) }
	for name, a := range map[string]struct {
		in   string
		want string // of the error; empty: accepted
	}{
		"16 interim answers": {interim(16) + okLength, ""},
		"17 interim answers": {interim(17) + okLength, "more than 16 interim"},
		"switching":          {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "unasked"},
		"switching at last":  {interim(2) + "HTTP/1.1 101 Switching Protocols\r\n\r\n" + okLength, "unasked"},
		"not HTTP":           {"220 smtp ready\r\n", "RFC 9112"},
		"two framings":       {ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "RFC 9112 §6.3"},
		"chunk size":         {okChunked + "x\r\n", "RFC 9112 §7.1"},
		"behind a chunk":     {okChunked + "5\r\nhelloX", "RFC 9112 §7.1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConn(newCanned(a.in), &Buffers{})
			got := exchange(c, "GET")
			if a.want == "" {
				if got != (reply{200, "hello", nil}) || !c.Reusable() {
					t.Errorf("%+v, reusable %t", got, c.Reusable())
				}
				return
			}
			var complaint *http1.Error
			if !errors.As(got.err, &complaint) || !strings.Contains(got.err.Error(), a.want) {
				t.Errorf("error %v, want an *http1.Error with %q", got.err, a.want)
			}
			if c.Reusable() {
				t.Error("reusable")
			}
		})
	}
}
