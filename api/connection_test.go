package api

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

var keepAlive = Headers{"Connection": "Keep-Alive"}

// TestOneShotCloses: each call has a connection of its own, which is gone
// afterwards even if the server would keep it.
func TestOneShotCloses(t *testing.T) {
	server := record(t, always("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"))
	for i := range 3 {
		resp, err := Get(t.Context(), server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Connection() != nil {
			t.Errorf("call %d: the connection is still open", i+1)
		}
		if got := server.last(t); got.conn != i+1 || !strings.Contains(got.head, "\r\nConnection: close\r\n") {
			t.Errorf("call %d: connection %d, %q", i+1, got.conn, got.head)
		}
	}
}

func TestOneShotKeepAlive(t *testing.T) {
	server := record(t, nil)
	resp, err := Get(t.Context(), server.URL, keepAlive)
	if err != nil {
		t.Fatal(err)
	}
	c := resp.Connection()
	if c == nil || c.Requests() != 1 || c.ID() == "" || c.RemoteAddr() == nil {
		t.Fatalf("connection %v", c)
	}
	// Nobody else is given it.
	if _, err := Get(t.Context(), server.URL, keepAlive); err != nil || server.last(t).conn != 2 {
		t.Errorf("another call: %v, connection %d", err, server.last(t).conn)
	}
	// Its owner is, again and again.
	for n := 2; n <= 3; n++ {
		resp, err = Post(t.Context(), server.URL+"/again", c, keepAlive, Data{"a": "b"})
		if err != nil {
			t.Fatal(err)
		}
		if got := server.last(t); got.conn != 1 || resp.Connection() == nil || c.Requests() != n {
			t.Errorf("connection %d, %v, %d requests", got.conn, resp.Connection(), c.Requests())
		}
		c = resp.Connection()
	}
	// Without the header, this call is its last.
	if resp, err = Get(t.Context(), server.URL, c); err != nil || server.last(t).conn != 1 || resp.Connection() != nil {
		t.Errorf("last call: %v, connection %d, %v", err, server.last(t).conn, resp.Connection())
	}
	_, err = Get(t.Context(), server.URL, c)
	wantClosed(t, err)
}

// A one-shot call that fails behind its answer hands no Connection over: what it was to
// keep would stay open, and nobody's, until Shutdown.
func TestOneShotKeepsNothingOfAFailedCall(t *testing.T) {
	if err := Shutdown(t.Context()); err != nil { // what other tests have kept
		t.Fatal(err)
	}
	enough := errors.New("enough")
	for _, c := range []struct {
		name, header string
		opt          Option
	}{
		{"not decodable", "Content-Encoding: gzip", nil},
		{"not decodable, stream", "Content-Encoding: gzip", Stream(func([]byte) error { return nil }, 0)},
		{"error in a full chunk", "X: y", Stream(func([]byte) error { return enough }, 5)},
		{"error in the rest", "X: y", Stream(func([]byte) error { return enough }, 500)},
		{"panic", "X: y", Stream(func([]byte) error { panic("callback panics") }, 500)},
		{"Goexit", "X: y", Stream(func([]byte) error { runtime.Goexit(); return nil }, 500)},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := record(t, always(withLength("hello", c.header)))
			left := make(chan struct{})
			go func() {
				defer close(left)
				defer func() { _ = recover() }()
				if _, err := Get(t.Context(), server.URL, keepAlive, c.opt); err == nil {
					t.Error("no error")
				}
			}()
			<-left
			s, err := defaultSession()
			if err != nil {
				t.Fatal(err)
			}
			awaitNoConns(t, s)
		})
	}
}

// wantClosed checks for the error of a connection that is closed.
func wantClosed(t *testing.T, err error) {
	t.Helper()
	var bad *IOError
	if !errors.As(err, &bad) || bad.Op != OpWrite || bad.Sent != SentNothing || bad.URL == "" {
		t.Errorf("got %T %v, want an *IOError", err, err)
	}
}

func TestConnectionClosed(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{})
	one, err := Get(t.Context(), server.URL, keepAlive)
	if err != nil {
		t.Fatal(err)
	}
	many, err := session.Get(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	sent := len(server.all())
	for _, c := range []struct {
		resp *Response
		get  func(context.Context, string, ...Option) (*Response, error)
	}{{one, Get}, {many, session.Get}} {
		conn := c.resp.Connection()
		for range 2 {
			if err := conn.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if c.resp.Connection() != nil {
			t.Error("the response still has its connection")
		}
		_, err := c.get(t.Context(), server.URL, conn)
		wantClosed(t, err)
	}
	if n := len(server.all()); n != sent {
		t.Errorf("%d requests were sent", n-sent)
	}
}

func TestConnectionClosedByServer(t *testing.T) {
	server := record(t, always("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	resp, err := Get(t.Context(), server.URL, keepAlive)
	if err != nil || resp.Connection() != nil {
		t.Errorf("got %v, %v", resp.Connection(), err)
	}
}

func TestConnectionToAnotherOrigin(t *testing.T) {
	server, other := record(t, nil), record(t, nil)
	session := newSession(t, Config{})
	one, err := Get(t.Context(), server.URL, keepAlive)
	if err != nil {
		t.Fatal(err)
	}
	lease, err := session.Lease(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	many, err := session.Get(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"one-shot": second(Get(t.Context(), other.URL, one.Connection())),
		"session":  second(session.Get(t.Context(), other.URL, many.Connection())),
		"lease":    second(session.Get(t.Context(), other.URL, lease)),
		"scheme":   second(session.Get(t.Context(), strings.Replace(server.URL, "http", "https", 1), many.Connection())),
	} {
		if !errors.Is(err, ErrWrongOrigin) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// TLS settings are no part of an http origin.
	if _, err := session.Get(t.Context(), server.URL, many.Connection(), TLS(&tls.Config{})); err != nil {
		t.Error(err)
	}
	if n := len(other.all()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	// The connection is none the worse for it.
	if _, err := Get(t.Context(), server.URL, one.Connection()); err != nil || server.last(t).conn != 1 {
		t.Errorf("afterwards: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestConnectionOfAnotherSession(t *testing.T) {
	server := record(t, nil)
	a, b := newSession(t, Config{}), newSession(t, Config{})
	resp, err := a.Get(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := b.Get(t.Context(), server.URL, resp.Connection())
	_, err2 := Get(t.Context(), server.URL, resp.Connection())
	if !errors.Is(err1, ErrForeignConnection) || !errors.Is(err2, ErrForeignConnection) {
		t.Errorf("got %v, %v", err1, err2)
	}
}

// TestSessionPin: a handle of a session's pins a call to that connection.
func TestSessionPin(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{})
	first, err := session.Get(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	lease, err := session.Lease(t.Context(), server.URL) // takes the first one
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Get(t.Context(), server.URL); err != nil { // opens the second
		t.Fatal(err)
	}
	lease.Release()
	for range 3 {
		resp, err := session.Get(t.Context(), server.URL, first.Connection())
		if err != nil || server.last(t).conn != 1 || resp.Connection().ID() != first.Connection().ID() {
			t.Errorf("got %v, connection %d", err, server.last(t).conn)
		}
	}
}

func TestConnectionNil(t *testing.T) {
	var c *Connection
	if c.ID() != "" || c.RemoteAddr() != nil || c.Requests() != 0 || c.Close() != nil {
		t.Error("a nil Connection is not harmless")
	}
	var l *Lease
	l.Release()
	if l.Connection() != nil {
		t.Error("a nil Lease has a connection")
	}
}

func TestConnectionTwice(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{})
	lease, err := session.Lease(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	for _, opts := range [][]Option{
		{lease, lease.Connection()},
		{lease.Connection(), lease},
		{lease.Connection(), lease.Connection()},
		{lease, lease},
	} {
		var input *InputError
		if _, err := session.Get(t.Context(), server.URL, opts...); !errors.As(err, &input) {
			t.Errorf("got %v", err)
		}
	}
}

func TestLease(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{MaxConnsPerOrigin: 1})
	lease, err := session.Lease(t.Context(), server.URL, Timeout(time.Minute), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range []Option{lease, lease.Connection()} {
		resp, err := session.Get(t.Context(), server.URL, o)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Connection().ID() != lease.Connection().ID() || lease.Connection().Requests() != 2*i+1 {
			t.Errorf("not the leased connection")
		}
		// What the response hands on is the lease's right too.
		if _, err := session.Get(t.Context(), server.URL, resp.Connection()); err != nil || lease.Connection().Requests() != 2*i+2 {
			t.Errorf("by the response's connection: %v", err)
		}
	}
	lease.Release()
}

// TestLeaseIsExclusive: it counts against the limit, nobody else gets it, and
// after Release the next one does.
func TestLeaseIsExclusive(t *testing.T) {
	m := &pipes{serve: answering(func(int, int, *http.Request) string { return ok })}
	inBubble(t, m, Config{MaxConnsPerOrigin: 1}, func(t *testing.T, s *Session) {
		lease, err := s.Lease(t.Context(), "http://h/")
		if err != nil {
			t.Fatal(err)
		}
		var no *HTTPConnectionError
		began := time.Now()
		if _, err := s.Get(t.Context(), "http://h/", Timeout(time.Second)); !errors.As(err, &no) || no.Op != OpQueue || !errors.Is(err, context.DeadlineExceeded) || !no.Timeout() || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if resp, err := s.Get(t.Context(), "http://h/", lease); err != nil || resp.Connection() == nil {
			t.Fatal(err)
		}
		for range 2 {
			lease.Release()
		}
		_, err = s.Get(t.Context(), "http://h/", lease)
		wantClosed(t, err)
		_, err = s.Get(t.Context(), "http://h/", lease.Connection())
		wantClosed(t, err)
		if _, err := s.Get(t.Context(), "http://h/"); err != nil || m.dials != 1 {
			t.Errorf("after Release: %v, %d connections", err, m.dials)
		}
	})
}

// A connection that comes back from a lease after long is too old for a POST: it makes
// room for a new one, or the call would wait beside it for ever.
func TestLeaseReleasedLateServesAPOST(t *testing.T) {
	for name, cfg := range map[string]Config{"MaxConnsPerOrigin": {MaxConnsPerOrigin: 1}, "MaxConns": {MaxConns: 1}} {
		t.Run(name, func(t *testing.T) {
			m := &pipes{serve: answering(func(int, int, *http.Request) string { return ok })}
			inBubble(t, m, cfg, func(t *testing.T, s *Session) {
				lease, err := s.Lease(t.Context(), "http://h/")
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(5*time.Second, lease.Release)
				began := time.Now()
				resp, err := s.Post(t.Context(), "http://h/", Timeout(time.Minute))
				if took := time.Since(began).Truncate(10 * time.Millisecond); err != nil || resp.Text() != "ok" || took != 5*time.Second {
					t.Errorf("got %v, %v after %v", resp, err, took)
				}
			})
		})
	}
}

// TestLeaseClosed: closing a leased connection makes room for another.
func TestLeaseClosed(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{MaxConnsPerOrigin: 1})
	lease, err := session.Lease(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	lease.Connection().Close()
	_, err = session.Get(t.Context(), server.URL, lease)
	wantClosed(t, err)
	lease.Release()
	if _, err := session.Get(t.Context(), server.URL); err != nil || server.opened() != 2 {
		t.Errorf("afterwards: %v, %d connections", err, server.opened())
	}
}

func TestLeaseErrors(t *testing.T) {
	session := newSession(t, Config{})
	for _, c := range []struct {
		url   string
		opt   Option
		field string
	}{
		{"http://h/", Params{"a": "b"}, "Params"},
		{"http://h/", Headers{}, "Headers"},
		{"http://h/", Stream(func([]byte) error { return nil }, 1), "Stream"},
		{"http://h/", NoRedirect(), "NoRedirect"},
		{"http://h/", Timeout(-1), "Timeout"},
		{"ftp://h/", nil, "URL"},
	} {
		var input *InputError
		if l, err := session.Lease(t.Context(), c.url, c.opt); l != nil || !errors.As(err, &input) || input.Field != c.field {
			t.Errorf("%q %T: got %v", c.url, c.opt, err)
		}
	}
	var no *HTTPConnectionError
	if l, err := session.Lease(t.Context(), "http://u:secret@"+unused(t)); l != nil || !errors.As(err, &no) || no.Op != OpDial || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}
