package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// notebook is a behaviour that keeps what came.
type notebook struct {
	mu   sync.Mutex
	last *http.Request
	body string
}

func (n *notebook) behave(x *exchange) bool {
	body, err := io.ReadAll(x.req.Body)
	n.mu.Lock()
	n.last, n.body = x.req, string(body)
	n.mu.Unlock()
	answer := answerOf("there")
	if x.req.Method == "HEAD" {
		answer = ok200 + "Content-Length: 5\r\n\r\n"
	}
	return err == nil && x.take() && x.write(answer)
}

func (n *notebook) read() (*http.Request, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last, n.body
}

func redirectTo(status int, location string) behaviour {
	return says(fmt.Sprintf("HTTP/1.1 %d x\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nmoved", status, location))
}

func redirects(t *testing.T) {
	t.Run("method and body", methodsOfRedirects)
	t.Run("a body that is there once", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/from", redirectTo(307, "/to"))
		s := newSession(t, api.Config{})
		_, err := s.Post(soon(t), url, onceOnly("a=b"))
		e, is := asError[*api.RedirectError](err)
		if !is || e.Status != 307 || !strings.Contains(e.Error(), "can't be sent again") || len(o.visitsTo("/to")) != 0 {
			t.Errorf("got %T %v; asked %v", err, err, o.seen())
		}
		o.route("/from", redirectTo(303, "/")) // which wants no body
		if _, err := s.Post(soon(t), url, onceOnly("a=b")); err != nil {
			t.Errorf("303: %v", err)
		}
	})
	t.Run("credentials", credentialsOfRedirects)
	t.Run("Referer", refererOfRedirects)
	t.Run("fragment", func(t *testing.T) {
		o := newOrigin(t)
		inherits := o.route("/inherits", redirectTo(302, "/to"))
		brings := o.route("/brings", redirectTo(302, "/to#own"))
		to := new(notebook)
		o.route("/to", to.behave)
		s := newSession(t, api.Config{})
		for url, want := range map[string]string{inherits + "#part": "/to#part", brings + "#part": "/to#own", inherits: "/to"} {
			resp, err := s.Get(soon(t), url)
			if err != nil || resp.URL() != o.URL+want {
				t.Errorf("%s: got %v, %v, want %s", url, resp.URL(), err, want)
			}
			if req, _ := to.read(); req.RequestURI != "/to" {
				t.Errorf("%s: sent %q", url, req.RequestURI)
			}
		}
	})
	t.Run("bounded", func(t *testing.T) {
		for limit, hops := range map[int]int{0: 11, 3: 4} {
			o := newOrigin(t)
			url := o.route("/loop", redirectTo(302, "/loop"))
			s := newSession(t, api.Config{MaxRedirects: limit})
			_, err := s.Get(soon(t), url)
			if !errors.Is(err, api.ErrTooManyRedirects) || o.asked() != hops {
				t.Errorf("MaxRedirects %d: got %v after %d requests, want %d", limit, err, o.asked(), hops)
			}
		}
	})
	t.Run("not followed", func(t *testing.T) {
		o := newOrigin(t)
		for _, c := range []struct {
			name   string
			answer behaviour
			cfg    api.Config
			opts   []api.Option
			status int
		}{
			{"NoRedirect", redirectTo(302, "/to"), api.Config{}, []api.Option{api.NoRedirect()}, 302},
			{"MaxRedirects", redirectTo(302, "/to"), api.Config{MaxRedirects: -1}, nil, 302},
			{"no Location", says("HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n"), api.Config{}, nil, 302},
			{"300", redirectTo(300, "/to"), api.Config{}, nil, 300},
			{"201", redirectTo(201, "/to"), api.Config{}, nil, 201},
		} {
			url := o.route("/from", c.answer)
			s := newSession(t, c.cfg)
			if resp, err := s.Get(soon(t), url, c.opts...); err != nil || resp.Status() != c.status || len(resp.History()) != 0 {
				t.Errorf("%s: got %v, %v", c.name, resp, err)
			}
		}
	})
}

func methodsOfRedirects(t *testing.T) {
	o := newOrigin(t)
	to := new(notebook)
	o.route("/to", to.behave)
	s := newSession(t, api.Config{})
	for _, c := range []struct {
		status       int
		method, want string
	}{
		{301, "POST", "GET"}, {302, "POST", "GET"}, {303, "POST", "GET"}, {307, "POST", "POST"}, {308, "POST", "POST"},
		{301, "PUT", "PUT"}, {302, "PUT", "PUT"}, {303, "PUT", "GET"}, {307, "PUT", "PUT"}, {308, "PUT", "PUT"},
		{301, "DELETE", "DELETE"}, {302, "PATCH", "PATCH"}, {303, "DELETE", "GET"},
		{301, "GET", "GET"}, {303, "GET", "GET"}, {308, "GET", "GET"},
		{301, "HEAD", "HEAD"}, {303, "HEAD", "HEAD"}, {307, "HEAD", "HEAD"},
	} {
		t.Run(fmt.Sprint(c.status, " ", c.method), func(t *testing.T) {
			answer := redirectTo(c.status, "/to")
			var opts []api.Option
			body := ""
			switch c.method {
			case "HEAD":
				answer = says(fmt.Sprintf("HTTP/1.1 %d x\r\nLocation: /to\r\n\r\n", c.status))
			case "GET":
			default:
				opts = []api.Option{api.Data{"a": "b"}}
				body = "a=b"
			}
			if c.want != c.method {
				body = ""
			}
			resp, err := s.Request(soon(t), c.method, o.route("/from", answer), opts...)
			if err != nil {
				t.Fatal(err)
			}
			req, got := to.read()
			if req.Method != c.want || got != body || (body != "") != (req.Header.Get("Content-Type") != "") {
				t.Errorf("sent %s %q with Content-Type %q", req.Method, got, req.Header.Get("Content-Type"))
			}
			if h := resp.History(); len(h) != 1 || h[0].Status() != c.status || resp.URL() != o.URL+"/to" {
				t.Errorf("the history is %v, the URL %s", h, resp.URL())
			}
		})
	}
}

// credentialsOfRedirects: they are for the origin that the caller gave them to.
func credentialsOfRedirects(t *testing.T) {
	given := map[string][]api.Option{
		"headers": {api.Headers{"Authorization": "secret", "Cookie": "a=b", "Proxy-Authorization": "secret", "X-Other": "1"}},
		"Basic":   {api.BasicAuth("user", "secret"), api.Headers{"X-Other": "1"}},
		"Bearer":  {api.Bearer("secret"), api.Headers{"X-Other": "1"}},
	}
	o, other := newOrigin(t), newOrigin(t)
	to := new(notebook)
	for name, opts := range given {
		for where, at := range map[string]*origin{"the same origin": o, "another origin": other} {
			t.Run(name+", "+where, func(t *testing.T) {
				at.route("/to", to.behave)
				from := o.route("/from", redirectTo(307, at.URL+"/to"))
				s := newSession(t, api.Config{})
				if _, err := s.Get(soon(t), from, opts...); err != nil {
					t.Fatal(err)
				}
				req, _ := to.read()
				for _, field := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
					if came := req.Header.Get(field) != ""; came && at == other {
						t.Errorf("%s was sent", field)
					} else if !came && at == o && (name == "headers" || field == "Authorization") {
						t.Errorf("%s was not sent", field)
					}
				}
				if req.Header.Get("X-Other") != "1" {
					t.Error("other headers are gone")
				}
			})
		}
	}
	t.Run("user info, and back again", func(t *testing.T) {
		from := o.route("/from", redirectTo(302, other.URL+"/back"))
		other.route("/back", redirectTo(302, o.URL+"/to"))
		o.route("/to", to.behave)
		s := newSession(t, api.Config{})
		if _, err := s.Get(soon(t), strings.Replace(from, "http://", "http://user:secret@", 1)); err != nil {
			t.Fatal(err)
		}
		if req, _ := to.read(); req.Header.Get("Authorization") != "" {
			t.Error("the other origin could send it where it liked")
		}
	})
}

// refererOfRedirects: what https showed does not go over the wire in the clear (RFC
// 9110 §10.1.3).
func refererOfRedirects(t *testing.T) {
	settings := newCertificate(t)
	plain, secure := newOrigin(t), newOriginTLS(t, settings.server())
	to := new(notebook)
	plain.route("/to", to.behave)
	secure.route("/to", to.behave)
	s := newSession(t, api.Config{TLS: settings.client()})
	for _, c := range []struct {
		name     string
		from, to *origin
		comes    bool
	}{{"https to http", secure, plain, false}, {"https to https", secure, secure, true}, {"http to https", plain, secure, true}} {
		url := c.from.route("/from", redirectTo(302, c.to.URL+"/to"))
		if _, err := s.Get(soon(t), url, api.Headers{"Referer": "https://h/secret"}); err != nil {
			t.Fatal(err)
		}
		if req, _ := to.read(); (req.Header.Get("Referer") != "") != c.comes {
			t.Errorf("%s: Referer is %q", c.name, req.Header.Get("Referer"))
		}
	}
}

// names: what of a URL is dialled, what is sent, and what stays here.
func names(t *testing.T) {
	o := newOrigin(t)
	to := new(notebook)
	var mu sync.Mutex
	var dialled string
	s := newSession(t, api.Config{IdleTimeout: 1, Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		dialled = address
		mu.Unlock()
		return tcp.DialContext(ctx, network, o.addr)
	})})
	for _, c := range []struct {
		name, url            string
		dials, host, target  string
		authorization, shown string // empty: none; the URL
	}{
		{name: "IDNA", url: "http://Bücher.example/", dials: "xn--bcher-kva.example:80", host: "xn--bcher-kva.example", target: "/"},
		{name: "ASCII", url: "http://EXAMPLE.test/A", dials: "example.test:80", host: "example.test", target: "/A"},
		{name: "IPv6", url: "http://[2001:DB8::0:1]:81/", dials: "[2001:db8::1]:81", host: "[2001:db8::1]:81", target: "/"},
		{name: "a zone", url: "http://[fe80::1%25lo]:81/", dials: "[fe80::1%lo]:81", host: "[fe80::1]:81", target: "/"},
		{name: "the default port", url: "http://h:80/", dials: "h:80", host: "h", target: "/"},
		{name: "the default port, otherwise spelled", url: "HTTP://h:080/", dials: "h:80", host: "h", target: "/"},
		{name: "another port", url: "http://h:443/", dials: "h:443", host: "h:443", target: "/"},
		{name: "user info", url: "http://user:p%40ss@h/", dials: "h:80", host: "h", target: "/", authorization: "Basic dXNlcjpwQHNz"},
		{name: "a fragment", url: "http://h/a?b#c?d", dials: "h:80", host: "h", target: "/a?b", shown: "http://h/a?b#c?d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, path, _ := strings.Cut(c.target, "/")
			path, _, _ = strings.Cut(path, "?")
			o.route("/"+path, to.behave)
			eventually(t, "no connection is left", func() bool { return conns(s) == 0 })
			resp, err := s.Get(soon(t), c.url)
			if err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if dialled != c.dials {
				t.Errorf("dialled %s, want %s", dialled, c.dials)
			}
			req, _ := to.read()
			if req.Host != c.host || req.RequestURI != c.target || req.Header.Get("Authorization") != c.authorization {
				t.Errorf("sent %q to %q, Authorization %q", req.RequestURI, req.Host, req.Header.Get("Authorization"))
			}
			if c.shown == "" {
				c.shown = "http://" + c.host + c.target
			}
			if resp.URL() != c.shown {
				t.Errorf("the URL is %q, want %q", resp.URL(), c.shown)
			}
		})
	}
	t.Run("the default port of https", func(t *testing.T) {
		settings := newCertificate(t)
		o := newOriginTLS(t, settings.server())
		o.route("/", to.behave)
		s := newSession(t, api.Config{TLS: settings.client(), Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != "a.test:443" {
				t.Errorf("dialled %s", address)
			}
			return tcp.DialContext(ctx, network, o.addr)
		})})
		if _, err := s.Get(soon(t), "https://a.test:443/"); err != nil {
			t.Fatal(err)
		}
		if req, _ := to.read(); req.Host != "a.test" {
			t.Errorf("Host is %q", req.Host)
		}
	})
	t.Run("no name that IDNA allows", func(t *testing.T) {
		_, err := s.Get(soon(t), "http://℀.example/") // which browsers would read as a/c.example
		if _, is := asError[*api.InputError](err); !is {
			t.Errorf("got %v", err)
		}
	})
	t.Run("user info never shows", func(t *testing.T) {
		closed := newOrigin(t)
		closed.shut()
		var log logbook
		s := newSession(t, api.Config{Logger: log.logger(), Breaker: api.Breaker{Failures: 1}})
		_, err := s.Get(soon(t), "http://user:opensesame@"+closed.addr+"/#fragment")
		wantConnectionError(t, err, api.OpDial, syscall.ECONNREFUSED)
		eventually(t, "the log tells of the breaker", func() bool { return log.String() != "" })
		for _, text := range []string{fmt.Sprintf("%v %+v %#v", err, err, err), log.String(), s.Snapshot().String()} {
			if strings.Contains(text, "opensesame") || strings.Contains(text, "fragment") || strings.Contains(text, "b3BlbnNlc2FtZ") {
				t.Errorf("it shows in %s", text)
			}
		}
	})
}
