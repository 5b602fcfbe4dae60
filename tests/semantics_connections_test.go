package tests

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// overBoth runs a test over plain sockets and over TLS.
func overBoth(t *testing.T, test func(t *testing.T, o *origin, cfg api.Config)) {
	t.Run("plain", func(t *testing.T) { test(t, newOrigin(t), api.Config{}) })
	t.Run("TLS", func(t *testing.T) {
		settings := newCertificate(t)
		test(t, newOriginTLS(t, settings.server()), api.Config{TLS: settings.client()})
	})
}

// bytesOnIdle: what comes while nothing is due, a FIN too, answers nobody.
func bytesOnIdle(t *testing.T) {
	for name, c := range map[string]struct {
		more   string // empty: a FIN
		behind bool   // with the answer, in one piece
		size   int    // of the next request's body
	}{
		"behind the answer":              {more: answerOf("poison"), behind: true, size: 3},
		"later":                          {more: answerOf("poison"), size: 3},
		"later, before a large request":  {more: answerOf("poison"), size: 100 << 10},
		"a single byte":                  {more: "\n", size: 3},
		"a FIN":                          {size: 3},
		"a FIN, before a larger request": {size: 100 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, o *origin, cfg api.Config) {
				send, sent := newGate(), newGate()
				first := o.route("/first", func(x *exchange) bool {
					defer sent.open()
					switch {
					case c.behind:
						return says(answerOf("ok") + c.more)(x)
					case c.more == "":
						return leaveWhen(send)(x)
					}
					return unasked(send, c.more)(x)
				})
				next := o.route("/next", func(x *exchange) bool { return count(x) })
				d := newSockets()
				cfg.Driver = d
				s := newSession(t, cfg)
				if _, err := s.Get(soon(t), first); err != nil {
					t.Fatal(err)
				}
				send.open()
				receive(t, "the server has done it", sent.ch)
				if !c.behind {
					d.arrived(t, o.lastVisit(t))
				}
				// A POST: were it sent first and looked at afterwards, it could not be repeated.
				resp, err := s.Post(soon(t), next, api.Body(strings.NewReader(strings.Repeat("a", c.size))))
				if err != nil {
					t.Fatal(err)
				}
				if resp.Text() != fmt.Sprint(c.size) || o.lastVisit(t).conn != 2 || len(o.visitsTo("/next")) != 1 {
					t.Errorf("answered %q; asked %v", resp.Text(), o.visitsTo("/next"))
				}
				if got := s.Snapshot().Origins[0].Failures; got != 0 {
					t.Errorf("the breaker counted %d failures", got)
				}
			})
		})
	}
}

// idle408: some servers say so before they close an idle connection.
func idle408(t *testing.T) {
	const timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	t.Run("no-answer", func(t *testing.T) {
		overBoth(t, func(t *testing.T, o *origin, cfg api.Config) {
			send, sent := newGate(), newGate()
			first := o.route("/first", func(x *exchange) bool {
				defer sent.open()
				return unasked(send, timeout)(x)
			})
			d := newSockets()
			cfg.Driver = d
			s := newSession(t, cfg)
			if _, err := s.Get(soon(t), first); err != nil {
				t.Fatal(err)
			}
			send.open()
			receive(t, "the server has sent it", sent.ch)
			d.arrived(t, o.lastVisit(t))
			wantOver(t, s, o, 2)
			if got := s.Snapshot().Origins[0].Failures; got != 0 {
				t.Errorf("the breaker counted %d failures", got)
			}
		})
	})
	t.Run("closed-without-a-call", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *network) {
			o := n.newOrigin(t)
			send := newGate()
			first := o.route("/first", unasked(send, timeout))
			s := newSession(t, api.Config{Driver: n, IdleTimeout: -1}) // nothing else would close it
			if _, err := s.Get(soon(t), first); err != nil {
				t.Fatal(err)
			}
			send.open()
			wantClosed(t, o)
		})
	})
	t.Run("to-a-request", func(t *testing.T) { // then it is an answer like any other
		o := newOrigin(t)
		url := o.route("/slow", rawHeld(timeout))
		s := newSession(t, api.Config{})
		resp, err := s.Post(soon(t), url, api.Data{"a": "b"})
		if err != nil || resp.Status() != 408 {
			t.Errorf("got %v, %v", resp, err)
		}
		wantOver(t, s, o, 2)
	})
}

// aboutToExpire: in a bubble, so that seconds of idling are exact.
func aboutToExpire(t *testing.T) {
	const (
		plain    = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		twentyOn = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=21, max=9\r\nContent-Length: 0\r\n\r\n"
		two      = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 0\r\n\r\n"
		zero     = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 0\r\n\r\n"
	)
	for _, c := range []struct {
		name   string
		answer string
		idle   time.Duration
		method string
		dials  int
	}{
		{"a second of margin", twentyOn, 19900 * time.Millisecond, "GET", 1},
		{"past the margin", twentyOn, 20100 * time.Millisecond, "GET", 2},
		{"half of a short timeout", two, 900 * time.Millisecond, "GET", 1},
		{"past half of a short timeout", two, 1100 * time.Millisecond, "GET", 2},
		{"no timeout at all", zero, time.Millisecond, "GET", 2},
		{"not said", plain, 89 * time.Second, "GET", 1},
		{"IdleTimeout", plain, 91 * time.Second, "GET", 2},

		{"POST, recent", plain, 900 * time.Millisecond, "POST", 1},
		{"POST, not recent", plain, 1100 * time.Millisecond, "POST", 2},
		{"PATCH, not recent", plain, 1100 * time.Millisecond, "PATCH", 2},
		{"PUT may be repeated", plain, 61 * time.Second, "PUT", 1},
		{"POST, half of what the server keeps", twentyOn, 9900 * time.Millisecond, "POST", 1},
		{"POST, past half of it", twentyOn, 10100 * time.Millisecond, "POST", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &pipes{serve: always(c.answer)}
			inBubble(t, p, api.Config{}, func(t *testing.T, s *api.Session) {
				if _, err := s.Get(t.Context(), "http://h/"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.idle) // of the bubble
				if _, err := s.Request(t.Context(), c.method, "http://h/"); err != nil {
					t.Fatal(err)
				}
				if got := p.dialled(); got != c.dials {
					t.Errorf("%d dials, want %d", got, c.dials)
				}
			})
		})
	}
	t.Run("the freshest first", func(t *testing.T) {
		var last int
		p := &pipes{serve: func(n int, c net.Conn) {
			answering(func(int, *http.Request) string { last = n; return plain })(n, c)
		}}
		inBubble(t, p, api.Config{}, func(t *testing.T, s *api.Session) {
			idleTwo(t, s, 500*time.Millisecond)
			for _, method := range []string{"POST", "GET", "POST"} {
				last = 0
				if _, err := s.Request(t.Context(), method, "http://h/"); err != nil || last != 2 {
					t.Errorf("%s: %v, over connection %d", method, err, last)
				}
			}
		})
	})
	// The server keeps idle connections for 6 s and does not say so. Looked at every 2 s,
	// one that ends shows that they last for 4 s at the least.
	t.Run("learnt from a FIN", func(t *testing.T) {
		p := &pipes{serve: func(n int, c net.Conn) {
			if n == 1 {
				time.AfterFunc(6*time.Second, func() { c.Close() })
			}
			always(plain)(n, c)
		}}
		inBubble(t, p, api.Config{}, func(t *testing.T, s *api.Session) {
			idleTwo(t, s, 0)
			time.Sleep(9 * time.Second)
			if got := s.Snapshot().Origins[0]; got.IdleLimit < 4*time.Second || got.IdleLimit > 6*time.Second || got.Idle != 1 {
				t.Fatalf("learnt %v; %d are idle", got.IdleLimit, got.Idle)
			}
			for _, c := range []struct {
				idle   time.Duration
				method string
				dials  int
			}{{0, "GET", 2}, {1900 * time.Millisecond, "POST", 2}, {3100 * time.Millisecond, "POST", 3}} {
				time.Sleep(c.idle)
				if _, err := s.Request(t.Context(), c.method, "http://h/"); err != nil || p.dialled() != c.dials {
					t.Errorf("%s after %v: %v, %d dials", c.method, c.idle, err, p.dialled())
				}
			}
		})
	})
	t.Run("closed from here", func(t *testing.T) {
		p := &pipes{serve: always(two)}
		inBubble(t, p, api.Config{}, func(t *testing.T, s *api.Session) {
			if _, err := s.Get(t.Context(), "http://h/"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1100 * time.Millisecond)
			p.conns.Wait() // or the bubble is deadlocked
			if got := conns(s); got != 0 {
				t.Errorf("%d connections", got)
			}
		})
	})
}

// idleTwo leaves two connections idle, the first of which was used so much earlier.
func idleTwo(t *testing.T, s *api.Session, earlier time.Duration) {
	t.Helper()
	var leases []*api.Lease
	for range 2 {
		lease, err := s.Lease(t.Context(), "http://h/")
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, lease)
	}
	for _, lease := range leases {
		if _, err := s.Get(t.Context(), "http://h/", lease); err != nil {
			t.Fatal(err)
		}
		lease.Release()
		time.Sleep(earlier)
	}
}

// connectionClose: who said close, or heard it, is done with the connection.
func connectionClose(t *testing.T) {
	says10 := func(headers string) string { return "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n" + headers + "\r\nok" }
	for _, c := range []struct {
		name   string
		answer string
		opts   []api.Option
		kept   bool
	}{
		{"not said", answerOf("ok"), nil, true},
		{"received", answerOf("ok", "Connection: close"), nil, false},
		{"received in a list", answerOf("ok", "Connection: keep-alive, Close"), nil, false},
		{"received in a second line", answerOf("ok", "Connection: keep-alive", "Connection: close"), nil, false},
		{"sent", answerOf("ok", "Connection: keep-alive"), []api.Option{api.Headers{"Connection": "close"}}, false},
		{"sent in a list", answerOf("ok"), []api.Option{api.Headers{"connection": "x, Close"}}, false},
		{"sent with a body", answerOf("ok"), []api.Option{api.Headers{"Connection": "close"}, onceOnly("a")}, false},
		{"HTTP/1.0", says10(""), nil, false},
		{"HTTP/1.0, keep-alive", says10("Connection: Keep-Alive\r\n"), nil, true},
		{"HTTP/1.0, keep-alive and close", says10("Connection: keep-alive, close\r\n"), nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t)
			url := o.route("/first", says(c.answer)) // leaves the closing to the client
			s := newSession(t, api.Config{})
			if resp, err := s.Get(soon(t), url, c.opts...); err != nil || resp.Text() != "ok" {
				t.Fatalf("got %v, %v", resp, err)
			}
			if c.kept {
				wantOver(t, s, o, 1)
				return
			}
			wantClosed(t, o)
			wantOver(t, s, o, 2)
		})
	}
	t.Run("one-shot calls say it", func(t *testing.T) {
		o := newOrigin(t)
		said := make(chan bool, 1)
		url := o.route("/first", func(x *exchange) bool {
			said <- x.req.Close
			return ok("ok")(x)
		})
		defer api.Shutdown(soon(t))
		if _, err := api.Get(soon(t), url); err != nil {
			t.Fatal(err)
		}
		if !receive(t, "the request", said) {
			t.Error("it was not said")
		}
		wantClosed(t, o)
	})
}
