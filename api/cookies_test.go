package api

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/publicsuffix"
)

func TestCookies(t *testing.T) {
	server := record(t, func(n int, req *http.Request) string {
		switch req.URL.Path {
		case "/login":
			return "HTTP/1.1 302 x\r\nSet-Cookie: id=1; Path=/; HttpOnly\r\nSet-Cookie: broken\r\nSet-Cookie: q=\"a b\"\r\nLocation: /home\r\nContent-Length: 0\r\n\r\n"
		case "/logout":
			return withLength("", "Set-Cookie: id=; Max-Age=0; Path=/")
		}
		return withLength("")
	})
	other := record(t, redirecting)
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, Config{Jar: jar})
	get := func(url string, opts ...Option) string {
		t.Helper()
		if _, err := s.Get(t.Context(), url, opts...); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.SplitSeq(server.last(t).head, "\r\n") {
			if strings.HasPrefix(strings.ToLower(line), "cookie:") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "|")
	}
	if got := get(server.URL + "/home"); got != "" {
		t.Errorf("before: %q", got)
	}
	if got := get(server.URL + "/login"); got != `Cookie: id=1; q="a b"` { // sent by the redirected request
		t.Errorf("after the login: %q", got)
	}
	if got := get(server.URL+"/home", Headers{"cookie": "mine=2"}); got != `cookie: mine=2; id=1; q="a b"` {
		t.Errorf("beside the caller's: %q", got)
	}
	if got := get(server.URL+"/home", HeaderValues(http.Header{"Cookie": {"a=1", "b=2"}})); got != `Cookie: a=1; id=1; q="a b"|Cookie: b=2` {
		t.Errorf("beside several: %q", got)
	}
	get(server.URL + "/logout")
	if got := get(server.URL + "/home"); got != `Cookie: q="a b"` {
		t.Errorf("after the logout: %q", got)
	}
	// A host of its own sees none of it (cookies know no ports, so by name).
	if _, err := s.Get(t.Context(), strings.Replace(other.URL, "127.0.0.1", "localhost", 1)); err != nil {
		t.Fatal(err)
	}
	if got := other.last(t).head; strings.Contains(got, "Cookie") {
		t.Errorf("went along: %q", got)
	}
}

// A jar reads the headers before the body is decoded: what the caller is shown must be
// true of the decoded one all the same.
func TestJarSeesHeadersBeforeDecoding(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	url := record(t, always(withLength(gzipped("hello"), "Content-Encoding: gzip", "Set-Cookie: a=b"))).URL
	s := newSession(t, Config{Jar: jar})
	var streamed strings.Builder
	for way, opt := range map[string]Option{
		"Content":    nil,
		"Stream":     Stream(func(chunk []byte) error { streamed.Write(chunk); return nil }, 0),
		"StreamBody": StreamBody(),
	} {
		resp, err := s.Get(t.Context(), url, opt)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Header("Content-Encoding") != "" || resp.Header("Content-Length") != "" || resp.Header("Set-Cookie") == "" {
			t.Errorf("%s: headers %v", way, resp.Headers())
		}
		if b, err := io.ReadAll(resp.Body()); string(b) != "hello" || err != nil {
			t.Errorf("%s: read %q, %v", way, b, err)
		}
	}
	if streamed.String() != "hello" {
		t.Errorf("streamed %q", streamed.String())
	}
}

// badJar panics where it is told to, once.
type badJar struct{ set, get bool }

func (j *badJar) SetCookies(*url.URL, []*http.Cookie) {
	if j.set {
		j.set = false
		panic("the jar panics")
	}
}

func (j *badJar) Cookies(*url.URL) []*http.Cookie {
	if j.get {
		j.get = false
		panic("the jar panics")
	}
	return nil
}

// A panic of the jar is its caller's: the session is none the worse for it, and neither
// a connection nor a Shutdown waits for that call.
func TestJarPanics(t *testing.T) {
	for name, jar := range map[string]func() *badJar{
		"SetCookies": func() *badJar { return &badJar{set: true} },
		"Cookies":    func() *badJar { return &badJar{get: true} },
	} {
		for way, opt := range map[string]Option{"Content": nil, "StreamBody": StreamBody()} {
			t.Run(name+"/"+way, func(t *testing.T) {
				m := &pipes{serve: answering(func(int, int, *http.Request) string { return withLength("hello", "Set-Cookie: a=b") })}
				inBubble(t, m, Config{Jar: jar(), MaxConnsPerOrigin: 1, BodyTimeout: -1}, func(t *testing.T, s *Session) {
					func() {
						defer func() {
							if p := recover(); p != "the jar panics" {
								t.Errorf("recovered %v", p)
							}
						}()
						s.Get(t.Context(), "http://h/", opt)
					}()
					if resp, err := s.Get(t.Context(), "http://h/", Timeout(time.Minute)); err != nil || resp.Text() != "hello" {
						t.Errorf("the next call: %v, %v", resp, err)
					}
					wantReleased(t, s)
					if err := s.Shutdown(t.Context()); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}
