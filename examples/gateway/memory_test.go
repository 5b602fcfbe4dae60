package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a network of pipes. In a bubble of time, with it, nothing takes longer than
// it is made to.
type memory struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener // by address
}

// listen takes any port for a free one.
func (m *memory) listen(string) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listeners == nil {
		m.listeners = map[string]*pipeListener{}
	}
	l := &pipeListener{
		addr:   &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1024 + len(m.listeners)},
		conns:  make(chan net.Conn),
		closed: make(chan struct{}),
	}
	m.listeners[l.addr.String()] = l
	return l, nil
}

func (m *memory) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	m.mu.Lock()
	l := m.listeners[address]
	m.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeListener struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Addr() net.Addr { return l.addr }

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// inBubble runs a test in a bubble of time with a network of its own.
func inBubble(t *testing.T, test func(t *testing.T, m *memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, new(memory)) })
}

// options are those that a user has, over this network.
func (m *memory) options(o options) options {
	o.patience = 2 * time.Second
	o.network = network{listen: m.listen, driver: m}
	return o
}

// serve starts an upstream for a test and returns its URL.
func (m *memory) serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	l, err := m.listen("")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(l) })
	t.Cleanup(func() {
		s.Close()
		serving.Wait()
	})
	return "http://" + l.Addr().String()
}
