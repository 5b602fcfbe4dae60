package api

import (
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

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
