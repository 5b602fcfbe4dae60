package api

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// earlyBodies are large bodies, each made anew for a call.
var earlyBodies = map[string]func(t *testing.T) (option Option, release func()){
	"bytes": func(*testing.T) (Option, func()) {
		return Body(strings.NewReader(strings.Repeat("x", earlySize))), func() {}
	},
	"reader": func(*testing.T) (Option, func()) {
		return Body(struct{ io.Reader }{&reads{left: earlySize}}), func() {}
	},
	"blocked": func(*testing.T) (Option, func()) {
		r := &halfReader{over: make(chan struct{})}
		return Body(r), func() { close(r.over) }
	},
	"form": func(*testing.T) (Option, func()) { return Data{"a": strings.Repeat("x", earlySize)}, func() {} },
	"multipart": func(*testing.T) (Option, func()) {
		return Multipart(ReaderPart("f", "f", &reads{left: earlySize})), func() {}
	},
	"file": func(t *testing.T) (Option, func()) {
		name := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(name, make([]byte, earlySize), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return upload{f}, func() { f.Close() }
	},
}

// halfReader gives a little and then nothing.
type halfReader struct {
	given bool
	over  chan struct{}
}

func (r *halfReader) Read(p []byte) (int, error) {
	if !r.given {
		r.given = true
		return len(p), nil
	}
	<-r.over
	return 0, io.EOF
}

const earlySize = 8 << 20

// earlyServer answers each POST at once and then waits with the body, until a moment before
// the time of the upload is over; then it reads all of it, or, where slow, too little.
func earlyServer(fast bool) *pipes {
	return &pipes{serve: func(_ int, c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.WriteString(c, okAnswer)
			if req.Method == "POST" {
				time.Sleep(49 * time.Millisecond)
				if !fast {
					io.CopyN(io.Discard, req.Body, 100<<10)
					time.Sleep(time.Second)
				}
				io.Copy(io.Discard, req.Body)
			}
		}
	}}
}

// A 2xx that is whole while the body still goes out is returned: the body has 50 ms to
// finish, and Trace tells that only part of it was sent.
func TestEarlySuccessEndsTheUpload(t *testing.T) {
	for name, body := range earlyBodies {
		for _, fast := range []bool{false, true} {
			if fast && name == "blocked" {
				continue // which is never out
			}
			t.Run(name, func(t *testing.T) {
				inBubble(t, earlyServer(fast), Config{}, func(t *testing.T, s *Session) {
					option, release := body(t)
					defer release()
					began := time.Now()
					resp, err := s.Post(t.Context(), "http://h/", option)
					if err != nil || resp.Text() != "ok" {
						t.Fatal(err)
					}
					took, tr := time.Since(began), resp.Trace()
					if fast && (tr.Sent != SentAll || resp.Connection() == nil || tr.Write == 0) {
						t.Errorf("in time: %+v, connection %v", tr, resp.Connection())
					}
					if !fast && (tr.Sent != SentPart || tr.Write != 0 || resp.Connection() != nil || took > 60*time.Millisecond) {
						t.Errorf("after %v: %+v, connection %v", took, tr, resp.Connection())
					}
					if tr.Attempts != 1 {
						t.Errorf("sent %d times", tr.Attempts)
					}
					resp, err = s.Get(t.Context(), "http://h/")
					if err != nil || resp.Trace().Sent != SentAll || resp.Trace().Reused != fast {
						t.Errorf("then %v, %+v", err, resp)
					}
				})
			})
		}
	}
}
