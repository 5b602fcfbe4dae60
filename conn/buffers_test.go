package conn

import (
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

// An idle connection holds no buffer, so that ten thousand of them cost little.
func TestParkedHoldsNoBuffer(t *testing.T) {
	m := newCanned(okLength)
	m.again = true
	c := newConn(m, &Buffers{})
	holds := func() bool { return c.lent != nil || c.buf != nil }
	if holds() {
		t.Error("a new connection holds a buffer")
	}
	for range 2 {
		if _, err := c.Write([]byte(get), nil, true); err != nil {
			t.Fatal(err)
		}
		if holds() {
			t.Error("a buffer is held while nothing was read")
		}
		if got := receive(c, "GET", 0); got.err != nil {
			t.Fatal(got.err)
		}
		if !holds() {
			t.Error("no buffer is held while reading")
		}
		c.Park()
		if holds() || c.r != 0 || c.w != 0 {
			t.Error("a parked connection holds a buffer")
		}
		c.Park()
	}
	c.Write([]byte(get), nil, true)
	receive(c, "GET", 0)
	c.Close()
	if holds() {
		t.Error("a closed connection holds a buffer")
	}
}

// A buffer that a large head made grow does not go back to the pool.
func TestGrownBufferIsDropped(t *testing.T) {
	var buffers Buffers
	m := newCanned(ok + "A: " + strings.Repeat("x", 5*bufferSize) + "\r\nContent-Length: 0\r\n\r\n")
	m.again = true
	c := newConn(m, &buffers)
	for range 10 {
		c.Write([]byte(get), nil, true)
		if got := receive(c, "GET", 0); got.err != nil {
			t.Fatal(got.err)
		}
		if len(*c.lent) < 5*bufferSize {
			t.Fatalf("a buffer of %d holds all that", len(*c.lent))
		}
		c.Park()
		lent := buffers.get()
		if len(*lent) != bufferSize || cap(*lent) != bufferSize {
			t.Fatalf("the pool lends %d of %d", len(*lent), cap(*lent))
		}
		buffers.put(lent)
	}
}

// Two connections that share a pool never share a buffer.
func TestBuffersAreNotShared(t *testing.T) {
	var buffers Buffers
	var conns [4]*Conn
	for i := range conns {
		m := newCanned(ok + "Content-Length: 1\r\n\r\n" + string(rune('a'+i)))
		conns[i] = newConn(m, &buffers)
	}
	for range 2 {
		for _, c := range conns {
			c.sock.Conn.(*canned).read = 0
			c.Write([]byte(get), nil, true)
			if _, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, 0); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range conns {
			if body, err := c.ReadAll(nil, 0); err != nil || string(body) != string(rune('a'+i)) {
				t.Errorf("connection %d: %q, %v", i, body, err)
			}
			c.Park()
		}
	}
}
