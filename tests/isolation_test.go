package tests

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// TestAnUnverifiedConnectionNeverServesACallThatVerifies, in whatever order they
// come, and not when pinned to it either.
func TestAnUnverifiedConnectionNeverServesACallThatVerifies(t *testing.T) {
	o := newOriginTLS(t, newCertificate(t).server())
	s := newSession(t, api.Config{Breaker: noBreaker})
	careless := &tls.Config{InsecureSkipVerify: true}
	resp, err := s.Get(soon(t), o.URL, api.TLS(careless))
	if err != nil {
		t.Fatal(err)
	}
	wantRefused := func(opts ...api.Option) {
		t.Helper()
		_, err := s.Get(soon(t), o.URL, opts...)
		e, is := asError[*api.HTTPConnectionError](err)
		var untrusted x509.UnknownAuthorityError
		if !is || e.Op != api.OpTLS || !errors.As(err, &untrusted) {
			t.Errorf("got %T %v", err, err)
		}
	}
	wantRefused()
	wantRefused(api.TLS(&tls.Config{}))
	wantRefused(api.TLS(&tls.Config{RootCAs: x509.NewCertPool()}))
	if _, err := s.Get(soon(t), o.URL, resp.Connection()); !errors.Is(err, api.ErrWrongOrigin) {
		t.Errorf("pinned: %v", err)
	}
	if _, err := s.Get(soon(t), o.URL, api.TLS(careless)); err != nil || o.lastVisit(t).conn != 1 {
		t.Errorf("without verification: %v, connection %d", err, o.lastVisit(t).conn)
	}
	// The same settings by value are not the same by identity.
	if _, err := s.Get(soon(t), o.URL, api.TLS(&tls.Config{InsecureSkipVerify: true})); err != nil || o.lastVisit(t).conn == 1 {
		t.Errorf("other settings: %v, connection %d", err, o.lastVisit(t).conn)
	}
	if got := o.asked(); got != 3 {
		t.Errorf("%d requests came, want 3", got)
	}
}

// TestHTTPAndHTTPSAreTwoOrigins, though host and port are alike.
func TestHTTPAndHTTPSAreTwoOrigins(t *testing.T) {
	cert := newCertificate(t)
	o := newOriginTLS(t, cert.server())
	s := newSession(t, api.Config{TLS: cert.client()})
	if _, err := s.Get(soon(t), o.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(soon(t), "http://"+o.addr); err == nil {
		t.Error("plain HTTP was answered over TLS")
	}
	if got := o.asked(); got != 1 {
		t.Errorf("%d requests came, want 1", got)
	}
}

// TestOneOriginsBreakerDoesNotTouchAnother.
func TestOneOriginsBreakerDoesNotTouchAnother(t *testing.T) {
	bad, good := newOrigin(t), newOrigin(t)
	bad.route("/", reset)
	s := newSession(t, api.Config{Breaker: api.Breaker{Failures: 3, OpenFor: time.Hour}})
	for i := range 10 {
		_, err := s.Get(soon(t), bad.URL)
		if open := errors.Is(err, api.ErrCircuitOpen); err == nil || open != (i >= 3) {
			t.Errorf("call %d: %v", i+1, err)
		}
		if _, err := s.Get(soon(t), good.URL); err != nil {
			t.Errorf("another origin: %v", err)
		}
	}
	if got := bad.asked(); got != 3 {
		t.Errorf("%d requests came to the failing one, want 3", got)
	}
	for _, o := range s.Snapshot().Origins {
		if want := map[string]string{bad.URL: "open", good.URL: "closed"}[o.Origin]; o.Breaker != want {
			t.Errorf("the breaker of %s is %s, want %s", o.Origin, o.Breaker, want)
		}
	}
}

// TestAStalledOriginDoesNotHoldUpAnother: calls, dials and the queue of one are
// full, and the other answers.
func TestAStalledOriginDoesNotHoldUpAnother(t *testing.T) {
	stalled, good := newOrigin(t), newOrigin(t)
	hold := newGate()
	stalled.route("/", stall(hold))
	s := newSession(t, api.Config{MaxConnsPerOrigin: 8})
	all := start(func() error {
		return callers(300, func(int) error { return second(s.Get(soon(t), stalled.URL)) })
	})
	eventually(t, "one origin is stuck", func() bool { return queued(s) == 292 && stalled.held.now() == 8 })
	wantCapacity(t, s, good, 8)
	hold.open()
	if err := receive(t, "those who were stuck", all); err != nil {
		t.Error(err)
	}
}
