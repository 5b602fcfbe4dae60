package servers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

func TestHTTPBinRedirects(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	for _, kind := range []string{"/redirect/", "/relative-redirect/", "/absolute-redirect/"} {
		resp := must(t, 200)(s.Get(soon(t), base+kind+"5"))
		if resp.URL() != base+"/get" || len(resp.History()) != 5 {
			t.Errorf("%s: ended at %s after %d redirects", kind, resp.URL(), len(resp.History()))
		}
		for i, h := range resp.History() {
			if h.Status() != 302 {
				t.Errorf("%s: redirect %d was a %d", kind, i, h.Status())
			}
		}
		must(t, 200)(s.Get(soon(t), base+kind+"10"))
		_, err := s.Get(soon(t), base+kind+"11")
		var e *api.RedirectError
		if !errors.Is(err, api.ErrTooManyRedirects) || !errors.As(err, &e) {
			t.Errorf("%s11: %v", kind, err)
		}
		must(t, 302)(s.Get(soon(t), base+kind+"5", api.NoRedirect()))
	}
	if got := must(t, 200)(s.Get(soon(t), base+"/links/4")); !strings.HasSuffix(got.URL(), "/links/4/0") {
		t.Errorf("links ended at %s", got.URL())
	}
}

// Which method arrives where, with which body (RFC 9110 §15.4).
func TestHTTPBinRedirectMethods(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	for _, c := range []struct {
		code         int
		method, want string
		body         bool
	}{
		{301, "POST", "GET", false}, {302, "POST", "GET", false}, {303, "POST", "GET", false},
		{307, "POST", "POST", true}, {308, "POST", "POST", true},
		{301, "PUT", "PUT", true}, {302, "PUT", "PUT", true}, {303, "PUT", "GET", false}, {307, "PUT", "PUT", true},
		{302, "GET", "GET", false}, {303, "GET", "GET", false},
	} {
		t.Run(fmt.Sprint(c.code, c.method), func(t *testing.T) {
			opts := []api.Option{api.Params{"url": base + "/anything", "status_code": fmt.Sprint(c.code)}}
			if c.method != "GET" {
				opts = append(opts, api.Data{"a": "b"})
			}
			m := mirror(t, must(t, 200)(s.Request(soon(t), c.method, base+"/redirect-to", opts...)))
			if m.Method != c.want || (m.Form.Get("a") == "b") != c.body {
				t.Errorf("arrived as %s with the form %v", m.Method, m.Form)
			}
		})
	}
	_, err := s.Post(soon(t), base+"/redirect-to", api.Params{"url": base + "/anything", "status_code": "307"},
		api.Body(io.MultiReader(strings.NewReader("once"))))
	if err == nil || !strings.Contains(err.Error(), "307") && !strings.Contains(err.Error(), "again") {
		t.Errorf("a body that cannot be sent again: %v", err)
	}
}

// Another origin hears no password.
func TestHTTPBinRedirectAcrossOrigins(t *testing.T) {
	base, other := startHTTPBin(t), startHTTPBin(t)
	s := newSession(t, api.Config{})
	for _, c := range []struct {
		to   string
		keep bool
	}{{base, true}, {other, false}} {
		m := mirror(t, must(t, 200)(s.Get(soon(t), base+"/redirect-to",
			api.Params{"url": c.to + "/headers"}, api.Bearer("t0ken"), api.Headers{"Cookie": "a=b", "X-Mine": "1"})))
		if (m.Headers.Get("Authorization") != "") != c.keep || (m.Headers.Get("Cookie") != "") != c.keep || m.Headers.Get("X-Mine") != "1" {
			t.Errorf("to %s: %v", c.to, m.Headers)
		}
	}
}

func TestHTTPBinCookies(t *testing.T) {
	base := startHTTPBin(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, api.Config{Jar: jar})
	cookies := func(resp *api.Response) (got struct{ Cookies map[string]string }) {
		t.Helper()
		if err := resp.JSON(&got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := cookies(must(t, 200)(s.Get(soon(t), base+"/cookies/set?a=1&b=2"))); got.Cookies["a"] != "1" || got.Cookies["b"] != "2" {
		t.Errorf("set on the way: %v", got)
	}
	if got := cookies(must(t, 200)(s.Get(soon(t), base+"/cookies", api.Headers{"Cookie": "mine=3"}))); len(got.Cookies) != 3 {
		t.Errorf("the caller's beside the jar's: %v", got)
	}
	if got := cookies(must(t, 200)(s.Get(soon(t), base+"/cookies/delete?a="))); len(got.Cookies) != 1 || got.Cookies["b"] != "2" {
		t.Errorf("after the deletion: %v", got)
	}
	if got := cookies(must(t, 200)(newSession(t, api.Config{}).Get(soon(t), base+"/cookies/set?a=1"))); len(got.Cookies) != 0 {
		t.Errorf("without a jar: %v", got)
	}
}

func TestHTTPBinDigest(t *testing.T) {
	base := startHTTPBin(t)
	for _, path := range []string{"/digest-auth/auth/alice/s3cret", "/digest-auth/auth/alice/s3cret/MD5", "/digest-auth/auth/alice/s3cret/SHA-256"} {
		s := newSession(t, api.Config{})
		for range 3 {
			resp := must(t, 200)(s.Get(soon(t), base+path, api.DigestAuth("alice", "s3cret")))
			if !strings.Contains(resp.Text(), `"alice"`) {
				t.Errorf("%s: %s", path, resp.Text())
			}
		}
		must(t, 200)(s.Post(soon(t), base+path+"?q=1", api.DigestAuth("alice", "s3cret"), api.Data{"a": "b"}))
		must(t, 401)(s.Get(soon(t), base+path, api.DigestAuth("alice", "wrong")))
		must(t, 401)(s.Get(soon(t), base+path))
	}
}

func TestHTTPBinCodings(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	for _, path := range []string{"/gzip", "/deflate"} {
		resp := must(t, 200)(s.Get(soon(t), base+path))
		if m := mirror(t, resp); m.Method != "GET" || !strings.Contains(m.Headers.Get("Accept-Encoding"), "gzip") {
			t.Errorf("%s: %+v", path, m)
		}
		if resp.Header("Content-Encoding") != "" || resp.Header("Content-Length") != "" {
			t.Errorf("%s: decoded, yet %v", path, resp.Headers())
		}
		raw := must(t, 200)(s.Get(soon(t), base+path, api.Headers{"Accept-Encoding": "gzip, deflate"}))
		if raw.Header("Content-Encoding") != path[1:] || raw.Content()[0] == '{' {
			t.Errorf("%s: asked for by the caller: %v", path, raw.Headers())
		}
		if resp := must(t, 200)(s.Head(soon(t), base+path)); len(resp.Content()) != 0 {
			t.Errorf("HEAD %s: a body", path)
		}
	}
}

func TestHTTPBinUnstableRetried(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{Retry: api.Retry{Attempts: 12, Backoff: time.Millisecond, Statuses: []int{500}, Budget: -1}})
	for range 30 {
		must(t, 200)(s.Get(soon(t), base+"/unstable"))
	}
	must(t, 500)(s.Post(soon(t), base+"/unstable?failure_rate=1", api.Data{"a": "b"}))
}

func TestHTTPBinMultipart(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	m := mirror(t, must(t, 200)(s.Post(soon(t), base+"/post", api.Multipart(
		api.Field("name", "value ü"), api.Field("name", "again"),
		api.FilePart("file", "a \"b\".txt", strings.NewReader("what is in it"))))))
	if got := m.Form["name"]; len(got) != 2 || got[0] != "value ü" || got[1] != "again" {
		t.Errorf("form %v", m.Form)
	}
	if got := m.Files.Get("file"); got != "what is in it" {
		t.Errorf("files %v", m.Files)
	}
}

// Server-sent events read as they come, through Body and through Chunks.
func TestHTTPBinStreamBody(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{MaxConnsPerOrigin: 1})
	resp := must(t, 200)(s.Get(soon(t), base+"/sse?count=4&duration=600ms", api.StreamBody()))
	if got := s.Snapshot().Origins[0].Busy; got != 1 {
		t.Errorf("%d connections are in use before the body is read", got)
	}
	all, err := io.ReadAll(resp.Body())
	if err != nil || strings.Count(string(all), "event: ping\n") != 4 {
		t.Errorf("%q, %v", all, err)
	}
	if err := resp.Body().Close(); err != nil {
		t.Error(err)
	}
	resp = must(t, 200)(s.Get(soon(t), base+"/stream/10", api.StreamBody()))
	lines := 0
	for chunk, err := range resp.Chunks(64) {
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(chunk), "\n")
	}
	if lines != 10 {
		t.Errorf("%d lines", lines)
	}
	// Left in the middle: the connection must not hold the next call up.
	resp = must(t, 200)(s.Get(soon(t), base+"/drip?numbytes=10&duration=10s&delay=0", api.StreamBody()))
	left := resp.Connection()
	if err := resp.Body().Close(); err != nil {
		t.Error(err)
	}
	next := must(t, http.StatusOK)(s.Get(soon(t), base+"/get"))
	if next.Connection().ID() == left.ID() {
		t.Error("the next call waited for the rest of the body")
	}
}
