package servers

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

const brotliModule = "/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so"

// wantDecoded asks for text as it is, as a stream and as a body that is read, and
// wants the text each time, with no trace of the coding it came in.
func wantDecoded(t *testing.T, s *api.Session, url string) {
	t.Helper()
	resp := must(t, 200)(s.Get(soon(t), url))
	wantBody(t, resp, text)
	if resp.Header("Content-Encoding") != "" || resp.Header("Content-Length") != "" {
		t.Errorf("decoded, yet %v", resp.Headers())
	}
	var streamed bytes.Buffer
	must(t, 200)(s.Get(soon(t), url, api.Stream(func(p []byte) error {
		streamed.Write(p)
		return nil
	}, 1000)))
	if !bytes.Equal(streamed.Bytes(), text) {
		t.Errorf("streamed %d bytes, want %d", streamed.Len(), len(text))
	}
	resp = must(t, 200)(s.Get(soon(t), url, api.StreamBody()))
	if all, err := io.ReadAll(resp.Body()); err != nil || !bytes.Equal(all, text) {
		t.Errorf("read %d bytes, want %d: %v", len(all), len(text), err)
	}
	resp.Body().Close()
	if resp := must(t, 200)(s.Head(soon(t), url)); len(resp.Content()) != 0 {
		t.Error("HEAD has a body")
	}
}

func TestNginxGzip(t *testing.T) {
	n := startNginx(t, nginxConf{http: "gzip on; gzip_types *; gzip_min_length 1;"})
	n.file(t, "page.txt", text)
	s := newSession(t, api.Config{TLS: n.certs.trust()})
	wantDecoded(t, s, n.URL+"/page.txt")
	wantDecoded(t, s, n.Secure+"/page.txt")
	raw := must(t, 200)(s.Get(soon(t), n.URL+"/page.txt", api.Headers{"Accept-Encoding": "gzip"}))
	if raw.Header("Content-Encoding") != "gzip" || len(raw.Content()) > len(text)/10 {
		t.Errorf("raw: %v, %d bytes", raw.Headers(), len(raw.Content()))
	}
}

// nginx prefers brotli where both are asked for.
func TestNginxBrotli(t *testing.T) {
	module := installedFile(t, brotliModule, "libnginx-mod-http-brotli-filter")
	n := startNginx(t, nginxConf{main: "load_module " + module + ";", http: "brotli on; brotli_types *; brotli_min_length 1;"})
	n.file(t, "page.txt", text)
	s := newSession(t, api.Config{TLS: n.certs.trust()})
	wantDecoded(t, s, n.URL+"/page.txt")
	wantDecoded(t, s, n.Secure+"/page.txt")
	raw := must(t, 200)(s.Get(soon(t), n.URL+"/page.txt", api.Headers{"Accept-Encoding": "br"}))
	if raw.Header("Content-Encoding") != "br" || len(raw.Content()) > len(text)/10 {
		t.Errorf("raw: %v, %d bytes", raw.Headers(), len(raw.Content()))
	}
}

func TestApacheDeflateAndBrotli(t *testing.T) {
	for filter, coding := range map[string]string{"DEFLATE": "gzip", "BROTLI_COMPRESS": "br"} {
		t.Run(filter, func(t *testing.T) {
			a := startApache(t, "AddOutputFilterByType "+filter+" text/plain\n")
			a.file(t, "page.txt", text)
			s := newSession(t, api.Config{})
			wantDecoded(t, s, a.URL+"/page.txt")
			raw := must(t, 200)(s.Get(soon(t), a.URL+"/page.txt", api.Headers{"Accept-Encoding": coding}))
			if raw.Header("Content-Encoding") != coding {
				t.Errorf("raw: %v", raw.Headers())
			}
		})
	}
}

func TestCaddyZstd(t *testing.T) {
	c := startCaddy(t, newOrigin(t))
	writeFile(t, c.www, "page.txt", text)
	s := newSession(t, api.Config{TLS: c.certs.trust()})
	wantDecoded(t, s, c.URL+"/page.txt")
	wantDecoded(t, s, c.Secure+"/page.txt")
	raw := must(t, 200)(s.Get(soon(t), c.URL+"/page.txt", api.Headers{"Accept-Encoding": "zstd"}))
	if raw.Header("Content-Encoding") != "zstd" {
		t.Errorf("raw: %v", raw.Headers())
	}
}

// A range of what would be compressed comes as it is.
func TestNginxRangeWithGzip(t *testing.T) {
	n := startNginx(t, nginxConf{http: "gzip on; gzip_types *; gzip_min_length 1;"})
	n.file(t, "page.txt", text)
	s := newSession(t, api.Config{})
	resp, err := s.Get(soon(t), n.URL+"/page.txt", api.Headers{"Range": "bytes=10-29"})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status() == 206 && !bytes.Equal(resp.Content(), text[10:30]) {
		t.Errorf("%d %q, %v", resp.Status(), resp.Content(), resp.Headers())
	}
}

// Text is read by the charset that the server names.
func TestNginxCharset(t *testing.T) {
	n := startNginx(t, nginxConf{server: "charset iso-8859-1; charset_types *;"})
	n.file(t, "latin.txt", []byte("caf\xe9"))
	s := newSession(t, api.Config{})
	resp := must(t, 200)(s.Get(soon(t), n.URL+"/latin.txt"))
	if !strings.Contains(strings.ToLower(resp.Header("Content-Type")), "iso-8859-1") || resp.Text() != "café" {
		t.Errorf("%q: %q", resp.Header("Content-Type"), resp.Text())
	}
}
