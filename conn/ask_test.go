//go:build unix

package conn

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

const askGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

// askedBody reads the answer that an Ask has waited for.
func askedBody(c *Conn) (string, error) {
	var h http1.Head
	buf, err := c.ReadHead("GET", &h, nil, http1.Limits{}, 0)
	if err != nil {
		return "", err
	}
	at := len(buf)
	buf, err = c.ReadAll(buf, 0)
	return string(buf[at:]), err
}

func TestAskIsForPlainSocketsOfPackageNet(t *testing.T) {
	for _, tr := range []transport{overPipe, overTCP, overTLS, overHiddenTCP, overHiddenTLS} {
		c, _ := tr.meet(t)
		if want := tr.name == overTCP.name; c.CanAsk() != want {
			t.Errorf("%s: CanAsk is %v", tr.name, !want)
		}
	}
	client, server := tcpPair(t)
	defer server.Close()
	// A type that embeds a socket has its own Read and Write: they must be used.
	if c := New(struct{ *net.TCPConn }{client.(*net.TCPConn)}, &Buffers{}); c.CanAsk() {
		t.Error("a driver's own type is asked behind its back")
	} else {
		c.Close()
	}
}

func TestAskGetsAnswersInAnyPieces(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	c, p := overTCP.meet(t)
	for cut := range answer {
		p.answers(answer[:cut], answer[cut:])
		if sent, err := c.Ask([]byte(askGet)); err != nil || sent != SentAll {
			t.Fatalf("sent %v, %v", sent, err)
		}
		body, err := askedBody(c)
		if err != nil || body != "hello" || !c.Reusable() {
			t.Fatalf("cut at %d: %q, %v, reusable %v", cut, body, err, c.Reusable())
		}
		c.Park()
		p.work.Wait()
	}
}

func TestAskSeesWhatNobodyAskedFor(t *testing.T) {
	for name, spoil := range map[string]func(*peer){
		"bytes":       func(p *peer) { io.WriteString(p, "HTTP/1.1 200 OK\r\n") },
		"end":         func(p *peer) { p.raw.Close() },
		"half an end": func(p *peer) { p.raw.(*net.TCPConn).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			c, p := overTCP.meet(t)
			spoil(p)
			eventually(t, "something to see", c.Suspect)
			if sent, err := c.Ask([]byte(askGet)); err != ErrStale || sent != SentNothing {
				t.Fatalf("sent %v, %v", sent, err)
			}
			if c.Reusable() || c.Alive(time.Hour) {
				t.Error("taken as fit for use afterwards")
			}
			if name != "end" {
				c.Close()
				if got, _ := io.ReadAll(p); len(got) > 0 {
					t.Errorf("the server was sent %q", got)
				}
			}
		})
	}
}

// Whatever arrives after the look wakes the goroutine up, also when it comes at
// that very moment: a call that hangs here would fail the test by its time limit.
func TestAskLosesNoEnd(t *testing.T) {
	for range 300 {
		c, p := overTCP.meet(t)
		p.work.Go(func() { p.raw.Close() })
		sent, err := c.Ask([]byte(askGet))
		if err == ErrStale {
			continue
		}
		if err == nil {
			_, err = askedBody(c)
		}
		if err == nil {
			t.Fatalf("answered by a closed socket, sent %v", sent)
		}
	}
}

func TestAskEndsWhenInterrupted(t *testing.T) {
	c, p := overTCP.meet(t)
	cause := errors.New("enough")
	p.work.Go(func() {
		p.request()
		c.Interrupt(cause) // while the other side is parked, or about to
	})
	sent, err := c.Ask([]byte(askGet))
	if sent != SentAll || err != nil {
		t.Fatalf("sent %v, %v", sent, err)
	}
	if _, err = askedBody(c); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause of the interruption", err)
	}
	if _, err := c.Ask([]byte(askGet)); err != ErrStale {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAskReportsAReset(t *testing.T) {
	c, p := overTCP.meet(t)
	p.work.Go(func() {
		p.request()
		p.raw.(*net.TCPConn).SetLinger(0)
		p.raw.Close()
	})
	if sent, err := c.Ask([]byte(askGet)); sent != SentAll || err != nil {
		t.Fatalf("sent %v, %v", sent, err)
	}
	if _, err := askedBody(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestAskOfMoreThanTheSocketTakesAtOnce(t *testing.T) {
	client, server := tcpPair(t)
	client.(*net.TCPConn).SetWriteBuffer(64 << 10)
	c, p := overTCP.over(t, client, server)
	request := strings.Replace(askGet, "\r\n\r\n", "\r\nX-Long: "+strings.Repeat("x", 8_000_000)+"\r\n\r\n", 1)
	p.work.Go(func() {
		got := make([]byte, len(request))
		if _, err := io.ReadFull(p, got); err != nil || string(got) != request {
			t.Errorf("the request arrived otherwise: %v", err)
		}
		p.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	if sent, err := c.Ask([]byte(request)); err != nil || sent != SentAll {
		t.Fatalf("sent %v, %v", sent, err)
	}
	if body, err := askedBody(c); err != nil || body != "ok" {
		t.Errorf("%q, %v", body, err)
	}
}

func TestAskAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c, p := overTCP.meet(t)
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	p.work.Go(func() {
		buf := make([]byte, 1024)
		for {
			if _, err := p.raw.Read(buf); err != nil {
				return
			}
			p.raw.Write(answer)
		}
	})
	request, h, dst := []byte(askGet), http1.Head{}, make([]byte, 0, 1024)
	once := func() {
		if _, err := c.Ask(request); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadHead("GET", &h, dst, http1.Limits{}, 0); err != nil {
			t.Fatal(err)
		}
		c.Park()
	}
	once()
	if n := testing.AllocsPerRun(200, once); n != 0 {
		t.Errorf("an exchange allocates %v times", n)
	}
}
