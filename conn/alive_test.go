package conn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
)

// An idle connection is alive as long as the server is silent, and Alive does not
// disturb what comes after it.
func TestAliveQuiet(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			for range 3 {
				for range 3 {
					if !c.Alive(time.Hour) {
						t.Fatal("not alive")
					}
				}
				p.answers(okLength)
				if got := exchange(c, "GET"); got != (reply{200, "hello", nil}) {
					t.Fatalf("%+v", got)
				}
				p.work.Wait()
				c.Park()
			}
		})
	}
}

// What a server may do to an idle connection that ends its use (RFC 9112 §9.2).
var endings = map[string]func(p *peer){
	"end in good order": (*peer).finish,
	"FIN":               (*peer).cut,
	"unasked byte":      func(p *peer) { p.write("H") },
	"unasked answer":    func(p *peer) { p.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n") },
	"byte and FIN":      func(p *peer) { p.write("H"); p.finish() },
	"reset": func(p *peer) {
		if tcp, ok := p.raw.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		p.raw.Close()
	},
}

func TestAliveDisturbed(t *testing.T) {
	for _, tr := range transports {
		for name, end := range endings {
			for _, used := range []bool{false, true} {
				t.Run(name+" over "+tr.name, func(t *testing.T) {
					c, p := tr.meet(t)
					if used {
						p.answers(okLength)
						exchange(c, "GET")
						p.work.Wait()
						c.Park()
					}
					p.work.Go(func() { end(p) })
					eventually(t, "dead", func() bool { return !c.Alive(time.Hour) })
					if c.Alive(time.Hour) || c.Alive(0) || c.Reusable() {
						t.Error("alive again")
					}
				})
			}
		}
	}
}

// What has come is seen however short ago the connection was in use.
func TestAliveFresh(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			p.answers(okLength)
			exchange(c, "GET")
			p.work.Wait()
			c.Park()
			p.finish()
			eventually(t, "dead just after its use", func() bool { return !c.Alive(0) })
		})
	}
}

// Bytes behind the answer make the connection useless, whether they came with it
// or later (RFC 9112 §9.2), and in the moment just after it too.
func TestLeftover(t *testing.T) {
	const junk = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
	long := text(10 * bufferSize)
	answers := bodies("hello")
	for name, in := range bodies(long) {
		answers["long "+name] = in
	}
	answers["no body"] = ok + "Content-Length: 0\r\n\r\n"
	answers["as long as the buffer"] = ok + "Content-Length: 5\r\nA: " +
		text(bufferSize-len(okLength)-len("A: \r\n")) + "\r\n\r\nhello"
	for _, tr := range transports {
		for name, in := range answers {
			if name == "until close" || name == "long until close" {
				continue // all that comes is its body
			}
			t.Run(name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				p.answers(in + junk)
				if got := exchange(c, "GET"); got.err != nil || got.status != 200 {
					t.Fatalf("%+v", got)
				}
				if tr.name != "pipe" { // whose Write ends only when all is read
					p.work.Wait()
				}
				if !c.Reusable() {
					c.Park()
					if c.Reusable() {
						t.Error("forgot what was left over")
					}
					return
				}
				c.Park()
				wantDead(t, c, 0)
			})
		}
	}
}

// The body may be read to its last byte without a glance at what comes behind it.
func TestLeftoverBehindBulk(t *testing.T) {
	for _, size := range []int{10, 10_000, 2 << 20} {
		for _, tr := range transports {
			t.Run(fmt.Sprint(size, " bytes over ", tr.name), func(t *testing.T) {
				c, p := tr.meet(t)
				p.answers(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", ok, size))
				if _, err := c.Write([]byte(get), nil, true); err != nil {
					t.Fatal(err)
				}
				readHead(t, c)
				p.work.Wait()
				p.work.Go(func() { p.write(text(size) + okLength) })
				if body, err := c.ReadAll(nil, 0); len(body) != size || err != nil {
					t.Fatal(len(body), err)
				}
				if tr.name != "pipe" { // whose Write ends only when all is read
					p.work.Wait()
				}
				if c.Reusable() {
					c.Park()
					wantDead(t, c, 0)
				}
			})
		}
	}
}

// wantDead looks until what the server has sent is there, and seen: where the socket offers no
// raw access a look has only a moment for that.
func wantDead(t *testing.T, c *Conn, idle time.Duration) {
	t.Helper()
	eventually(t, "dead", func() bool { return !c.Alive(idle) })
}

// A server may write the answer and more in one record: what TLS holds back is
// seen as well.
func TestLeftoverInARecord(t *testing.T) {
	for _, tr := range []transport{overTLS, overHiddenTLS} {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			p.answers(ok+"Content-Length: 10000\r\n\r\n", text(10_000)+"junk")
			if got := exchange(c, "GET"); got.err != nil {
				t.Fatal(got.err)
			}
			p.work.Wait()
			if !c.Reusable() {
				return // the junk came along into the buffer and was seen at once
			}
			c.Park()
			wantDead(t, c, 0)
		})
	}
}

// Session tickets wait unread on a fresh TLS 1.3 connection. They are no answer,
// and a look at them keeps them for the next connection (RFC 8446 §4.6.1).
func TestAliveWithTickets(t *testing.T) {
	for _, tr := range []transport{overTLS, overHiddenTLS} {
		for name, ask := range map[string]tls.ClientAuthType{
			"with the handshake": tls.NoClientCert,
			// Go's server sends them later if it may have to know the client.
			"behind the handshake": tls.RequestClientCert,
		} {
			t.Run(name+" over "+tr.name, func(t *testing.T) {
				tr.server = func(cfg *tls.Config) { cfg.ClientAuth = ask }
				c, p := tr.meet(t)
				if v := c.nc.(*tls.Conn).ConnectionState().Version; v != tls.VersionTLS13 {
					t.Fatalf("version %x", v)
				}
				if ask == tls.RequestClientCert {
					eventually(t, "the tickets", c.Suspect)
				}
				if !c.Alive(time.Hour) {
					t.Fatal("not alive")
				}
				if tr.name == "tls" {
					eventually(t, "the tickets taken", func() bool { return c.Alive(time.Hour) && !c.Suspect() })
				}
				p.answers(okLength)
				if got := exchange(c, "GET"); got != (reply{200, "hello", nil}) {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// Half a record may be half a ticket: it is neither the end nor lost.
func TestAliveWithHalfARecord(t *testing.T) {
	for _, tr := range []transport{overTLS, overHiddenTLS} {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			record := recordOf(t, p, okLength)
			p.raw.Write(record[:7])
			eventually(t, "half a record", c.Suspect)
			for range 3 {
				if !c.Alive(time.Hour) {
					t.Fatal("not alive")
				}
			}
			p.work.Go(func() {
				p.request()
				p.raw.Write(record[7:])
			})
			if got := exchange(c, "GET"); got != (reply{200, "hello", nil}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// recordOf is what p would send for s, not sent.
func recordOf(t *testing.T, p *peer, s string) []byte {
	t.Helper()
	var kept []byte
	p.out.divert = func(b []byte) { kept = append(kept, b...) }
	defer func() { p.out.divert = nil }()
	if err := p.write(s); err != nil {
		t.Fatal(err)
	}
	return kept
}

// A driver's own type is looked at, and read and written, without its deadlines: it may
// refuse them, or only pretend to have some.
func TestAliveWithoutDeadlines(t *testing.T) {
	for _, tr := range []transport{overPipe, overHiddenTCP, overHiddenTLS} {
		t.Run(tr.name, func(t *testing.T) {
			client, server := tr.pair(t)
			c, p := tr.over(t, deadlineless{client, errors.New("no deadlines over this tunnel")}, server)
			for range 3 {
				if !c.Alive(time.Hour) {
					t.Fatal("not alive")
				}
				p.answers(okLength)
				if got := exchange(c, "GET"); got != (reply{200, "hello", nil}) {
					t.Fatalf("%+v", got)
				}
				p.work.Wait()
				c.Park()
			}
			p.finish()
			eventually(t, "dead", func() bool { return !c.Alive(time.Hour) })
		})
	}
}

func TestSuspect(t *testing.T) {
	c, p := overTCP.meet(t)
	if c.Suspect() {
		t.Error("suspect while quiet")
	}
	p.write("x")
	eventually(t, "suspect", c.Suspect)
	c, p = overHiddenTCP.meet(t)
	if !c.Suspect() {
		t.Error("not suspect though nobody has asked its driver")
	}
	if !c.StillAlive() || c.Suspect() {
		t.Error("suspect while quiet")
	}
	p.write("x")
	eventually(t, "suspect", c.Suspect)
	c, p = overTCP.meet(t)
	p.cut()
	eventually(t, "suspect", c.Suspect)
	c, _ = overTCP.meet(t)
	c.Close()
	if !c.Suspect() || c.Alive(time.Hour) {
		t.Error("closed, but not suspect")
	}
}

// Suspect and Alive may meet: one asks from anywhere, the other looks.
func TestSuspectWhileBusy(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS} {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			stop, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				for {
					select {
					case <-stop:
						return
					default:
						c.Suspect()
					}
				}
			}()
			for range 50 {
				p.answers(okLength)
				if got := exchange(c, "GET"); got.err != nil || !c.Alive(time.Hour) {
					t.Fatal(got.err)
				}
				p.work.Wait()
				c.Park()
			}
			close(stop)
			<-done
		})
	}
}
