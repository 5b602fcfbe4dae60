package conn

import (
	"net"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// A connection is used again only when the whole request went out, the whole
// answer came in, and both sides want to go on (RFC 9112 §9.3, §9.5, §9.6).
func TestReusable(t *testing.T) {
	whole := func(c *Conn) { c.Write([]byte(get), nil, true) }
	half := func(c *Conn) { c.Write([]byte(get), nil, false) }
	for _, tc := range []struct {
		name    string
		method  string
		request func(c *Conn)
		in      string
		want    bool
	}{
		{"both whole", "GET", whole, okLength, true},
		{"sent in pieces", "PUT", func(c *Conn) { half(c); c.More([]byte("x"), false); c.More([]byte("y"), true) }, okLength, true},
		{"request not whole", "PUT", half, okLength, false},
		{"request not whole after a piece", "PUT", func(c *Conn) { half(c); c.More([]byte("x"), false) }, okLength, false},
		{"early answer", "PUT", half, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", false},
		{"answer not whole", "GET", whole, ok + "Content-Length: 6\r\n\r\nhello", false},
		{"chunks not whole", "GET", whole, okChunked + "5\r\nhello\r\n0\r\n", false},
		{"close", "GET", whole, ok + "Connection: close\r\nContent-Length: 0\r\n\r\n", false},
		{"close among others", "GET", whole, ok + "Connection: foo, CLOSE\r\nContent-Length: 0\r\n\r\n", false},
		{"close and keep-alive", "GET", whole, ok + "Connection: keep-alive, close\r\nContent-Length: 0\r\n\r\n", false},
		{"interim close", "GET", whole, "HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" + okLength, true},
		{"HTTP/1.0", "GET", whole, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false},
		{"HTTP/1.0 with keep-alive", "GET", whole, "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", true},
		{"until close", "GET", whole, ok + "Connection: keep-alive\r\n\r\nhello", false},
		{"until close, but HEAD", "HEAD", whole, ok + "\r\n", true},
		{"bytes too many", "GET", whole, okLength + "x", false},
		{"two answers", "GET", whole, okLength + okLength, false},
		{"a line end too many", "GET", whole, okLength + "\r\n", false},
		{"a body for HEAD", "HEAD", whole, okLength, false},
		{"a body for 204", "GET", whole, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newConn(newCanned(tc.in), &Buffers{})
			tc.request(c)
			if c.Reusable() {
				t.Error("reusable before the answer")
			}
			receive(c, tc.method, 0)
			if got := c.Reusable(); got != tc.want {
				t.Errorf("reusable %t", got)
			}
			c.Park()
			if got := c.Reusable(); got != tc.want {
				t.Errorf("reusable %t when parked", got)
			}
		})
	}
}

// One that was never used is reusable, until something is written.
func TestReusableNew(t *testing.T) {
	m := newCanned("")
	c := newConn(m, &Buffers{})
	if !c.Reusable() || c.Finished() {
		t.Errorf("reusable %t, finished %t", c.Reusable(), c.Finished())
	}
	c.Park()
	if !c.Reusable() {
		t.Error("not reusable when parked")
	}
	m.room, m.full = 0, errFull
	c.Write([]byte(get), nil, true)
	if c.Reusable() {
		t.Error("reusable after a failed write")
	}
}

// What an exchange left behind says nothing about the next.
func TestReusableFromExchangeToExchange(t *testing.T) {
	m := newCanned(okLength)
	m.again = true
	c := newConn(m, &Buffers{})
	for range 3 {
		c.Write([]byte(get), nil, true)
		if c.Reusable() || c.Finished() {
			t.Fatalf("reusable %t, finished %t with a request out", c.Reusable(), c.Finished())
		}
		var h http1.Head
		if _, err := c.ReadHead("GET", &h, nil, http1.Limits{}, 0); err != nil {
			t.Fatal(err)
		}
		if c.Reusable() || c.Finished() {
			t.Fatalf("reusable %t, finished %t with a body to come", c.Reusable(), c.Finished())
		}
		if _, err := c.ReadAll(nil, 0); err != nil {
			t.Fatal(err)
		}
		if !c.Reusable() || !c.Finished() {
			t.Fatalf("reusable %t, finished %t at the end", c.Reusable(), c.Finished())
		}
		c.Park()
	}
}

// What is not in order gets no goodbye: it would wait behind a request that the
// server does not read.
func TestCloseOfUnfinishedIsSilent(t *testing.T) {
	client, server := tcpPair(t)
	w := &tally{Conn: client}
	c, _ := overTLS.over(t, w, server)
	if _, err := c.Write([]byte(get), nil, false); err != nil {
		t.Fatal(err)
	}
	before := w.written
	c.Close()
	if w.written != before {
		t.Errorf("%d bytes at the end", w.written-before)
	}
}

// tally counts what is written.
type tally struct {
	net.Conn
	written int
}

func (t *tally) Write(p []byte) (int, error) {
	t.written += len(p)
	return t.Conn.Write(p)
}

// Close says goodbye over TLS where the connection is in order, and never twice.
func TestCloseNotifies(t *testing.T) {
	for name, use := range map[string]func(c *Conn, p *peer){
		"new": func(*Conn, *peer) {},
		"used": func(c *Conn, p *peer) {
			p.answers(okLength)
			exchange(c, "GET")
			p.work.Wait()
			c.Park()
		},
	} {
		for _, tr := range transports {
			t.Run(name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				use(c, p)
				ended := make(chan error)
				p.work.Go(func() {
					_, err := p.Read(make([]byte, 1))
					ended <- err
				})
				c.Close()
				c.Close()
				if err := <-ended; err.Error() != "EOF" {
					t.Errorf("the server read %v", err)
				}
				if c.sock.raw != nil && c.Alive(time.Hour) {
					t.Error("alive")
				}
			})
		}
	}
}
