package actors

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed53b03582/troupe/conn/memory"
)

// pipes is a Driver whose sockets are pipes in memory: with them the clock of a
// synctest bubble stands still until everybody waits.
type pipes struct {
	serve func(net.Conn)                  // the server's side of each connection
	dial  func(ctx context.Context) error // runs before each dial, if set
	wrap  func(net.Conn) net.Conn         // changes the client's side, if set
	dials atomic.Int64
	open  atomic.Int64 // server sides that have not ended
	wg    sync.WaitGroup
}

func (m *pipes) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	m.dials.Add(1)
	if m.dial != nil {
		if err := m.dial(ctx); err != nil {
			return nil, err
		}
	}
	client, server := memory.Pipe(memory.Link{Window: -1}) // a write waits for its reader
	m.open.Add(1)
	m.wg.Go(func() {
		defer m.open.Add(-1)
		defer server.Close()
		m.serve(server)
	})
	if m.wrap != nil {
		return m.wrap(client), nil
	}
	return client, nil
}

// answering serves each request of a connection with answer.
func answering(answer func(*http.Request) string) func(net.Conn) {
	return func(nc net.Conn) {
		br := bufio.NewReader(nc)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			if _, err := io.WriteString(nc, answer(req)); err != nil {
				return
			}
		}
	}
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

func greeting(*http.Request) string { return hello }

// start brings up a scheduler over m, to be closed with the test, after which no
// server side may be left.
func (m *pipes) start(t *testing.T, cfg Config) *Scheduler {
	t.Helper()
	cfg.Driver = m
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		m.wg.Wait() // hangs if a socket was left open
	})
	return s
}

var testOrigin = Origin{Scheme: "http", Host: "origin.test", Port: "80"}

// get sends a GET and returns the body.
func get(ctx context.Context, s *Scheduler, change ...func(*Request)) (string, error) {
	c := s.NewCall()
	c.Origin, c.Method = &testOrigin, "GET"
	c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n"...)
	for _, f := range change {
		f(&c.Request)
	}
	a, err := s.Do(ctx, c)
	if err != nil {
		return "", err
	}
	return string(a.Body()), nil
}

// post makes get send body, in chunks.
func post(body io.Reader, size int64) func(*Request) {
	return func(r *Request) {
		r.Method, r.Body = "POST", &Body{Reader: body, Size: size}
		length := "Transfer-Encoding: chunked"
		if size >= 0 {
			length = "Content-Length: " + http.Header{"N": {itoa(size)}}.Get("N")
		}
		r.Head = append(r.Head[:0], "POST / HTTP/1.1\r\nHost: origin.test\r\n"+length+"\r\n\r\n"...)
	}
}

func itoa(n int64) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// on pins a request to a connection.
func on(c *Conn, o *Owner) func(*Request) {
	return func(r *Request) { r.Conn, r.Owner = c, o }
}

var errBoom = errors.New("boom")

// badConn is a client side whose Read runs a function first.
type badConn struct {
	net.Conn
	read  func()
	write func()
	close func()
}

func (c *badConn) Read(p []byte) (int, error) {
	if c.read != nil {
		c.read()
	}
	return c.Conn.Read(p)
}

func (c *badConn) Write(p []byte) (int, error) {
	if c.write != nil {
		c.write()
	}
	return c.Conn.Write(p)
}

func (c *badConn) Close() error {
	err := c.Conn.Close()
	if c.close != nil {
		c.close()
	}
	return err
}
