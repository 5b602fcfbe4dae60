package servers

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

var alice = url.UserPassword("alice", "s3cret")

// Plain http goes to the proxy in absolute form, with the credentials for the proxy,
// which the origin must not see.
func TestSquidPlain(t *testing.T) {
	o := newOrigin(t)
	p := startSquid(t)
	s := newSession(t, api.Config{Proxy: through(proxyURL("http", p.addr, alice))})
	body := pattern(300_000)
	if err := callers(8, func(int) error {
		for range 10 {
			if err := get(t, s, o.URL+"/", false); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	for kind, give := range map[string]api.Option{
		"length": api.Body(bytes.NewReader(body)),
		"chunks": api.Body(io.MultiReader(bytes.NewReader(body))),
	} {
		var got echoed
		resp := must(t, 200)(s.Post(soon(t), o.URL+"/echo?q=1", give))
		if err := resp.JSON(&got); err != nil || got.Sum != sumOf(body) || got.URI != "/echo?q=1" {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
		if v := got.Header.Get("Proxy-Authorization"); v != "" {
			t.Errorf("the origin saw the proxy's password: %q", v)
		}
		if !strings.Contains(got.Header.Get("Via"), "squid") {
			t.Errorf("not through squid: %v", got.Header)
		}
	}
	p.saw(t, "GET "+o.URL+"/")
}

// https goes through CONNECT; the tunnel is kept as any connection is.
func TestSquidConnect(t *testing.T) {
	c := newCerts(t, t.TempDir())
	o := newNamedOrigin(t, "secure", c.serve())
	_, port := hostPort(t, o.addr)
	p := startSquid(t, port)
	s := newSession(t, api.Config{Proxy: through(proxyURL("http", p.addr, alice)), TLS: c.trust()})
	if err := callers(8, func(int) error {
		for range 10 {
			if err := get(t, s, o.URL+"/", false); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if got := o.conns(); got > 8 {
		t.Errorf("%d tunnels for 8 callers", got)
	}
	var got echoed
	resp := must(t, 200)(s.Post(soon(t), o.URL+"/echo", api.Body(bytes.NewReader(pattern(2<<20)))))
	if err := resp.JSON(&got); err != nil || got.Sum != sumOf(pattern(2<<20)) || got.URI != "/echo" {
		t.Errorf("%+v, %v", got, err)
	}
	if got.Header.Get("Proxy-Authorization") != "" || got.Header.Get("Via") != "" {
		t.Errorf("the tunnel leaks: %v", got.Header)
	}
	s.Close() // squid logs a tunnel when it ends
	p.saw(t, "CONNECT "+o.addr)
}

// Without the password, or with a wrong one, squid answers 407: to a plain request
// that is an answer as any other, to a CONNECT it is a failed dial that says so.
func TestSquidPassword(t *testing.T) {
	c := newCerts(t, t.TempDir())
	o, secure := newOrigin(t), newNamedOrigin(t, "secure", c.serve())
	_, port := hostPort(t, secure.addr)
	p := startSquid(t, port)
	for name, user := range map[string]*url.Userinfo{"none": nil, "wrong": url.UserPassword("alice", "wr0ng")} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, api.Config{Proxy: through(proxyURL("http", p.addr, user)), TLS: c.trust(), Breaker: noBreaker})
			resp := must(t, http.StatusProxyAuthRequired)(s.Get(soon(t), o.URL+"/"))
			if resp.Header("Proxy-Authenticate") == "" {
				t.Error("no Proxy-Authenticate")
			}
			_, err := s.Post(soon(t), secure.URL+"/", api.Data{"a": "b"})
			wantDialError(t, err, "wr0ng")
			if err != nil && !strings.Contains(err.Error(), "407") {
				t.Errorf("does not say what the proxy answered: %v", err)
			}
		})
	}
	if o.asked("GET /")+secure.asked("POST /") != 0 {
		t.Error("an origin was asked")
	}
}

// A CONNECT that the proxy's rules deny.
func TestSquidDeniesConnect(t *testing.T) {
	c := newCerts(t, t.TempDir())
	o := newNamedOrigin(t, "secure", c.serve())
	p := startSquid(t, 443)
	s := newSession(t, api.Config{Proxy: through(proxyURL("http", p.addr, alice)), TLS: c.trust(), Breaker: noBreaker})
	_, err := s.Get(soon(t), o.URL+"/")
	wantDialError(t, err, "s3cret")
	if err != nil && !strings.Contains(err.Error(), "403") {
		t.Errorf("does not say what the proxy answered: %v", err)
	}
}

// An origin that the proxy cannot reach: 503 from squid for plain http, a failed
// dial for https.
func TestSquidOriginIsDown(t *testing.T) {
	dead := freePorts(t, 1)[0]
	p := startSquid(t, dead)
	s := newSession(t, api.Config{Proxy: through(proxyURL("http", p.addr, alice)), Breaker: noBreaker})
	must(t, 503)(s.Get(soon(t), "http://"+local(dead)+"/"))
	_, err := s.Get(soon(t), "https://"+local(dead)+"/")
	wantDialError(t, err, "s3cret")
	if err != nil && !strings.Contains(err.Error(), "503") {
		t.Errorf("does not say what the proxy answered: %v", err)
	}
}

// A proxy that is not there is a failed dial, which names it.
func TestProxyIsDown(t *testing.T) {
	o := newOrigin(t)
	dead := local(freePorts(t, 1)[0])
	s := newSession(t, api.Config{Proxy: through(proxyURL("http", dead, alice)), Breaker: noBreaker})
	_, err := s.Get(soon(t), o.URL+"/")
	wantDialError(t, err, "s3cret")
	if err != nil && !strings.Contains(err.Error(), dead) {
		t.Errorf("does not name the proxy: %v", err)
	}
}

// The proxy is chosen by URL, and redirects choose anew.
func TestSquidForSomeOnly(t *testing.T) {
	direct, proxied := newOrigin(t), newOrigin(t)
	p := startSquid(t)
	s := newSession(t, api.Config{Proxy: func(u *url.URL) (*url.URL, error) {
		switch u.Host {
		case proxied.addr:
			return proxyURL("http", p.addr, alice), nil
		case direct.addr:
			return nil, nil
		}
		return nil, errors.New("nobody asked for that")
	}})
	for o, via := range map[*origin]bool{direct: false, proxied: true} {
		must(t, 200)(s.Get(soon(t), o.URL+"/"))
		if got := o.last(t).Get("Via") != ""; got != via {
			t.Errorf("through the proxy: %v, want %v", got, via)
		}
	}
	must(t, 200)(s.Get(soon(t), direct.URL+"/redirect?to="+url.QueryEscape(proxied.URL+"/")))
	if proxied.last(t).Get("Via") == "" {
		t.Error("a redirect went around the proxy")
	}
	if _, err := s.Get(soon(t), "http://"+local(freePorts(t, 1)[0])+"/"); err == nil {
		t.Error("the function's error was ignored")
	}
}

// A deadline holds while the proxy takes its time.
func TestSquidDeadline(t *testing.T) {
	o := newOrigin(t)
	p := startSquid(t)
	s := newSession(t, api.Config{Proxy: through(proxyURL("http", p.addr, alice)), Breaker: noBreaker})
	began := time.Now()
	_, err := s.Get(within(t, deadline), o.URL+"/slow?ms=60000")
	wantQuick(t, began)
	if e, ok := asError[*api.IOError](err); !ok || !e.Timeout() {
		t.Errorf("%v", err)
	}
}
