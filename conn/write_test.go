package conn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
)

var errFull = errors.New("no room")

// What a failed write leaves as evidence decides whether the request may be sent
// again (RFC 9110 §9.2.2): nothing only if no byte was taken.
func TestWriteEvidence(t *testing.T) {
	head, body := []byte(get), []byte("0123456789")
	all := len(head) + len(body)
	for _, tc := range []struct {
		name  string
		body  []byte
		whole bool
		room  int
		want  Sent
	}{
		{"nothing of a head", nil, true, 0, SentNothing},
		{"a byte of a head", nil, true, 1, SentPart},
		{"a head but for a byte", nil, true, len(head) - 1, SentPart},
		{"nothing of both", body, true, 0, SentNothing},
		{"the head without its body", body, true, len(head), SentPart},
		{"both but for a byte", body, true, all - 1, SentPart},
		{"nothing of a first part", body, false, 0, SentNothing},
		{"some of a first part", body, false, all - 1, SentPart},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &canned{room: tc.room, full: errFull}
			c := newConn(m, &Buffers{})
			sent, err := c.Write(head, tc.body, tc.whole)
			wantError(t, err, errFull)
			if sent != tc.want || m.wrote != tc.room {
				t.Errorf("sent %v after %d bytes", sent, m.wrote)
			}
			if c.Reusable() {
				t.Error("reusable")
			}
		})
	}
}

// A conn may take all and fail nevertheless.
func TestWriteEvidenceOfAll(t *testing.T) {
	for _, tc := range []struct {
		whole bool
		want  Sent
	}{{true, SentAll}, {false, SentPart}} {
		c := New(failsAfter{newCanned("")}, &Buffers{})
		if sent, err := c.Write([]byte(get), nil, tc.whole); sent != tc.want || err == nil || c.Reusable() {
			t.Errorf("whole %t: sent %v, %v, reusable %t", tc.whole, sent, err, c.Reusable())
		}
	}
}

// failsAfter takes what is written and says that it failed.
type failsAfter struct{ net.Conn }

func (failsAfter) Write(p []byte) (int, error) { return len(p), errFull }

func TestWriteEvidenceOfMore(t *testing.T) {
	m := &canned{room: len(get) + 5, full: errFull}
	c := newConn(m, &Buffers{})
	if sent, err := c.Write([]byte(get), nil, false); sent != SentPart || err != nil {
		t.Fatal(sent, err)
	}
	if sent, err := c.More([]byte("0123"), false); sent != SentPart || err != nil {
		t.Fatal(sent, err)
	}
	for range 2 {
		sent, err := c.More([]byte("4567"), true)
		wantError(t, err, errFull)
		if sent != SentPart || c.Reusable() {
			t.Errorf("sent %v, reusable %t", sent, c.Reusable())
		}
	}
	m.room = -1
	c = newConn(m, &Buffers{})
	c.Write([]byte(get), nil, false)
	if sent, err := c.More(nil, true); sent != SentAll || err != nil {
		t.Errorf("sent %v, %v", sent, err)
	}
}

// Over TLS a record that is out only in part is nothing to the server: it can't
// be decrypted. From the first whole record on there is part.
func TestWriteEvidenceOverTLS(t *testing.T) {
	for _, tc := range []struct {
		name string
		room int
		want Sent
	}{
		{"nothing", 0, SentNothing},
		{"some of a record", 20, SentNothing},
		{"some of a later record", 20_000, SentPart},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, server := overTLS.pair(t)
			l := &limited{Conn: client, room: -1}
			c, p := overTLS.over(t, l, server)
			p.work.Go(func() { io.Copy(io.Discard, p.raw) })
			l.room = tc.room
			c.watch.look = lookTime // behind it nothing is to be found
			sent, err := c.Write([]byte(get), make([]byte, 100_000), true)
			wantError(t, err, errFull)
			if sent != tc.want || c.Reusable() {
				t.Errorf("sent %v, reusable %t", sent, c.Reusable())
			}
		})
	}
}

// limited fails after that many bytes.
type limited struct {
	net.Conn
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.room < 0 || len(p) <= l.room {
		n, err := l.Conn.Write(p)
		if l.room >= 0 {
			l.room -= n
		}
		return n, err
	}
	n, _ := l.Conn.Write(p[:l.room])
	l.room = 0
	return n, errFull
}

// A reset that the write meets is told with what was sent before it.
func TestWriteToResetPeer(t *testing.T) {
	c, p := overTCP.meet(t)
	p.raw.(*net.TCPConn).SetLinger(0)
	p.raw.Close()
	eventually(t, "reset", c.Suspect)
	sent, err := c.Write([]byte(get), nil, true)
	if sent != SentNothing || !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("sent %v, %v", sent, err)
	}
}

// What is written arrives as it was given, in each way of giving it.
func TestWriteArrives(t *testing.T) {
	for _, tr := range transports {
		for _, size := range []int{0, 1, 1000, 3 << 20} {
			body := []byte(text(size))
			head := []byte(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n", size))
			for name, write := range map[string]func(c *Conn) (Sent, error){
				"at once": func(c *Conn) (Sent, error) { return c.Write(head, body, true) },
				"in pieces": func(c *Conn) (Sent, error) {
					half := len(body) / 2
					if sent, err := c.Write(head, body[:half], false); sent != SentPart || err != nil {
						return sent, err
					}
					return c.More(body[half:], true)
				},
			} {
				t.Run(fmt.Sprintf("%d bytes %s over %s", size, name, tr.name), func(t *testing.T) {
					c, p := tr.meet(t)
					want := append(bytes.Clone(head), body...)
					got := make([]byte, len(want))
					p.work.Go(func() {
						io.ReadFull(p, got)
						p.write(okLength)
					})
					if sent, err := write(c); sent != SentAll || err != nil {
						t.Fatal(sent, err)
					}
					if r := receive(c, "PUT", 0); r.err != nil || !c.Reusable() {
						t.Errorf("%+v, reusable %t", r, c.Reusable())
					}
					p.work.Wait()
					if !bytes.Equal(got, want) {
						t.Error("other bytes arrived")
					}
				})
			}
		}
	}
}

// A driver's conn may embed a socket and have a Write of its own: no byte goes
// past it.
func TestWriteThroughDriversConn(t *testing.T) {
	client, server := tcpPair(t)
	own := &shouting{TCPConn: client.(*net.TCPConn)}
	c, p := overTCP.over(t, own, server)
	got := make([]byte, 8)
	p.work.Go(func() { io.ReadFull(p, got) })
	if _, err := c.Write([]byte("head"), []byte("body"), true); err != nil {
		t.Fatal(err)
	}
	p.work.Wait()
	if string(got) != "HEADBODY" {
		t.Errorf("%q arrived", got)
	}
}

// shouting sends everything in capitals.
type shouting struct{ *net.TCPConn }

func (s *shouting) Write(p []byte) (int, error) {
	return s.TCPConn.Write([]byte(strings.ToUpper(string(p))))
}
