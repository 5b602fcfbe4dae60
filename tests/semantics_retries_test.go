package tests

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// onceOnly is a body that can't be sent from its start again.
func onceOnly(s string) api.Option { return api.Body(struct{ io.Reader }{strings.NewReader(s)}) }

// loses does lose to the first request, and answers the others.
func loses(lose behaviour) behaviour {
	var n atomic.Int32
	return func(x *exchange) bool {
		if n.Add(1) == 1 {
			return lose(x)
		}
		return status(200)(x)
	}
}

func retryOnlyWhatIsSafe(t *testing.T) {
	t.Run("nothing-written", nothingWritten)
	t.Run("a-dial-that-failed", aDialThatFailed)
	t.Run("an-older-connection-lost", anOlderConnectionLost)
	t.Run("bounded", retriesAreBounded)
}

// A connection that had died idle is found dead before anything is written: whatever
// the request, it goes over another.
func nothingWritten(t *testing.T) {
	for name, opts := range map[string][]api.Option{
		"GET":                              nil,
		"POST":                             {api.Data{"a": "b"}},
		"PATCH, a body that is there once": {onceOnly("a=b")},
		"POST, large":                      {api.Body(strings.NewReader(strings.Repeat("a", 100<<10)))},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t)
			leave := newGate()
			first := o.route("/first", leaveWhen(leave))
			o.route("/", func(x *exchange) bool { return x.take() && x.write(answerOf("ok")) })
			d := newSockets()
			s := newSession(t, api.Config{Driver: d})
			if _, err := s.Get(soon(t), first); err != nil {
				t.Fatal(err)
			}
			leave.open()
			d.arrived(t, o.lastVisit(t))
			method, _, _ := strings.Cut(name, ",")
			resp, err := s.Request(soon(t), method, o.URL, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if v := o.lastVisit(t); resp.Text() != "ok" || v.conn != 2 || len(o.visitsTo("/")) != 1 {
				t.Errorf("answered %q over connection %d, asked %d times", resp.Text(), v.conn, len(o.visitsTo("/")))
			}
			if got := s.Snapshot().Origins[0].Failures; got != 0 {
				t.Errorf("%d failures", got)
			}
		})
	}
}

// Nothing was sent where the dial failed. That is no longer free, so Attempts must
// allow it.
func aDialThatFailed(t *testing.T) {
	for _, c := range []struct {
		name  string
		retry api.Retry
		body  api.Option
		dials int32 // of which the first two fail
	}{
		{"POST", api.Retry{Attempts: 3}, api.Data{"a": "b"}, 3},
		{"not asked for", api.Retry{}, api.Data{"a": "b"}, 1},
		{"too few attempts", api.Retry{Attempts: 2}, api.Data{"a": "b"}, 2},
		{"a body that is there once", api.Retry{Attempts: 3}, onceOnly("a=b"), 1},
		{"a gateway", api.Retry{Attempts: 3, Forwarding: true}, api.Data{"a": "b"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t)
			o.route("/", func(x *exchange) bool { return count(x) && x.length == 3 })
			var dials atomic.Int32
			c.retry.Backoff = -1
			s := newSession(t, api.Config{Retry: c.retry, Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials.Add(1) < 3 {
					return nil, syscall.ECONNREFUSED
				}
				return tcp.DialContext(ctx, network, address)
			})})
			resp, err := s.Post(soon(t), o.URL, c.body)
			if got := dials.Load(); got != c.dials {
				t.Errorf("%d dials, want %d", got, c.dials)
			}
			if c.dials < 3 {
				wantConnectionError(t, err, api.OpDial, syscall.ECONNREFUSED)
			} else if err != nil || resp.Text() != "3" {
				t.Errorf("got %v, %v", resp, err)
			}
		})
	}
}

// A connection that had answered before is lost once the request was written.
func anOlderConnectionLost(t *testing.T) {
	key := api.Headers{"Idempotency-Key": "8e03978e"}
	body := api.Data{"a": "b"}
	for _, c := range []struct {
		name   string
		method string
		lose   behaviour
		retry  api.Retry
		opts   []api.Option
		fresh  bool // the connection had not answered before
		again  bool // the request comes a second time
	}{
		{name: "GET", method: "GET", again: true},
		{name: "HEAD", method: "HEAD", again: true},
		{name: "OPTIONS", method: "OPTIONS", again: true},
		{name: "TRACE", method: "TRACE", again: true},
		{name: "PUT", method: "PUT", opts: []api.Option{body}, again: true},
		{name: "DELETE", method: "DELETE", again: true},
		{name: "GET, reset", method: "GET", lose: reset, again: true},
		{name: "POST with a key", method: "POST", opts: []api.Option{body, key}, again: true},

		{name: "POST", method: "POST", opts: []api.Option{body}},
		{name: "PATCH", method: "PATCH", opts: []api.Option{body}},
		{name: "a method nobody knows", method: "PURGE"},
		{name: "POST, attempts", method: "POST", retry: api.Retry{Attempts: 3}},
		{name: "PUT, a body that is there once", method: "PUT", opts: []api.Option{onceOnly("a=b")}},
		{name: "GET on a new connection", method: "GET", fresh: true},
		{name: "GET on a new connection, attempts", method: "GET", fresh: true, retry: api.Retry{Attempts: 2}, again: true},
		{name: "GET, turned off", method: "GET", retry: api.Retry{Attempts: -1}},

		{name: "a byte came", method: "GET", lose: raw("H")},
		{name: "a byte came, attempts", method: "GET", lose: raw("H"), retry: api.Retry{Attempts: 3}},
		{name: "an interim answer came", method: "GET", lose: raw("HTTP/1.1 103 Early Hints\r\n\r\n")},
		{name: "half an answer came", method: "GET", lose: truncate, retry: api.Retry{Attempts: 3}},
		{name: "garbage came", method: "GET", lose: garbage, retry: api.Retry{Attempts: 3}},

		{name: "a gateway's GET", method: "GET", retry: api.Retry{Forwarding: true}, again: true},
		{name: "a gateway's POST with a key", method: "POST", opts: []api.Option{body, key}, retry: api.Retry{Forwarding: true, Attempts: 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t)
			if c.lose == nil {
				c.lose = hangUp
			}
			url := o.route("/lost", loses(c.lose))
			c.retry.Backoff = -1
			s := newSession(t, api.Config{Retry: c.retry})
			if !c.fresh {
				wantOver(t, s, o, 1)
			}
			_, err := s.Request(soon(t), c.method, url, c.opts...)
			asked := o.visitsTo("/lost")
			if c.again {
				if err != nil || len(asked) != 2 || asked[0].conn == asked[1].conn {
					t.Errorf("got %v; asked %v", err, asked)
				}
				return
			}
			if err == nil || len(asked) != 1 {
				t.Errorf("got %v; asked %v", err, asked)
			}
			if e, is := asError[*api.IOError](err); is && (e.Sent != api.SentAll || e.Trace.Attempts != 1) {
				t.Errorf("the evidence: sent %v, %d attempts", e.Sent, e.Trace.Attempts)
			}
		})
	}
}

// A server that loses every request gets it so often and no oftener.
func retriesAreBounded(t *testing.T) {
	t.Run("attempts", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/lost", hangUp)
		s := newSession(t, api.Config{Breaker: noBreaker, Retry: api.Retry{Attempts: 4, Backoff: -1, Budget: -1}})
		if _, err := s.Get(soon(t), url); err == nil || len(o.visitsTo("/lost")) != 4 {
			t.Errorf("got %v; asked %d times", err, len(o.visitsTo("/lost")))
		}
	})
	t.Run("budget", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *network) { // it is for some seconds
			o := n.newOrigin(t)
			url := o.route("/lost", hangUp)
			s := newSession(t, api.Config{Driver: n, Breaker: noBreaker, Retry: api.Retry{Attempts: 3, Backoff: -1}})
			for range 10 {
				if _, err := s.Get(soon(t), url); err == nil {
					t.Fatal("answered")
				}
			}
			if got := len(o.visitsTo("/lost")); got != 13 { // a fifth of 10 is less than 3
				t.Errorf("10 calls were sent %d times, want 13", got)
			}
		})
	})
	// A call moves on from an older connection twice. For it to meet a third one, no
	// dial must succeed, and others must hand theirs over in time.
	t.Run("older-connections", func(t *testing.T) {
		const n = 4
		o := newOrigin(t)
		lost := o.route("/lost", hangUp)
		hold := newGate()
		t.Cleanup(hold.open)
		dials := new(atomic.Int32)
		s := newSession(t, api.Config{MaxConnsPerOrigin: n, Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) > n {
				select {
				case <-hold.ch:
				case <-ctx.Done():
				}
				return nil, errors.New("there is no other connection")
			}
			return tcp.DialContext(ctx, network, address)
		})})
		wantCapacity(t, s, o, n)
		var gates []*gate
		var others []<-chan error
		for i := range n - 1 {
			g := newGate()
			url := o.route("/hold"+string(rune('a'+i)), stall(g))
			gates, others = append(gates, g), append(others, start(func() error { return second(s.Get(soon(t), url)) }))
		}
		eventually(t, "the others are at the server", func() bool { return o.held.now() == n-1 })
		call := start(func() error { return second(s.Get(soon(t), lost)) })
		for i, g := range gates[:2] {
			eventually(t, "it is lost, and waits", func() bool { return len(o.visitsTo("/lost")) == i+1 && queued(s) == 1 })
			g.open()
		}
		err := receive(t, "the call", call)
		if got := len(o.visitsTo("/lost")); got != 3 || wantIOError(t, err).Trace.Attempts != 3 {
			t.Errorf("got %v; asked %d times, want 3", err, got)
		}
		gates[2].open()
		for _, other := range others {
			if err := receive(t, "another", other); err != nil {
				t.Error(err)
			}
		}
	})
}

// finIsNoProof: the server may have done what the request asked for, and closed.
func finIsNoProof(t *testing.T) {
	for _, c := range []struct {
		name  string
		lose  behaviour
		sent  api.Sent
		retry api.Retry
		opts  []api.Option
		fresh bool
	}{
		{name: "FIN", lose: hangUp, sent: api.SentAll},
		{name: "FIN, on a new connection", lose: hangUp, sent: api.SentAll, fresh: true},
		{name: "FIN, though more attempts are allowed", lose: hangUp, sent: api.SentAll, retry: api.Retry{Attempts: 3}},
		{name: "reset", lose: reset, sent: api.SentAll, retry: api.Retry{Attempts: 3}},
		{name: "FIN behind a part", lose: func(x *exchange) bool {
			io.ReadFull(x.req.Body, make([]byte, 1000))
			return false
		}, sent: api.SentPart, retry: api.Retry{Attempts: 3}, opts: []api.Option{api.Body(strings.NewReader(strings.Repeat("a", 32<<20)))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t)
			url := o.route("/lost", loses(c.lose))
			c.retry.Backoff = -1
			s := newSession(t, api.Config{Retry: c.retry})
			if !c.fresh {
				wantOver(t, s, o, 1)
			}
			if c.opts == nil {
				c.opts = []api.Option{api.Data{"a": "b"}}
			}
			_, err := s.Post(soon(t), url, c.opts...)
			if got := wantIOError(t, err).Sent; got != c.sent {
				t.Errorf("sent %v, want %v", got, c.sent)
			}
			if got := len(o.visitsTo("/lost")); got != 1 {
				t.Errorf("the server was asked %d times", got)
			}
		})
	}
}
