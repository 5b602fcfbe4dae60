package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func zstded(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// Answers come out decoded, however they are read, and keep their connection.
func TestDecoding(t *testing.T) {
	long := strings.Repeat("hello, troupe. ", 20_000)
	body := gzipped(long)
	half := len(body) / 2
	_, framed, _ := strings.Cut(chunked(body[:half], body[half:]), "\r\n\r\n")
	for name, answer := range map[string]string{
		"length":  withLength(body, "Content-Encoding: gzip"),
		"chunked": "HTTP/1.1 200 OK\r\nContent-Encoding: GZip\r\nTransfer-Encoding: chunked\r\n\r\n" + framed,
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, always(answer))
			s := newSession(t, Config{})
			for way, read := range map[string]func(...Option) (string, *Response, error){
				"Content": func(opts ...Option) (string, *Response, error) {
					resp, err := s.Get(t.Context(), server.URL, opts...)
					if err != nil {
						return "", nil, err
					}
					return string(resp.Content()), resp, nil
				},
				"Stream": func(opts ...Option) (string, *Response, error) {
					var b strings.Builder
					sizes := 0
					resp, err := s.Get(t.Context(), server.URL, append(opts, Stream(func(chunk []byte) error {
						if sizes%1000 != 0 {
							t.Errorf("a chunk after a short one")
						}
						sizes += len(chunk)
						b.Write(chunk)
						return nil
					}, 1000))...)
					return b.String(), resp, err
				},
				"StreamBody": func(opts ...Option) (string, *Response, error) {
					resp, err := s.Get(t.Context(), server.URL, append(opts, StreamBody())...)
					if err != nil {
						return "", nil, err
					}
					b, err := io.ReadAll(resp.Body())
					return string(b), resp, err
				},
			} {
				got, resp, err := read()
				if err != nil || got != long {
					t.Fatalf("%s: %d bytes, %v", way, len(got), err)
				}
				if resp.Header("Content-Encoding") != "" || resp.Headers().Get("Content-Length") != "" {
					t.Errorf("%s: headers about the encoding are left: %v", way, resp.Headers())
				}
				// Who asks by himself decodes by himself (RFC 9110 §12.5.3).
				got, resp, err = read(Headers{"accept-encoding": "gzip"})
				if err != nil || got != body || resp.Header("Content-Encoding") == "" {
					t.Errorf("%s, own Accept-Encoding: %d bytes, %v", way, len(got), err)
				}
				got, _, err = read(Headers{"Range": "bytes=0-"})
				if err != nil || got != body || strings.Contains(server.last(t).head, "Accept-Encoding") {
					t.Errorf("%s, a range: %d bytes, %v", way, len(got), err)
				}
			}
			if n := server.opened(); n != 1 {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

func TestNotDecoded(t *testing.T) {
	s := newSession(t, Config{})
	for name, answer := range map[string]string{
		"unknown":           withLength("x", "Content-Encoding: rot13"),
		"known and unknown": withLength("x", "Content-Encoding: gzip, rot13"),
		"identity":          withLength("x", "Content-Encoding: identity"),
	} {
		resp, err := s.Get(t.Context(), record(t, always(answer)).URL)
		if err != nil || resp.Text() != "x" || resp.Header("Content-Encoding") == "" || resp.Header("Content-Length") == "" {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
	for name, call := range map[string]struct{ method, answer string }{
		"HEAD": {"HEAD", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n"},
		"304":  {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n"},
		"none": {"GET", withLength("", "Content-Encoding: gzip")},
	} {
		resp, err := s.Request(t.Context(), call.method, record(t, always(call.answer)).URL)
		if err != nil || len(resp.Content()) != 0 || resp.Header("Content-Encoding") != "gzip" {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
}

func TestDecodingFails(t *testing.T) {
	const max = 1 << 20
	s := newSession(t, Config{MaxBodyBytes: max})
	bomb := gzipped(strings.Repeat("\x00", max+1))
	for _, c := range []struct {
		name, body string
		want       error
	}{
		{"bomb", bomb, ErrTooLarge},
		{"cut short", bomb[:len(bomb)-9], io.ErrUnexpectedEOF},
		{"garbage", "hello, hello, hello", gzip.ErrHeader},
	} {
		server := record(t, always(withLength(c.body, "Content-Encoding: gzip")))
		_, err := s.Get(t.Context(), server.URL)
		var failed *IOError
		if !errors.As(err, &failed) || failed.Op != OpRead || failed.Sent != SentAll || failed.RemoteAddr == nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name != "garbage" && !errors.Is(err, c.want) && !(c.name == "cut short" && errors.Is(err, ErrTooLarge)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name == "bomb" {
			continue // streams have no bound
		}
		resp, err := s.Get(t.Context(), server.URL, StreamBody())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body()); !errors.As(err, &failed) {
			t.Errorf("%s, streamed: %v", c.name, err)
		}
	}
}

func TestTextCharset(t *testing.T) {
	s := newSession(t, Config{})
	resp, err := s.Get(t.Context(), record(t, always(withLength("caf\xe9", "Content-Type: text/plain; charset=ISO-8859-1"))).URL)
	if err != nil || resp.Text() != "café" || len(resp.Content()) != 4 {
		t.Errorf("got %q, %v", resp.Text(), err)
	}
}

// Digest, end to end: one round trip more at first, none afterwards.
func TestDigestAuth(t *testing.T) {
	server := record(t, func(_ int, req *http.Request) string {
		a := req.Header.Get("Authorization")
		if !strings.HasPrefix(a, "Digest ") || !strings.Contains(a, `uri="`+req.URL.RequestURI()+`"`) || req.Header.Get("X-Refuse") != "" {
			return "HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"b\", Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\nContent-Length: 2\r\n\r\nno"
		}
		_, nc, _ := strings.Cut(a, "nc=")
		return withLength(nc[:8])
	})
	s := newSession(t, Config{})
	user := DigestAuth("joe", "geheim")
	for i, path := range []string{"/a?b=1", "/c", "/d"} {
		resp, err := s.Post(t.Context(), server.URL+path, user, JSON("hello"))
		if err != nil || resp.Status() != 200 {
			t.Fatalf("%s: %v, %v", path, resp, err)
		}
		if nc, _ := strconv.Atoi(resp.Text()); nc != i+1 {
			t.Errorf("%s: nonce count %q", path, resp.Text())
		}
		if got := server.last(t); got.body != `"hello"` {
			t.Errorf("sent %q", got.body)
		}
	}
	if n := len(server.all()); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
	for _, raw := range server.all() {
		if strings.Contains(raw.head, "geheim") {
			t.Errorf("the password was sent: %q", raw.head)
		}
	}
	before := len(server.all())
	resp, err := s.Get(t.Context(), server.URL, user, Headers{"X-Refuse": "1"})
	if err != nil || resp.Status() != 401 || resp.Text() != "no" {
		t.Errorf("refused: %v, %v", resp, err)
	}
	if n := len(server.all()) - before; n > 2 {
		t.Errorf("%d requests with refused credentials", n)
	}
	resp, err = s.Post(t.Context(), server.URL, user, Body(struct{ io.Reader }{strings.NewReader("x")}), Headers{"X-Refuse": "1"})
	if err != nil || resp.Status() != 401 {
		t.Errorf("a body that can't be sent again: %v, %v", resp, err)
	}
}
