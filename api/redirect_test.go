package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// redirecting answers /N with a redirect of that status to the path in X-To, which
// the URL's query gives, and everything else with what it got.
func redirecting(_ int, req *http.Request) string {
	var status int
	if n, _ := fmt.Sscanf(req.URL.Path, "/%d", &status); n == 1 {
		return fmt.Sprintf("HTTP/1.1 %d x\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nmoved", status, req.URL.Query().Get("to"))
	}
	return withLength(req.Method + " " + req.URL.RequestURI())
}

// RFC 9110 §15.4: which method and body the next request has.
func TestRedirectMethods(t *testing.T) {
	server := record(t, redirecting)
	s := newSession(t, Config{})
	for _, c := range []struct {
		status       int
		method, want string
		body         bool
	}{
		{301, "GET", "GET", false}, {302, "GET", "GET", false}, {303, "GET", "GET", false},
		{307, "GET", "GET", false}, {308, "GET", "GET", false},
		{301, "POST", "GET", false}, {302, "POST", "GET", false}, {303, "POST", "GET", false},
		{307, "POST", "POST", true}, {308, "POST", "POST", true},
		{301, "PUT", "PUT", true}, {302, "PUT", "PUT", true}, {303, "PUT", "GET", false},
		{307, "PUT", "PUT", true}, {308, "PATCH", "PATCH", true}, {302, "DELETE", "DELETE", true},
		{301, "HEAD", "HEAD", false}, {303, "HEAD", "HEAD", false}, {303, "DELETE", "GET", false},
	} {
		t.Run(fmt.Sprint(c.status, c.method), func(t *testing.T) {
			var opts []Option
			if c.method != "GET" && c.method != "HEAD" {
				opts = []Option{JSON("hello"), Headers{"Content-Language": "de", "X-Other": "1"}}
			}
			url := fmt.Sprintf("%s/%d?to=/there", server.URL, c.status)
			resp, err := s.Request(t.Context(), c.method, url, opts...)
			if err != nil {
				t.Fatal(err)
			}
			got := server.last(t)
			if !strings.HasPrefix(got.head, c.want+" /there HTTP/1.1\r\n") {
				t.Errorf("sent %q", got.head)
			}
			if c.body != (got.body == `"hello"`) || c.body != strings.Contains(got.head, "Content-Type:") ||
				c.body != strings.Contains(got.head, "Content-Language:") {
				t.Errorf("body %q, head %q", got.body, got.head)
			}
			if opts != nil && !strings.Contains(got.head, "X-Other: 1") {
				t.Errorf("other headers are gone: %q", got.head)
			}
			if resp.URL() != server.URL+"/there" {
				t.Errorf("URL is %q", resp.URL())
			}
			h := resp.History()
			if len(h) != 1 || h[0].Status() != c.status || h[0].URL() != url || h[0].Header("Location") != "/there" {
				t.Fatalf("history is %v", h)
			}
			if c.method != "HEAD" && string(h[0].Content()) != "moved" {
				t.Errorf("the redirect's content is %q", h[0].Content())
			}
		})
	}
}

// What is meant for one origin does not go to another, nor come back.
func TestRedirectAcrossOrigins(t *testing.T) {
	other := record(t, redirecting)
	server := record(t, redirecting)
	s := newSession(t, Config{})
	secrets := []string{"Authorization:", "Cookie:", "Proxy-Authorization:", "Host: virtual"}
	for _, c := range []struct {
		name string
		opts []Option
	}{
		{"headers", []Option{Headers{"authorization": "Basic x", "COOKIE": "a=b", "Proxy-Authorization": "y", "X-Kept": "1"}}},
		{"header values", []Option{HeaderValues(http.Header{"Authorization": {"x"}, "Cookie": {"a", "b"}, "X-Kept": {"1"}})}},
		{"basic", []Option{BasicAuth("joe", "geheim"), Host("virtual"), Headers{"X-Kept": "1"}}},
		{"bearer", []Option{Bearer("geheim"), Headers{"X-Kept": "1"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			back := server.URL + "/end"
			resp, err := s.Get(t.Context(), server.URL+"/302?to=/302?to="+other.URL+"/307?to="+back, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(resp.History()); n != 3 {
				t.Fatalf("followed %d", n)
			}
			all := server.all()
			same, returned := all[len(all)-2], all[len(all)-1]
			crossed := other.last(t)
			leak := func(head string) (found []string) {
				for _, secret := range secrets {
					if strings.Contains(strings.ToLower(head), strings.ToLower("\r\n"+secret)) {
						found = append(found, secret)
					}
				}
				return found
			}
			if got := leak(same.head); len(got) == 0 {
				t.Errorf("lost within the origin: %q", same.head)
			}
			for _, got := range []recorded{crossed, returned} {
				if found := leak(got.head); found != nil {
					t.Errorf("%v went along: %q", found, got.head)
				}
				if !strings.Contains(got.head, "X-Kept: 1") {
					t.Errorf("other headers are gone: %q", got.head)
				}
			}
		})
	}
}

func TestRedirectUserInfo(t *testing.T) {
	server := record(t, redirecting)
	other := record(t, redirecting)
	s := newSession(t, Config{})
	host := strings.TrimPrefix(server.URL, "http://")
	if _, err := s.Get(t.Context(), "http://joe:geheim@"+host+"/302?to=/there"); err != nil {
		t.Fatal(err)
	}
	if got := server.last(t); !strings.Contains(got.head, "Authorization: Basic") {
		t.Errorf("lost within the origin: %q", got.head)
	}
	if _, err := s.Get(t.Context(), "http://joe:geheim@"+host+"/302?to="+other.URL+"/"); err != nil {
		t.Fatal(err)
	}
	if got := other.last(t); strings.Contains(got.head, "Authorization") {
		t.Errorf("went along: %q", got.head)
	}
}

func TestRedirectLimit(t *testing.T) {
	server := record(t, func(n int, _ *http.Request) string {
		return fmt.Sprintf("HTTP/1.1 302 x\r\nLocation: /302?%d\r\nContent-Length: 0\r\n\r\n", n)
	})
	for _, c := range []struct{ max, sent int }{{0, 11}, {1, 2}, {3, 4}} {
		before := len(server.all())
		resp, err := newSession(t, Config{MaxRedirects: c.max}).Get(t.Context(), server.URL+"/302")
		var redirect *RedirectError
		if resp != nil || !errors.Is(err, ErrTooManyRedirects) || !errors.As(err, &redirect) || redirect.Status != 302 {
			t.Errorf("%d: got %v, %v", c.max, resp, err)
		}
		if n := len(server.all()) - before; n != c.sent {
			t.Errorf("%d: sent %d requests, want %d", c.max, n, c.sent)
		}
	}
	for name, get := range map[string]func() (*Response, error){
		"NoRedirect": func() (*Response, error) {
			return newSession(t, Config{}).Get(t.Context(), server.URL+"/302", NoRedirect())
		},
		"negative": func() (*Response, error) {
			return newSession(t, Config{MaxRedirects: -1}).Get(t.Context(), server.URL+"/302")
		},
		"one-shot": func() (*Response, error) { return Get(t.Context(), server.URL+"/302", NoRedirect()) },
	} {
		if resp, err := get(); err != nil || resp.Status() != 302 || len(resp.History()) != 0 {
			t.Errorf("%s: got %v, %v", name, resp, err)
		}
	}
}

// A body goes along where it can be read again, and else the call says so.
func TestRedirectBody(t *testing.T) {
	server := record(t, redirecting)
	s := newSession(t, Config{})
	long := strings.Repeat("0123456789", 20_000)
	for _, c := range []struct {
		name string
		body func() io.Reader
		want string // empty: refused
	}{
		{"string", func() io.Reader { return strings.NewReader("hello") }, "hello"},
		{"long string", func() io.Reader { return strings.NewReader(long) }, long},
		{"section", func() io.Reader { return io.NewSectionReader(strings.NewReader(long), 5, 100_000) }, long[5:100_005]},
		{"file", func() io.Reader { return readSome(onDisk(t, "on disk")) }, "on disk"},
		{"seeker", func() io.Reader { return struct{ io.ReadSeeker }{strings.NewReader("hello")} }, "hello"},
		{"reader", func() io.Reader { return struct{ io.Reader }{strings.NewReader("hello")} }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, err := s.Post(t.Context(), server.URL+"/307?to=/there", Body(c.body()))
			if c.want == "" {
				var redirect *RedirectError
				if !errors.As(err, &redirect) || !strings.Contains(err.Error(), "can't be sent again") {
					t.Fatalf("got %v, %v", resp, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := server.last(t); got.body != c.want || !strings.HasPrefix(got.head, "POST /there ") {
				t.Errorf("sent %q and %d bytes", got.head, len(got.body))
			}
		})
	}
	if resp, err := s.Upload(t.Context(), server.URL+"/308?to=/there", readSome(onDisk(t, "on disk"))); err != nil || resp.Text() != "POST /there" || server.last(t).body != "on disk" {
		t.Errorf("an upload: %v, %v", resp, err)
	}
}

func TestRedirectLocations(t *testing.T) {
	server := record(t, redirecting)
	s := newSession(t, Config{})
	for location, want := range map[string]string{
		"relative": "/a/relative", "../up": "/up", "?q=1": "/a/302?q=1", "/x%23y#frag": "/x%23y", "//" + strings.TrimPrefix(server.URL, "http://") + "/abs": "/abs",
	} {
		server.answer = func(n int, req *http.Request) string {
			if req.URL.RequestURI() == "/a/302" {
				return "HTTP/1.1 302 x\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n"
			}
			return withLength(req.URL.RequestURI())
		}
		resp, err := s.Get(t.Context(), server.URL+"/a/302#old")
		if err != nil || resp.Text() != want {
			t.Errorf("%q: got %v, %v", location, resp, err)
			continue
		}
		fragment := "#old" // RFC 9110 §10.2.2
		if strings.Contains(location, "#") {
			fragment = "#frag"
		}
		if resp.URL() != server.URL+want+fragment {
			t.Errorf("%q: URL is %q", location, resp.URL())
		}
	}
	for _, location := range []string{"ftp://h/", "http://[::1", "http://a b/"} {
		server.answer = always("HTTP/1.1 302 x\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n")
		var redirect *RedirectError
		if _, err := s.Get(t.Context(), server.URL); !errors.As(err, &redirect) {
			t.Errorf("%q: %v", location, err)
		}
	}
	for _, answer := range []string{"HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 300 x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 304 x\r\nLocation: /\r\n\r\n"} {
		server.answer = always(answer)
		if resp, err := s.Get(t.Context(), server.URL); err != nil || resp.Status()/100 != 3 {
			t.Errorf("%q: %v, %v", answer, resp, err)
		}
	}
}

// A streamed call shows its callback the last answer only, and the redirect's
// connection is used again.
func TestRedirectStream(t *testing.T) {
	server := record(t, redirecting)
	s := newSession(t, Config{})
	var got strings.Builder
	resp, err := s.Get(t.Context(), server.URL+"/302?to=/there", Stream(func(chunk []byte) error { got.Write(chunk); return nil }, 0))
	if err != nil || got.String() != "GET /there" || len(resp.History()) != 1 {
		t.Errorf("got %q, %v", got.String(), err)
	}
	resp, err = s.Get(t.Context(), server.URL+"/302?to=/there", StreamBody())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body()); string(b) != "GET /there" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	if n := server.opened(); n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

// A pinned call stays on its connection as long as that leads there.
func TestRedirectPinned(t *testing.T) {
	server := record(t, redirecting)
	other := record(t, redirecting)
	s := newSession(t, Config{})
	lease, err := s.Lease(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	resp, err := s.Get(t.Context(), server.URL+"/302?to=/there", lease)
	if err != nil || resp.Connection().ID() != lease.Connection().ID() || lease.Connection().Requests() != 2 {
		t.Errorf("within the origin: %v, %v", resp, err)
	}
	if resp, err = s.Get(t.Context(), server.URL+"/302?to="+other.URL+"/", lease); err != nil || resp.Text() != "GET /" {
		t.Errorf("to another origin: %v, %v", resp, err)
	}
}

// One-shot calls follow too, and keep at most the last connection.
func TestRedirectOneShot(t *testing.T) {
	server := record(t, redirecting)
	resp, err := Get(t.Context(), server.URL+"/302?to=/there", Headers{"Connection": "keep-alive"})
	if err != nil || resp.Text() != "GET /there" || resp.Connection() == nil {
		t.Fatalf("got %v, %v", resp, err)
	}
	if c := resp.History()[0].Connection(); c != nil {
		t.Errorf("the redirect's connection is still open: %v", c.ID())
	}
	resp.Connection().Close()
}
