package api

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/memory"
)

// pipes is a Driver to a server in memory: serve has a goroutine for each connection.
// Inside a bubble, time passes only when all wait. A write waits until it is read, so
// that tests know how far it came.
type pipes struct {
	serve func(n int, c net.Conn) // n counts the dials, from 1
	fail  func(n int) error       // of a dial; nil: none does

	mu    sync.Mutex
	dials int
	conns sync.WaitGroup
}

func (p *pipes) DialContext(context.Context, string, string) (net.Conn, error) {
	p.mu.Lock()
	p.dials++
	n := p.dials
	p.mu.Unlock()
	if p.fail != nil {
		if err := p.fail(n); err != nil {
			return nil, err
		}
	}
	client, server := memory.Pipe(memory.Link{Window: -1})
	p.conns.Go(func() {
		defer server.Close()
		p.serve(n, server)
	})
	return client, nil
}

// patience is how long tests wait, outside of a bubble, for what is about to happen. A
// busy machine may need seconds for that. The default IdleTimeout is longer: it must not
// bring about what a test waits for in vain.
const patience = time.Minute

// await waits until a session's Snapshot is as it is to be. It is for sessions over real
// sockets: in a bubble no time passes while it looks.
func await(t *testing.T, s *Session, done func(Snapshot) bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(s.Snapshot()); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("still so after %v:\n%v", patience, s.Snapshot())
		}
	}
}

// awaitNoConns waits until all connections are gone.
func awaitNoConns(t *testing.T, s *Session) {
	t.Helper()
	await(t, s, func(now Snapshot) bool { return len(now.Conns) == 0 })
}

// awaitReleased waits until no connection of the first origin is in use.
func awaitReleased(t *testing.T, s *Session) {
	t.Helper()
	await(t, s, func(now Snapshot) bool { return now.Origins[0].Busy == 0 })
}

// inBubble runs a test of a session over p in a bubble of time.
func inBubble(t *testing.T, p *pipes, cfg Config, test func(t *testing.T, s *Session)) {
	t.Helper()
	inBubbleOver(t, p, p, cfg, test)
}

// inBubbleOver is inBubble with a driver that opens the pipes of p.
func inBubbleOver(t *testing.T, d conn.Driver, p *pipes, cfg Config, test func(t *testing.T, s *Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.Driver = d
		s, err := NewSession(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer p.conns.Wait()
		defer s.Close() // where the test has failed
		test(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// unanswering takes requests and says nothing.
func unanswering() *pipes {
	return &pipes{serve: func(_ int, c net.Conn) { io.Copy(io.Discard, c) }}
}

// readRequest takes one request, with its body, off a connection; nil at its end.
func readRequest(r *bufio.Reader) *http.Request {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil
	}
	io.Copy(io.Discard, req.Body)
	return req
}

// answering serves every request of a connection with what answer gives; an empty
// answer closes it.
func answering(answer func(conn, n int, req *http.Request) string) func(int, net.Conn) {
	return func(conn int, c net.Conn) {
		r := bufio.NewReader(c)
		for n := 1; ; n++ {
			req := readRequest(r)
			if req == nil {
				return
			}
			a := answer(conn, n, req)
			if a == "" {
				return
			}
			if _, err := io.WriteString(c, a); err != nil {
				return
			}
		}
	}
}
