package api

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed53b03582/troupe/conn"
)

// memory is a Driver whose sockets are pipes, each served by serve on a goroutine of
// its own. Inside a bubble, time passes only when all wait.
type memory struct {
	serve func(n int, c net.Conn) // n counts the dials, from 1
	fail  func(n int) error       // of a dial; nil: none does

	mu    sync.Mutex
	dials int
	conns sync.WaitGroup
}

func (m *memory) DialContext(context.Context, string, string) (net.Conn, error) {
	m.mu.Lock()
	m.dials++
	n := m.dials
	m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(n); err != nil {
			return nil, err
		}
	}
	client, server := net.Pipe()
	m.conns.Go(func() {
		defer server.Close()
		m.serve(n, server)
	})
	return client, nil
}

// inBubble runs a test of a session over m in a bubble of time.
func inBubble(t *testing.T, m *memory, cfg Config, test func(t *testing.T, s *Session)) {
	t.Helper()
	inBubbleOver(t, m, m, cfg, test)
}

// inBubbleOver is inBubble with a driver that opens the pipes of m.
func inBubbleOver(t *testing.T, d conn.Driver, m *memory, cfg Config, test func(t *testing.T, s *Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.Driver = d
		s, err := NewSession(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer m.conns.Wait()
		defer s.Close() // where the test has failed
		test(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
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
