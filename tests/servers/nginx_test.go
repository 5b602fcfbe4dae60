package servers

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// A server that ends a connection after each fifth request says Connection: close
// with the last; with that heeded, no call notices.
func TestNginxKeepaliveRequests(t *testing.T) {
	n := startNginx(t, nginxConf{http: "keepalive_requests 5;"})
	s := newSession(t, api.Config{MaxConnsPerOrigin: 20})
	if err := callers(50, func(i int) error {
		for range 20 {
			if err := get(t, s, n.URL+"/", i%2 == 0); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// get is a GET, or a HEAD, of what is there.
func get(t testing.TB, s *api.Session, url string, head bool, opts ...api.Option) error {
	method := "GET"
	if head {
		method = "HEAD"
	}
	resp, err := s.Request(soon(t), method, url, opts...)
	if err := want(200, resp, err); err != nil {
		return err
	}
	resp.Release()
	return nil
}

// With "keepalive_timeout 1s 1s" nginx says Keep-Alive: timeout=1, so that no
// request is put on a connection about to end, POSTs neither.
func TestNginxKeepaliveTimeoutAnnounced(t *testing.T) {
	o := newOrigin(t)
	n := startNginx(t, nginxConf{http: "keepalive_timeout 1s 1s;", server: "location / { proxy_pass " + o.URL + "; }"})
	s := newSession(t, api.Config{MaxConnsPerOrigin: 40})
	if err := callers(40, func(i int) error {
		for w := range 4 {
			id := fmt.Sprintf("%d-%d", i, w)
			resp, err := s.Post(soon(t), n.URL+"/id", api.Headers{"X-Id": id}, api.Data{"a": "b"})
			if err := want(200, resp, err); err != nil {
				return err
			}
			if got := o.counted(id); got != 1 {
				return fmt.Errorf("%s was seen %d times", id, got)
			}
			pause(t.Context(), 950*time.Millisecond+time.Duration(i)*2500*time.Microsecond)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestNginxRanges(t *testing.T) {
	n := startNginx(t, nginxConf{})
	whole := pattern(100_000)
	n.file(t, "file.bin", whole)
	s := newSession(t, api.Config{})
	for _, c := range []struct {
		asked, got string
		body       []byte
	}{
		{"bytes=0-0", "bytes 0-0/100000", whole[:1]},
		{"bytes=1000-49999", "bytes 1000-49999/100000", whole[1000:50_000]},
		{"bytes=99990-", "bytes 99990-99999/100000", whole[99_990:]},
		{"bytes=-7", "bytes 99993-99999/100000", whole[99_993:]},
	} {
		resp := must(t, 206)(s.Get(soon(t), n.URL+"/file.bin", api.Headers{"Range": c.asked}))
		if got := resp.Header("Content-Range"); got != c.got {
			t.Errorf("%s: Content-Range %q, want %q", c.asked, got, c.got)
		}
		wantBody(t, resp, c.body)
	}
	resp := must(t, 416)(s.Get(soon(t), n.URL+"/file.bin", api.Headers{"Range": "bytes=100000-"}))
	if got := resp.Header("Content-Range"); got != "bytes */100000" {
		t.Errorf("Content-Range %q", got)
	}
	resp = must(t, 206)(s.Get(soon(t), n.URL+"/file.bin", api.Headers{"Range": "bytes=0-1,5-6"}))
	if got := resp.Header("Content-Type"); !strings.HasPrefix(got, "multipart/byteranges") {
		t.Errorf("two ranges: Content-Type %q", got)
	}
}

// Answers without a body leave the connection where the next one begins.
func TestNginxAnswersWithoutABody(t *testing.T) {
	n := startNginx(t, nginxConf{server: "location /none { return 204; }"})
	s := newSession(t, api.Config{MaxConnsPerOrigin: 1})
	first := must(t, 200)(s.Get(soon(t), n.URL+"/"))
	id := first.Connection().ID()
	for range 3 {
		for _, c := range []struct {
			method, path string
			header       api.Headers
			status       int
			length       string
		}{
			{"HEAD", "/", nil, 200, first.Header("Content-Length")},
			{"GET", "/none", nil, 204, ""},
			{"GET", "/", api.Headers{"If-None-Match": first.Header("ETag")}, 304, ""},
			{"GET", "/", api.Headers{"If-Modified-Since": first.Header("Last-Modified")}, 304, ""},
			{"HEAD", "/nowhere", nil, 404, ""},
		} {
			resp := must(t, c.status)(s.Request(soon(t), c.method, n.URL+c.path, c.header))
			if len(resp.Content()) != 0 {
				t.Errorf("%s %s: a body %q", c.method, c.path, resp.Content())
			}
			if c.length != "" && resp.Header("Content-Length") != c.length {
				t.Errorf("%s %s: Content-Length %q, want %q", c.method, c.path, resp.Header("Content-Length"), c.length)
			}
			if resp.Connection().ID() != id {
				t.Errorf("%s %s: another connection", c.method, c.path)
			}
		}
		wantBody(t, must(t, 200)(s.Get(soon(t), n.URL+"/")), []byte("hello from nginx\n"))
	}
}

func TestNginxBasicAuth(t *testing.T) {
	n := startNginx(t, nginxConf{server: `location / { auth_basic "tests"; auth_basic_user_file passwords; }`})
	writeFile(t, n.dir, "passwords", []byte("alice:{PLAIN}s3cret pass\n"))
	s := newSession(t, api.Config{})
	must(t, 401)(s.Get(soon(t), n.URL+"/"))
	must(t, 401)(s.Get(soon(t), n.URL+"/", api.BasicAuth("alice", "wrong")))
	must(t, 200)(s.Get(soon(t), n.URL+"/", api.BasicAuth("alice", "s3cret pass")))
	must(t, 200)(s.Get(soon(t), strings.Replace(n.URL, "://", "://alice:s3cret%20pass@", 1)+"/"))
	must(t, 200)(s.Get(soon(t), n.Secure+"/", api.BasicAuth("alice", "s3cret pass"), api.TLS(n.certs.trust())))
}

// Bodies of every kind reach the origin behind nginx as they were given, whether
// it buffers them or passes the chunks on.
func TestNginxPassesUploadsOn(t *testing.T) {
	o := newOrigin(t)
	n := startNginx(t, nginxConf{http: "client_max_body_size 20m;", server: fmt.Sprintf(`
		location /buffered/ { proxy_pass %[1]s/; }
		location /passed/ { proxy_pass %[1]s/; proxy_http_version 1.1; proxy_request_buffering off; }`, o.URL)})
	s := newSession(t, api.Config{TLS: n.certs.trust()})
	for _, size := range []int{0, 1, 4095, 70_000, 5 << 20} {
		body := pattern(size)
		for kind, give := range map[string]func() api.Option{
			"length": func() api.Option { return api.Body(bytes.NewReader(body)) },
			"chunks": func() api.Option { return api.Body(io.MultiReader(bytes.NewReader(body))) },
		} {
			for _, url := range []string{n.URL + "/buffered", n.URL + "/passed", n.Secure + "/buffered", n.Secure + "/passed"} {
				var got echoed
				resp, err := s.Put(soon(t), url+"/echo", give())
				if err := want(200, resp, err); err != nil {
					t.Errorf("%s %d %s: %v", kind, size, url, err)
				} else if err := resp.JSON(&got); err != nil || got.Length != int64(size) || got.Sum != sumOf(body) {
					t.Errorf("%s %d %s: %+v, %v", kind, size, url, got, err)
				}
			}
		}
	}
}

// nginx takes heads of up to 4 × 8 KiB, and passes on those of an origin that
// large; beyond its limits it says so.
func TestNginxBigHeaders(t *testing.T) {
	o := newOrigin(t)
	n := startNginx(t, nginxConf{
		http:   "large_client_header_buffers 8 16k; proxy_buffer_size 128k; proxy_buffers 4 128k; proxy_busy_buffers_size 256k;",
		server: "location / { proxy_pass " + o.URL + "; }"})
	s := newSession(t, api.Config{})
	big := api.Headers{}
	for i := range 8 {
		big[fmt.Sprintf("X-Big-%d", i)] = strings.Repeat("v", 15_000)
	}
	must(t, 200)(s.Get(soon(t), n.URL+"/", big))
	for name, value := range big {
		if got := o.last(t).Get(name); got != value {
			t.Errorf("%s came with %d bytes", name, len(got))
		}
	}
	resp := must(t, 200)(s.Get(soon(t), n.URL+"/headers?n=100"))
	if got := len(resp.Headers()); got < 100 {
		t.Errorf("%d headers", got)
	}
	must(t, 400)(s.Get(soon(t), n.URL+"/", api.Headers{"X-Big": strings.Repeat("v", 20_000)}))
	must(t, 414)(s.Get(soon(t), n.URL+"/?"+strings.Repeat("q", 20_000)))
	must(t, 200)(s.Get(soon(t), n.URL+"/"))
}

// What is compressed is handed over as it came where the caller asked for it.
func TestNginxCodingAskedForByTheCallerIsRaw(t *testing.T) {
	n := startNginx(t, nginxConf{http: "gzip on; gzip_types *;"})
	n.file(t, "page.txt", text)
	s := newSession(t, api.Config{})
	resp := must(t, 200)(s.Get(soon(t), n.URL+"/page.txt", api.Headers{"Accept-Encoding": "gzip"}))
	if resp.Header("Content-Encoding") != "gzip" || !bytes.HasPrefix(resp.Content(), []byte{0x1f, 0x8b}) {
		t.Errorf("Content-Encoding %q, body %.20q", resp.Header("Content-Encoding"), resp.Content())
	}
	resp = must(t, 200)(s.Get(soon(t), n.URL+"/page.txt", api.Headers{"Accept-Encoding": "identity"}))
	wantBody(t, resp, text)
	if http.Header(resp.Headers()).Get("Content-Encoding") != "" {
		t.Error("compressed though not asked for")
	}
}
