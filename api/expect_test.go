package api

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// reads is a Body reader that counts what is read of it.
type reads struct {
	left, n int
}

func (r *reads) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), r.left)
	for i := range p[:n] {
		p[i] = 'x'
	}
	r.left, r.n = r.left-n, r.n+n
	return n, nil
}

// head reads a request's head and tells whether it expects 100-continue.
func head(r *bufio.Reader) (req *http.Request, expects bool) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, false
	}
	return req, req.Header.Get("Expect") == "100-continue"
}

func TestExpectContinue(t *testing.T) {
	const size = 100_000
	text := strings.Repeat("x", size)
	for _, c := range []struct {
		name   string
		answer func(c net.Conn, r *bufio.Reader, req *http.Request) // to the head
		status int
		body   int           // bytes of the body that were sent
		took   time.Duration // at least, less than twice
		sends  int
	}{
		{"asked for", func(c net.Conn, r *bufio.Reader, req *http.Request) {
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, ok)
		}, 200, size, 0, 1},
		{"other interim answers", func(c net.Conn, r *bufio.Reader, req *http.Request) {
			io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, ok)
		}, 200, size, 0, 1},
		{"not known", func(c net.Conn, r *bufio.Reader, req *http.Request) {
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, ok)
		}, 200, size, time.Second, 1},
		{"refused", func(c net.Conn, r *bufio.Reader, req *http.Request) {
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
			io.Copy(io.Discard, r)
		}, 413, 0, 0, 1},
		{"expectation failed", func(c net.Conn, r *bufio.Reader, req *http.Request) {
			if req.Header.Get("Expect") != "" {
				io.WriteString(c, "HTTP/1.1 417 x\r\nContent-Length: 0\r\n\r\n")
				io.Copy(io.Discard, r)
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, ok)
		}, 200, size, 0, 2},
	} {
		bodies := map[string]func() (Option, *reads){
			"bytes":  func() (Option, *reads) { return Form(map[string][]string{"": {text[1:]}}), nil },
			"memory": func() (Option, *reads) { return Body(strings.NewReader(text)), nil },
			"file":   func() (Option, *reads) { return Body(readSome(onDisk(t, text))), nil },
			"reader": func() (Option, *reads) { r := &reads{left: size}; return Body(r), r },
		}
		for kind, body := range bodies {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				option, counted := body()
				var requests atomic.Int32
				m := &pipes{serve: func(_ int, nc net.Conn) {
					r := bufio.NewReader(nc)
					for {
						req, expects := head(r)
						if req == nil {
							return
						}
						n := int(requests.Add(1))
						if expects != (n == 1) {
							t.Errorf("request %d: expects %t", n, expects)
						}
						got := &reads{}
						req.Body = struct {
							io.Reader
							io.Closer
						}{io.TeeReader(req.Body, writerCount{&got.n}), req.Body}
						c.answer(nc, r, req)
						if n == c.sends && got.n != c.body {
							t.Errorf("%d bytes of the body were sent, want %d", got.n, c.body)
						}
					}
				}}
				inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
					began := time.Now()
					resp, err := s.Post(t.Context(), "http://h/", option, ExpectContinue())
					if err != nil || resp.Status() != c.status {
						t.Fatalf("got %v, %v", resp, err)
					}
					if took := time.Since(began).Truncate(10 * time.Millisecond); took < c.took || took > 2*c.took {
						t.Errorf("took %v", took)
					}
					if n := int(requests.Load()); n != c.sends {
						t.Errorf("sent %d times, want %d", n, c.sends)
					}
					if counted != nil && counted.n != c.body {
						t.Errorf("%d bytes of the reader were read, want %d", counted.n, c.body)
					}
					if c.status == 413 && (resp.Connection() != nil || resp.Text() != "no") {
						t.Errorf("connection %v, content %q", resp.Connection(), resp.Content())
					}
				})
			})
		}
	}
}

type writerCount struct{ n *int }

func (w writerCount) Write(p []byte) (int, error) { *w.n += len(p); return len(p), nil }

// Which bodies are announced.
func TestExpectContinueFrom(t *testing.T) {
	server := record(t, always(ok))
	for _, c := range []struct {
		name string
		cfg  Config
		opts []Option
		want bool
	}{
		{"never", Config{}, []Option{Body(strings.NewReader(strings.Repeat("x", 1000)))}, false},
		{"below", Config{ExpectContinueFrom: 1001}, []Option{Body(strings.NewReader(strings.Repeat("x", 1000)))}, false},
		{"from", Config{ExpectContinueFrom: 1000}, []Option{Body(strings.NewReader(strings.Repeat("x", 1000)))}, true},
		{"unknown length", Config{ExpectContinueFrom: 1000}, []Option{Body(&reads{left: 1})}, true},
		{"negative", Config{ExpectContinueFrom: -1}, []Option{Body(&reads{left: 1})}, false},
		{"option", Config{}, []Option{Data{"a": "b"}, ExpectContinue()}, true},
		{"header", Config{}, []Option{Data{"a": "b"}, Headers{"expect": "100-Continue"}}, true},
		{"no body", Config{ExpectContinueFrom: 1}, []Option{ExpectContinue()}, false},
		{"empty body", Config{ExpectContinueFrom: 1}, []Option{Body(strings.NewReader("")), ExpectContinue()}, false},
	} {
		c.cfg.ExpectContinueTimeout = time.Millisecond // the server does not know of it
		if _, err := newSession(t, c.cfg).Post(t.Context(), server.URL, c.opts...); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		head := strings.ToLower(server.last(t).head)
		if got := strings.Count(head, "\r\nexpect: 100-continue\r\n"); (got == 1) != c.want || got > 1 {
			t.Errorf("%s: sent %q", c.name, head)
		}
	}
	var input *InputError
	if _, err := NewSession(Config{ExpectContinueTimeout: -1}); !errors.As(err, &input) {
		t.Errorf("negative timeout: %v", err)
	}
}

// An answer that comes before the whole request ends the upload and is returned, also
// when the write is blocked, or the caller's reader is (RFC 9112 §9.3, §9.5).
func TestEarlyAnswers(t *testing.T) {
	text := strings.Repeat("x", 8<<20)
	blocked := func(t *testing.T) (Option, func()) {
		r, w := io.Pipe()
		go w.Write([]byte("a beginning"))
		return Body(r), func() { w.Close() }
	}
	for kind, body := range map[string]func(t *testing.T) (Option, func()){
		"bytes":          func(*testing.T) (Option, func()) { return Form(map[string][]string{"": {text}}), func() {} },
		"memory":         func(*testing.T) (Option, func()) { return Body(strings.NewReader(text)), func() {} },
		"reader":         func(*testing.T) (Option, func()) { return Body(&reads{left: len(text)}), func() {} },
		"file":           func(t *testing.T) (Option, func()) { return Body(readSome(onDisk(t, text))), func() {} },
		"blocked reader": blocked,
	} {
		for name, answer := range map[string]string{
			"413":      "HTTP/1.1 413 x\r\nContent-Length: 2\r\n\r\nno",
			"401":      "HTTP/1.1 401 x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
			"redirect": "HTTP/1.1 303 x\r\nLocation: /there\r\nContent-Length: 2\r\n\r\nno",
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				over := make(chan struct{})
				url := loopback(t, func(c net.Conn) {
					if req, _ := head(bufio.NewReader(c)); req != nil && req.Method == "GET" {
						io.WriteString(c, ok)
					} else {
						io.WriteString(c, answer)
					}
					<-over // nothing more is read: the write blocks
				})
				defer close(over)
				s := newSession(t, Config{MaxConnsPerOrigin: 2})
				option, release := body(t)
				defer release()
				resp, err := s.Post(t.Context(), url, option)
				if err != nil {
					t.Fatal(err)
				}
				if name == "redirect" {
					if resp.Text() != "ok" || len(resp.History()) != 1 {
						t.Errorf("got %d %q", resp.Status(), resp.Content())
					}
					return
				}
				if resp.Text() != "no" || resp.Connection() != nil {
					t.Errorf("got %d %q, connection %v", resp.Status(), resp.Content(), resp.Connection())
				}
			})
		}
	}
}

// A server that knows no 100-continue may still refuse before the body has begun: its
// answer must not wait for a reader that blocks (RFC 9110 §10.1.1).
func TestRefusalBeforeABlockedReader(t *testing.T) {
	m := &pipes{serve: func(_ int, c net.Conn) {
		if req, _ := head(bufio.NewReader(c)); req != nil {
			time.Sleep(2 * time.Second) // beyond what is waited for a 100
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
			io.Copy(io.Discard, c)
		}
	}}
	inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
		body, w := io.Pipe()
		defer w.Close()
		began := time.Now()
		resp, err := s.Post(t.Context(), "http://h/", Body(body), ExpectContinue(), Timeout(20*time.Second))
		if err != nil || resp.Status() != 413 || resp.Text() != "no" || time.Since(began).Truncate(10*time.Millisecond) != 2*time.Second {
			t.Errorf("got %v, %v after %v", resp, err, time.Since(began))
		}
	})
}

// A server may begin a 2xx answer while it still reads: the request goes out whole.
func TestEarlySuccess(t *testing.T) {
	m := &pipes{serve: func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		req, _ := head(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		n, _ := io.Copy(io.Discard, req.Body)
		if n != 1<<20 {
			t.Errorf("the server read %d bytes", n)
		}
		io.WriteString(c, "2\r\nok\r\n0\r\n\r\n")
	}}
	inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
		resp, err := s.Post(t.Context(), "http://h/", Body(&reads{left: 1 << 20}))
		if err != nil || resp.Text() != "ok" {
			t.Errorf("got %v, %v", resp, err)
		}
	})
}
