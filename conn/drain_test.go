package conn

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrain(t *testing.T) {
	long := strings.Repeat("x", 3*bufferSize)
	for _, tc := range []struct {
		name, body string
		max        int64
		want       bool
		read       int // of the server's bytes at most, beyond the head
	}{
		{"no body", "Content-Length: 0\r\n\r\n", 10, true, 0},
		{"length", "Content-Length: 5\r\n\r\nhello", 5, true, 5},
		{"long length", "Content-Length: 24576\r\n\r\n" + long, 24576, true, 24576},
		{"length of too much", "Content-Length: 99999999\r\n\r\n" + long, 24576, false, bufferSize},
		{"chunked", "Transfer-Encoding: chunked\r\n\r\n" + chunks(long, 5000), 30000, true, 30000},
		{"chunked of too much", "Transfer-Encoding: chunked\r\n\r\n" + chunks(long, 5000), 10000, false, 10000 + bufferSize},
		{"chunked without end", "Transfer-Encoding: chunked\r\n\r\n" + chunks(long, 5000)[:20000], 30000, false, 30000},
		{"broken chunks", "Transfer-Encoding: chunked\r\n\r\nhello", 30000, false, 30000},
		{"until close", "\r\n" + long, 1 << 40, false, bufferSize},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newCanned(ok + tc.body)
			c := newConn(m, &Buffers{})
			c.Write([]byte(get), nil, true)
			readHead(t, c)
			if got := c.Drain(tc.max, time.Second); got != tc.want || got != c.Reusable() {
				t.Errorf("drained %t, reusable %t", got, c.Reusable())
			}
			head := len(ok) + strings.Index(tc.body, "\r\n\r\n") + 4
			if got := m.read - head; got > max(tc.read, bufferSize-head) {
				t.Errorf("read %d bytes of the body", got)
			}
		})
	}
}

// Every transport can go on after a Drain: the deadline that it set is gone.
func TestDrainThenExchange(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			p.answers(ok + "Content-Length: 50000\r\n\r\n" + text(50_000))
			c.Write([]byte(get), nil, true)
			readHead(t, c)
			if n, done, err := c.Read(make([]byte, 100), true); n != 100 || done || err != nil {
				t.Fatal(n, done, err)
			}
			if !c.Drain(1<<20, time.Minute) || !c.Reusable() {
				t.Fatal("not drained")
			}
			p.work.Wait()
			c.Park()
			p.answers(okLength)
			if got := exchange(c, "GET"); got != (reply{200, "hello", nil}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestDrainPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		c, p := overPipe.over(t, deadlineless{client, nil}, server)
		p.answers(ok + "Content-Length: 9\r\n\r\nhello") // and no more
		c.Write([]byte(get), nil, true)
		readHead(t, c)
		began := time.Now()
		if c.Drain(1000, 50*time.Millisecond) || c.Reusable() {
			t.Error("drained")
		}
		if waited := time.Since(began); waited != 50*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
	})
}

// deadlineless is a conn that refuses deadlines, or, without err, ignores them.
type deadlineless struct {
	net.Conn
	err error
}

func (d deadlineless) SetDeadline(time.Time) error      { return d.err }
func (d deadlineless) SetReadDeadline(time.Time) error  { return d.err }
func (d deadlineless) SetWriteDeadline(time.Time) error { return d.err }
