package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

// TestVerbs: each function sends its method, in both ways to call.
func TestVerbs(t *testing.T) {
	type verb = func(context.Context, string, ...Option) (*Response, error)
	server := record(t, func(_ int, req *http.Request) string {
		if req.Method == "HEAD" {
			return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
		}
		return okAnswer
	})
	s := newSession(t, Config{})
	for _, c := range []struct {
		method string
		verbs  [2]verb
	}{
		{"GET", [2]verb{Get, s.Get}},
		{"HEAD", [2]verb{Head, s.Head}},
		{"POST", [2]verb{Post, s.Post}},
		{"PUT", [2]verb{Put, s.Put}},
		{"PATCH", [2]verb{Patch, s.Patch}},
		{"DELETE", [2]verb{Delete, s.Delete}},
		{"OPTIONS", [2]verb{Options, s.Options}},
	} {
		request := func(ctx context.Context, url string, opts ...Option) (*Response, error) {
			return Request(ctx, strings.ToLower(c.method), url, opts...)
		}
		sessionRequest := func(ctx context.Context, url string, opts ...Option) (*Response, error) {
			return s.Request(ctx, strings.ToLower(c.method), url, opts...)
		}
		for i, v := range []verb{c.verbs[0], c.verbs[1], request, sessionRequest} {
			resp, err := v(t.Context(), server.URL+"/p")
			if err != nil {
				t.Fatal(err)
			}
			if got := server.last(t).head; !strings.HasPrefix(got, c.method+" /p HTTP/1.1\r\n") || resp.Status() != 200 {
				t.Errorf("%s, %d: %q", c.method, i, got)
			}
		}
	}
}

// TestSessionKeepsConnections: one connection serves call after call, and no
// Connection header is sent.
func TestSessionKeepsConnections(t *testing.T) {
	server := record(t, nil)
	s := newSession(t, Config{})
	for range 5 {
		if _, err := s.Get(t.Context(), server.URL); err != nil {
			t.Fatal(err)
		}
		if got := server.last(t); got.conn != 1 || strings.Contains(got.head, "Connection:") {
			t.Errorf("connection %d, %q", got.conn, got.head)
		}
	}
}

// TestSessionClosesWhenAsked: after Connection: close nothing more is sent on that
// connection, whatever the server says (RFC 9112 §9.6).
func TestSessionClosesWhenAsked(t *testing.T) {
	server := record(t, nil)
	server.answer = func(_ int, req *http.Request) string { req.Close = false; return okAnswer }
	s := newSession(t, Config{})
	for i := range 3 {
		if _, err := s.Get(t.Context(), server.URL, Headers{"connection": "x, Close"}); err != nil {
			t.Fatal(err)
		}
		if got := server.last(t).conn; got != i+1 {
			t.Errorf("call %d went over connection %d", i+1, got)
		}
	}
}

func TestSessionConcurrently(t *testing.T) {
	server := record(t, func(_ int, req *http.Request) string { return withLength(req.URL.Path) })
	s := newSession(t, Config{MaxConnsPerOrigin: 4, MaxDialsPerOrigin: 4})
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for j := range 20 {
				path := fmt.Sprintf("/%d/%d", i, j)
				resp, err := s.Get(t.Context(), server.URL+path)
				if err != nil {
					t.Error(err)
					return
				}
				if resp.Text() != path {
					t.Errorf("asked for %s, got %s", path, resp.Text())
				}
				resp.Release()
			}
		})
	}
	all.Wait()
	if n := server.opened(); n > 4 {
		t.Errorf("%d connections, the limit is 4", n)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Proto, r.TLS.ServerName)
	}))
	server.Config.ErrorLog = discard()
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	settings := &tls.Config{RootCAs: roots, ServerName: "example.com"}

	s := newSession(t, Config{})
	for _, get := range []func(context.Context, string, ...Option) (*Response, error){Get, s.Get} {
		resp, err := get(t.Context(), server.URL, TLS(settings))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Text() != "HTTP/1.1 example.com" {
			t.Errorf("got %q", resp.Text())
		}
		// A connection made with other settings never serves this one.
		var no *HTTPConnectionError
		if _, err := get(t.Context(), server.URL); !errors.As(err, &no) || no.Op != OpTLS {
			t.Errorf("without the roots: %v", err)
		}
		if _, err := get(t.Context(), server.URL, resp.Connection()); resp.Connection() != nil && !errors.Is(err, ErrWrongOrigin) {
			t.Errorf("pinned without the settings: %v", err)
		}
	}
	own := newSession(t, Config{TLS: settings})
	if _, err := own.Get(t.Context(), server.URL, TLS(nil)); err != nil {
		t.Errorf("by the session's settings: %v", err)
	}
}

// TestTimeoutOption: of option and context the earlier counts.
func TestTimeoutOption(t *testing.T) {
	const second, hour = time.Second, time.Hour
	for _, c := range []struct{ option, deadline, answer, ends time.Duration }{
		{second, hour, hour, second},
		{hour, second, hour, second},
		{hour, hour, second, 0}, // by its answer
	} {
		m := &pipes{serve: answering(func(int, int, *http.Request) string { time.Sleep(c.answer); return ok })}
		inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
			ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
			defer cancel()
			began := time.Now()
			_, err := s.Get(ctx, "http://h/", Timeout(c.option))
			if c.ends == 0 && err != nil || c.ends > 0 && (!errors.Is(err, context.DeadlineExceeded) || time.Since(began) != c.ends) {
				t.Errorf("%+v: got %v after %v", c, err, time.Since(began))
			}
		})
	}
}

// TestTimeoutSpansTheQueue, in a bubble where time is the test's.
func TestTimeoutSpansTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := driver(func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })
		s, err := NewSession(Config{Driver: d, DialTimeout: -1})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = s.Get(t.Context(), "http://h/", Timeout(3*time.Second))
		var no *HTTPConnectionError
		if !errors.As(err, &no) || !no.Timeout() || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMaxBodyBytes(t *testing.T) {
	for _, c := range []struct {
		limit int64
		size  int
		fits  bool
	}{{10, 10, true}, {10, 11, false}, {0, 100_000, true}, {-1, 100_000, true}} {
		for _, answer := range []string{withLength(strings.Repeat("x", c.size)), chunked(strings.Repeat("x", c.size))} {
			server := record(t, always(answer))
			s := newSession(t, Config{MaxBodyBytes: c.limit})
			_, err := s.Get(t.Context(), server.URL)
			if c.fits != (err == nil) || err != nil && !errors.Is(err, ErrTooLarge) {
				t.Errorf("limit %d, body %d: %v", c.limit, c.size, err)
			}
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for field, b := range map[string]Breaker{
		"Ratio":       {Ratio: 1.1},
		"MinRequests": {MinRequests: -1},
		"Window":      {Window: -1},
		"OpenFor":     {OpenFor: -1},
		"Probes":      {Probes: -1},
	} {
		s, err := NewSession(Config{Breaker: b})
		var input *InputError
		if s != nil || !errors.As(err, &input) || input.Field != "Config.Breaker."+field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if _, err := NewSession(Config{Breaker: Breaker{Ratio: math.NaN()}}); err == nil {
		t.Error("NaN was accepted")
	}
}

// staged is a Driver with a life.
type staged struct {
	net.Dialer
	startError error
	mu         sync.Mutex
	calls      []string
}

func (d *staged) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, s)
}

func (d *staged) Start(context.Context) error { d.note("start"); return d.startError }
func (d *staged) Stop(context.Context) error  { d.note("stop"); return nil }
func (d *staged) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.note("dial " + network)
	return d.Dialer.DialContext(ctx, network, address)
}

func TestDriverLife(t *testing.T) {
	server := record(t, nil)
	d := new(staged)
	s, err := NewSession(Config{Driver: d, MaxDialsPerOrigin: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), server.URL); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(d.calls, ", "); got != "start, dial tcp, stop" {
		t.Errorf("got %q", got)
	}

	broken := errors.New("won't start")
	if s, err := NewSession(Config{Driver: &staged{startError: broken}}); s != nil || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestSnapshot(t *testing.T) {
	server := record(t, nil)
	s := newSession(t, Config{})
	if _, err := s.Get(t.Context(), withSecret(server.URL)); err != nil {
		t.Fatal(err)
	}
	snap := s.Snapshot()
	if len(snap.Origins) != 1 || len(snap.Conns) != 1 || snap.Origins[0].Origin != server.URL || snap.Conns[0].ID == "" {
		t.Errorf("got %+v", snap)
	}
	if text := snap.String(); !strings.Contains(text, server.URL) || strings.Contains(text, "secret") || strings.Contains(text, "user") {
		t.Errorf("got %s", text)
	}
}

// TestSessionShutdown: what is under way finishes before it returns, and what comes
// later is refused.
func TestSessionShutdown(t *testing.T) {
	m := new(pipes)
	inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
		release := make(chan struct{})
		m.serve = answering(func(int, int, *http.Request) string { <-release; return ok })
		underWay := make(chan error, 1)
		go func() { underWay <- second(s.Get(t.Context(), "http://h/")) }()
		synctest.Wait()
		ended := make(chan error, 2)
		for range 2 {
			go func() { ended <- s.Shutdown(t.Context()) }()
		}
		synctest.Wait()
		if len(underWay)+len(ended) > 0 {
			t.Error("it does not wait for the call under way")
		}
		if _, err := s.Get(t.Context(), "http://h/"); !errors.Is(err, ErrSessionClosed) {
			t.Errorf("meanwhile: %v", err)
		}
		close(release)
		if err := <-underWay; err != nil {
			t.Errorf("the call under way: %v", err)
		}
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}
		if _, err := s.Get(t.Context(), "http://h/"); !errors.Is(err, ErrSessionClosed) {
			t.Errorf("afterwards: %v", err)
		}
		if _, err := s.Lease(t.Context(), "http://h/"); !errors.Is(err, ErrSessionClosed) {
			t.Errorf("afterwards: %v", err)
		}
	})
}
