package memory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/seed53b03582/troupe/conn/memory"
)

const address = "origin.test:80"

// TestConn: a connection is a net.Conn in all that nettest asks of one.
func TestConn(t *testing.T) {
	for name, link := range map[string]memory.Link{
		"plain":  {},
		"window": {Window: 100},
		"none":   {Window: -1},
		"pieces": {Pieces: 7},
		"slow":   {Latency: time.Microsecond, Jitter: time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (client, server net.Conn, stop func(), err error) {
				c, s := memory.Pipe(link)
				return c, s, func() { c.Close(); s.Close() }, nil
			})
		})
	}
}

// join opens a connection over link and gives both sides.
func join(t testing.TB, n *memory.Network, link memory.Link) (client, server net.Conn) {
	t.Helper()
	n.SetLink(address, link)
	l, err := n.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = n.DialContext(t.Context(), "tcp", address); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// pairUp is join with both sides closed at the end of a bubble's test.
func pairUp(t *testing.T, link memory.Link, test func(n *memory.Network, client, server net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(1)
		c, s := join(t, n, link)
		test(n, c, s)
		c.Close()
		s.Close()
		if n.Open() != 0 {
			t.Errorf("%d connections are open at the end", n.Open())
		}
	})
}

func TestFaults(t *testing.T) {
	text := strings.Repeat("0123456789", 100)
	at := func(kind memory.FaultKind, n int64) memory.Fault { return memory.Fault{Kind: kind, AfterBytes: n} }
	in := func(kind memory.FaultKind, d time.Duration) memory.Fault {
		return memory.Fault{Kind: kind, AfterTime: d}
	}
	for _, c := range []struct {
		name string
		down memory.Fault
		read string // by the client
		err  error
		up   error // of the client's write afterwards
	}{
		{"none", memory.Fault{}, text, io.EOF, nil},
		{"truncated at its first byte", at(memory.Truncate, 0), "", io.EOF, nil},
		{"truncated", at(memory.Truncate, 123), text[:123], io.EOF, nil},
		{"cut", at(memory.Cut, 123), text[:123], io.EOF, nil}, // the server will not see what comes
		{"reset", at(memory.Reset, 123), "", syscall.ECONNRESET, syscall.ECONNRESET},
		{"reset by time", in(memory.Reset, time.Minute), text, syscall.ECONNRESET, syscall.ECONNRESET},
		{"cut by time", in(memory.Cut, time.Minute), text, io.EOF, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pairUp(t, memory.Link{Down: c.down}, func(_ *memory.Network, client, server net.Conn) {
				if _, err := io.WriteString(server, text); err != nil {
					t.Errorf("the server's write: %v", err)
				}
				if c.down.AfterTime == 0 && c.down.Kind == memory.None {
					server.(*memory.Conn).CloseWrite()
				}
				var got bytes.Buffer
				_, err := io.Copy(&got, client)
				if err == nil {
					err = io.EOF
				}
				if got.String() != c.read || !errors.Is(err, c.err) {
					t.Errorf("read %d bytes and %v, want %d and %v", got.Len(), err, len(c.read), c.err)
				}
				if _, err := io.WriteString(client, "x"); !errors.Is(err, c.up) {
					t.Errorf("the client's write: %v, want %v", err, c.up)
				}
			})
		})
	}
}

func TestBlackHole(t *testing.T) {
	pairUp(t, memory.Link{Down: memory.Fault{Kind: memory.BlackHole, AfterBytes: 3}}, func(_ *memory.Network, client, server net.Conn) {
		if n, err := io.WriteString(server, "abcdef"); n != 6 || err != nil {
			t.Errorf("the write tells %d, %v; nobody is told of a black hole", n, err)
		}
		client.SetReadDeadline(time.Now().Add(time.Hour))
		got, err := io.ReadAll(client)
		if string(got) != "abc" || !isTimeout(err) {
			t.Errorf("read %q and %v, want abc and a timeout", got, err)
		}
	})
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// TestNoWindow: a write waits for Reads, and what the other side has not asked for is not
// sent.
func TestNoWindow(t *testing.T) {
	pairUp(t, memory.Link{Window: -1}, func(_ *memory.Network, client, server net.Conn) {
		server.SetWriteDeadline(time.Now().Add(time.Hour))
		began, wrote := time.Now(), make(chan struct{})
		go func() {
			defer close(wrote)
			if n, err := io.WriteString(server, "abcdef"); n != 4 || !isTimeout(err) || time.Since(began) != time.Hour {
				t.Errorf("wrote %d bytes and %v after %v, want 4 and a timeout after an hour", n, err, time.Since(began))
			}
		}()
		for _, want := range []string{"a", "bcd"} {
			time.Sleep(time.Minute)
			got := make([]byte, len(want))
			if _, err := client.Read(got); string(got) != want || err != nil {
				t.Errorf("read %q and %v, want %q", got, err, want)
			}
		}
		<-wrote
		server.Close()
		if rest, err := io.ReadAll(client); len(rest) != 0 || err != nil {
			t.Errorf("then %q and %v, want the end", rest, err)
		}
	})
}

// TestAllocatesNothing: where each side answers the other, bytes go to and fro in the same
// memory, so that tests can measure what is around a connection.
func TestAllocatesNothing(t *testing.T) {
	c, s := memory.Pipe(memory.Link{})
	defer c.Close()
	defer s.Close()
	out, in := make([]byte, 1000), make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() {
		c.Write(out)
		s.Read(in)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// TestPipe: its two sides know each other, and faults befall it as any connection.
func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := memory.Pipe(memory.Link{Down: memory.Fault{Kind: memory.Reset, AfterTime: time.Minute}})
		if c.LocalAddr() != s.RemoteAddr() || s.LocalAddr() != c.RemoteAddr() {
			t.Errorf("%v-%v and %v-%v", c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr())
		}
		io.WriteString(c, "hello")
		c.CloseWrite()
		if got, err := io.ReadAll(s); string(got) != "hello" || err != nil {
			t.Errorf("read %q and %v", got, err)
		}
		began := time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v, want a reset after a minute", err, time.Since(began))
		}
		c.Close()
		s.Close()
	})
}

// TestShare: a fault befalls its share of connections, the same ones for the same seed.
func TestShare(t *testing.T) {
	hit := func(seed uint64) (pattern string) {
		n := memory.New(seed)
		for range 200 {
			c, s := join(t, n, memory.Link{Down: memory.Fault{Kind: memory.Truncate, Share: 0.3}})
			io.WriteString(s, "x")
			s.Close()
			got, _ := io.ReadAll(c)
			c.Close()
			pattern += fmt.Sprint(len(got))
		}
		return pattern
	}
	one := hit(1)
	if again := hit(1); one != again {
		t.Errorf("the same seed gave\n%s and\n%s", one, again)
	}
	if hit(2) == one {
		t.Error("another seed gave the same")
	}
	if n := strings.Count(one, "0"); n < 30 || n > 90 {
		t.Errorf("%d of 200 were hit, want about 60", n)
	}
}

func TestLatency(t *testing.T) {
	const way = 20 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(1)
		began := time.Now()
		c, s := join(t, n, memory.Link{Latency: way})
		if d := time.Since(began); d != 2*way {
			t.Errorf("the dial took %v, want %v", d, 2*way)
		}
		io.WriteString(s, "x")
		s.Close()
		one := make([]byte, 1)
		if _, err := io.ReadFull(c, one); err != nil || time.Since(began) != 3*way {
			t.Errorf("the byte came after %v (%v), want %v", time.Since(began), err, 3*way)
		}
		if _, err := c.Read(one); err != io.EOF {
			t.Errorf("then %v, want the end", err)
		}
		c.Close()
	})
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(1)
		if _, err := n.DialContext(t.Context(), "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v, want ECONNREFUSED", err)
		}
		l, err := n.Listen(address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, err := n.Listen(address); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second listener: %v, want EADDRINUSE", err)
		}
		n.SetLink(address, memory.Link{Refuse: true})
		if _, err := n.DialContext(t.Context(), "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Refuse: %v, want ECONNREFUSED", err)
		}
		n.SetLink(address, memory.Link{Silent: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := n.DialContext(ctx, "tcp", address); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Silent: %v, want the context's end", err)
		}
		if n.Dials() != 3 || n.Open() != 0 {
			t.Errorf("%d dials, %d open, want 3 and 0", n.Dials(), n.Open())
		}
	})
}

// TestBreak: what is open breaks at once, and what is dialled later does not.
func TestBreak(t *testing.T) {
	pairUp(t, memory.Link{}, func(n *memory.Network, client, server net.Conn) {
		n.Break(address, memory.Reset)
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client reads %v, want ECONNRESET", err)
		}
		c, s := join(t, n, memory.Link{})
		defer c.Close()
		defer s.Close()
		if _, err := io.WriteString(s, "x"); err != nil {
			t.Errorf("a later connection: %v", err)
		}
	})
}

// TestClosedListener: a closed listener accepts nothing, and what it had not accepted is reset.
func TestClosedListener(t *testing.T) {
	n := memory.New(1)
	l, err := n.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := n.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, want net.ErrClosed", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection that waited: %v, want ECONNRESET", err)
	}
}

// TestServer: net/http's server and client talk over it, in a bubble.
func TestServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(1)
		n.SetLink(memory.Any, memory.Link{Latency: time.Second, Pieces: 10})
		l, err := n.Listen(memory.Any)
		if err != nil {
			t.Fatal(err)
		}
		server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, r.Body)
		})}
		go server.Serve(l)
		defer server.Close()
		tr := &http.Transport{DialContext: n.DialContext}
		defer tr.CloseIdleConnections()
		want := strings.Repeat("hello ", 100_000)
		resp, err := (&http.Client{Transport: tr}).Post("http://any.test/", "text/plain", strings.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); string(got) != want || err != nil {
			t.Errorf("got %d bytes and %v, want %d", len(got), err, len(want))
		}
	})
}
