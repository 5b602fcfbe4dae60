package servers

import (
	"bytes"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// MaxKeepAliveRequests ends a connection with the last answer that it allows, and
// KeepAliveTimeout is announced (Keep-Alive: timeout=1, max=…): no call fails.
func TestApacheKeepAlive(t *testing.T) {
	a := startApache(t, "KeepAlive On\nKeepAliveTimeout 1\nMaxKeepAliveRequests 6\n")
	s := newSession(t, api.Config{MaxConnsPerOrigin: 30})
	if err := callers(30, func(i int) error {
		for range 15 {
			if err := get(t, s, a.URL+"/", i%3 == 0); err != nil {
				return err
			}
		}
		// Now idle for about as long as the server allows.
		pause(t.Context(), 950*time.Millisecond+time.Duration(i)*4*time.Millisecond)
		for range 5 {
			if err := get(t, s, a.URL+"/", false); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestApacheBasicAuth(t *testing.T) {
	a := startApache(t, `<Location /private>
		AuthType Basic
		AuthName "tests"
		AuthUserFile passwords
		Require user alice
	</Location>`)
	// The hash is what apache calls SHA1: {SHA}base64(sha1("password")).
	writeFile(t, a.dir, "passwords", []byte("alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"))
	a.file(t, "private/page.txt", text)
	s := newSession(t, api.Config{TLS: a.certs.trust()})
	for _, base := range []string{a.URL, a.Secure} {
		must(t, 401)(s.Get(soon(t), base+"/private/page.txt"))
		must(t, 401)(s.Get(soon(t), base+"/private/page.txt", api.BasicAuth("alice", "wrong")))
		wantBody(t, must(t, 200)(s.Get(soon(t), base+"/private/page.txt", api.BasicAuth("alice", "password"))), text)
	}
}

// Bodies with a length and in chunks reach the origin behind apache.
func TestApachePassesUploadsOn(t *testing.T) {
	o := newOrigin(t)
	a := startApache(t, "ProxyPass / "+o.URL+"/\n")
	s := newSession(t, api.Config{TLS: a.certs.trust()})
	for _, size := range []int{0, 1, 70_000, 3 << 20} {
		body := pattern(size)
		for kind, give := range map[string]func() api.Option{
			"length": func() api.Option { return api.Body(bytes.NewReader(body)) },
			"chunks": func() api.Option { return api.Body(io.MultiReader(bytes.NewReader(body))) },
		} {
			for _, base := range []string{a.URL, a.Secure} {
				var got echoed
				resp, err := s.Put(soon(t), base+"/echo", give())
				if err := want(200, resp, err); err != nil {
					t.Errorf("%s %d %s: %v", kind, size, base, err)
				} else if err := resp.JSON(&got); err != nil || got.Length != int64(size) || got.Sum != sumOf(body) {
					t.Errorf("%s %d %s: %+v, %v", kind, size, base, got, err)
				}
			}
		}
	}
}

// apache compresses what a caller asks to be compressed, in chunks, and hands it
// over as it came.
func TestApacheChunkedAndCompressed(t *testing.T) {
	o := newOrigin(t)
	a := startApache(t, "AddOutputFilterByType DEFLATE text/plain\nProxyPass /origin/ "+o.URL+"/\n")
	a.file(t, "page.txt", text)
	s := newSession(t, api.Config{})
	resp := must(t, 200)(s.Get(soon(t), a.URL+"/page.txt", api.Headers{"Accept-Encoding": "gzip"}))
	if resp.Header("Content-Encoding") != "gzip" || !bytes.HasPrefix(resp.Content(), []byte{0x1f, 0x8b}) {
		t.Errorf("Content-Encoding %q, body %.20q", resp.Header("Content-Encoding"), resp.Content())
	}
	resp = must(t, 200)(s.Get(soon(t), a.URL+"/origin/source?n=300000&chunked=1"))
	if !strings.Contains(resp.Header("Transfer-Encoding"), "chunked") || len(resp.Content()) != 300_000 {
		t.Errorf("Transfer-Encoding %q, %d bytes", resp.Header("Transfer-Encoding"), len(resp.Content()))
	}
}

// A graceful restart (SIGUSR1) lets each worker finish its answer and then closes
// what idles.
func TestApacheGracefulRestart(t *testing.T) {
	a := startApache(t, "KeepAliveTimeout 5\n")
	s := newSession(t, api.Config{})
	must(t, 200)(s.Get(soon(t), a.URL+"/"))
	for range 3 {
		a.signal(t, syscall.SIGUSR1)
		pause(t.Context(), 200*time.Millisecond)
		for range 5 {
			if err := get(t, s, a.URL+"/", false); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestApacheRanges(t *testing.T) {
	a := startApache(t, "")
	whole := pattern(50_000)
	a.file(t, "file.bin", whole)
	s := newSession(t, api.Config{})
	resp := must(t, 206)(s.Get(soon(t), a.URL+"/file.bin", api.Headers{"Range": "bytes=100-199"}))
	wantBody(t, resp, whole[100:200])
	if got := resp.Header("Content-Range"); got != "bytes 100-199/50000" {
		t.Errorf("Content-Range %q", got)
	}
	must(t, 416)(s.Get(soon(t), a.URL+"/file.bin", api.Headers{"Range": "bytes=50000-"}))
	etag := must(t, 200)(s.Head(soon(t), a.URL+"/file.bin")).Header("ETag")
	resp = must(t, 206)(s.Get(soon(t), a.URL+"/file.bin", api.Headers{"Range": "bytes=-1", "If-Range": etag}))
	wantBody(t, resp, whole[49_999:])
	wantBody(t, must(t, 200)(s.Get(soon(t), a.URL+"/file.bin", api.Headers{"Range": "bytes=-1", "If-Range": `"other"`})), whole)
}
