package servers

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// bodies are uploads of each kind, all of the same bytes. Each is for one call.
func bodies(t testing.TB, content []byte) map[string]func() api.Option {
	t.Helper()
	path := writeFile(t, t.TempDir(), "upload", content)
	return map[string]func() api.Option{
		"bytes":  func() api.Option { return api.Body(bytes.NewReader(content)) },
		"reader": func() api.Option { return api.Body(io.MultiReader(bytes.NewReader(content))) },
		"file": func() api.Option {
			f, err := api.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return api.Body(f)
		},
	}
}

// nginx answers 413 as soon as it has read a head whose Content-Length passes
// client_max_body_size, or a chunk that does, reads on for a while (lingering_time)
// and then closes. The answer reaches the caller although the body is far from
// through, over TLS too.
func TestNginxEarly413(t *testing.T) {
	o := newOrigin(t)
	n := startNginx(t, nginxConf{http: "client_max_body_size 100k;", server: fmt.Sprintf(`
		location / { proxy_pass %[1]s; }
		location /passed/ { proxy_pass %[1]s/; proxy_http_version 1.1; proxy_request_buffering off; }`, o.URL)})
	s := newSession(t, api.Config{TLS: n.certs.trust(), Breaker: noBreaker})
	for _, size := range []int{101 << 10, 1 << 20, 48 << 20} {
		for kind, give := range bodies(t, pattern(size)) {
			for _, url := range []string{n.URL + "/sink", n.Secure + "/sink", n.URL + "/passed/sink"} {
				for name, opts := range map[string][]api.Option{"": nil, " expecting": {api.ExpectContinue()}} {
					t.Run(fmt.Sprint(size, " ", kind, name, " ", url[:5], filepath.Dir(url[8:])), func(t *testing.T) {
						began := time.Now()
						resp, err := s.Post(soon(t), url, append(opts, give())...)
						must(t, 413)(resp, err)
						wantQuick(t, began)
					})
				}
			}
		}
	}
	if got := o.asked("POST /sink"); got != 0 {
		t.Logf("the origin was asked %d times for uploads passed on in chunks", got)
	}
	must(t, 200)(s.Get(soon(t), n.URL+"/"))
}

// Without lingering nginx closes at once, with the body unread: the kernel resets the
// connection, and the 413 lies before the reset in what has been received.
func TestNginxEarly413AndReset(t *testing.T) {
	n := startNginx(t, nginxConf{http: "client_max_body_size 100k; lingering_close off;", server: "location / { proxy_pass http://127.0.0.1:1; }"})
	s := newSession(t, api.Config{TLS: n.certs.trust(), Breaker: noBreaker})
	for _, size := range []int{101 << 10, 1 << 20, 48 << 20} {
		for kind, give := range bodies(t, pattern(size)) {
			for _, url := range []string{n.URL, n.Secure} {
				resp, err := s.Post(soon(t), url+"/sink", give())
				if err := want(413, resp, err); err != nil {
					t.Errorf("%s of %d to %s: %v", kind, size, url, err)
				}
			}
		}
	}
}

// With Expect: 100-continue nothing of the body is sent that the server will not
// have; where it wants it, it all comes.
func TestNginxExpectContinue(t *testing.T) {
	o := newOrigin(t)
	n := startNginx(t, nginxConf{http: "client_max_body_size 5m;", server: "location / { proxy_pass " + o.URL + "; }"})
	s := newSession(t, api.Config{TLS: n.certs.trust(), ExpectContinueFrom: 1 << 20, ExpectContinueTimeout: 2 * patience})
	for _, base := range []string{n.URL, n.Secure} {
		for _, size := range []int{1, 2 << 20, 4 << 20} {
			content := pattern(size)
			for kind, give := range bodies(t, content) {
				var got echoed
				resp := must(t, 200)(s.Put(soon(t), base+"/echo", api.ExpectContinue(), give())) // nothing else than the 100 ends the wait
				if err := resp.JSON(&got); err != nil || got.Sum != sumOf(content) {
					t.Errorf("%s %d: %+v, %v", kind, size, got, err)
				}
			}
		}
		// Refused with the head: the body never goes out, and the reader is not read.
		untouched := &countingReader{r: bytes.NewReader(pattern(20 << 20)), n: 20 << 20}
		must(t, 413)(s.Put(soon(t), base+"/echo", api.ExpectContinue(), api.Body(untouched)))
		if untouched.read > 1<<20 {
			t.Errorf("%d bytes were read of a body that nobody wanted", untouched.read)
		}
	}
}

// countingReader counts what is read of a body of a known length.
type countingReader struct {
	r       io.Reader
	n, read int64
}

func (c *countingReader) Size() int64 { return c.n }
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read += int64(n)
	return n, err
}

// An early 401 and an early redirect stop an upload too.
func TestNginxEarly401AndRedirect(t *testing.T) {
	o := newOrigin(t)
	n := startNginx(t, nginxConf{http: "client_max_body_size 1g;", server: fmt.Sprintf(`
		location /private/ { auth_basic "tests"; auth_basic_user_file passwords; proxy_pass %[1]s/; }
		location /moved { return 303 /; }
		location /elsewhere/ { return 307 /open/echo; }
		location /open/ { proxy_pass %[1]s/; }`, o.URL)})
	writeFile(t, n.dir, "passwords", []byte("alice:{PLAIN}s3cret\n"))
	s := newSession(t, api.Config{Breaker: noBreaker})
	content := pattern(24 << 20)
	for kind, give := range bodies(t, content) {
		began := time.Now()
		must(t, 401)(s.Post(soon(t), n.URL+"/private/echo", give()))
		must(t, 303)(s.Post(soon(t), n.URL+"/moved", give(), api.NoRedirect()))
		resp := must(t, 200)(s.Post(soon(t), n.URL+"/moved", give()))
		wantBody(t, resp, []byte("hello from nginx\n"))
		wantQuick(t, began)
		if kind == "reader" { // it cannot be sent again
			if _, err := s.Post(soon(t), n.URL+"/elsewhere/", give()); err == nil {
				t.Error("a reader was sent twice")
			}
			continue
		}
		var got echoed
		resp = must(t, 200)(s.Post(soon(t), n.URL+"/elsewhere/", give()))
		if err := resp.JSON(&got); err != nil || got.Sum != sumOf(content) {
			t.Errorf("%s sent on: %+v, %v", kind, got, err)
		}
	}
}

// The way to the 413 is slow and full: the write is blocked when the answer comes.
func TestToxicEarly413(t *testing.T) {
	n := startNginx(t, nginxConf{http: "client_max_body_size 100k;", server: "location / { proxy_pass http://127.0.0.1:1; }"})
	x := startToxiproxy(t, n.addr)
	x.add(t, "bandwidth", "upstream", attributes{"rate": 500})
	s := newSession(t, api.Config{Breaker: noBreaker})
	for kind, give := range bodies(t, pattern(48<<20)) {
		t.Run(kind, func(t *testing.T) {
			began := time.Now()
			must(t, 413)(s.Post(soon(t), x.URL+"/sink", give()))
			wantQuick(t, began)
		})
	}
}

// apache answers 413 from LimitRequestBody likewise, where it serves itself (what it
// proxies it does not limit).
func TestApacheEarly413(t *testing.T) {
	a := startApache(t, "LimitRequestBody 102400\n")
	a.file(t, "page.txt", text)
	s := newSession(t, api.Config{TLS: a.certs.trust(), Breaker: noBreaker})
	for _, base := range []string{a.URL, a.Secure} {
		for kind, give := range bodies(t, pattern(24<<20)) {
			began := time.Now()
			resp, err := s.Post(soon(t), base+"/page.txt", give())
			if err := want(413, resp, err); err != nil {
				t.Errorf("%s %s: %v", base, kind, err)
			}
			wantQuick(t, began)
		}
	}
}
