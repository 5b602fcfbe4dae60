package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A body whose last byte was read has given its connection back, also where nobody has
// asked for the io.EOF behind it: what ends it then must not close what serves another.
func TestStreamBodyReadToItsLastByte(t *testing.T) {
	for answer, text := range map[string]string{
		"plain":   withLength("hello"),
		"chunked": chunked("hel", "lo"),
		"decoded": withLength(gzipped(strings.Repeat("hello", 20_000)), "Content-Encoding: gzip"),
	} {
		for end, cfg := range map[string]Config{
			"BodyTimeout": {BodyTimeout: 10 * time.Second},
			"context":     {BodyTimeout: -1},
			"Close":       {BodyTimeout: -1},
		} {
			t.Run(answer+"/"+end, func(t *testing.T) {
				m := &pipes{serve: answering(func(_, _ int, req *http.Request) string {
					if req.URL.Path == "/slow" {
						time.Sleep(30 * time.Second) // of the bubble
					}
					return text
				})}
				inBubble(t, m, cfg, func(t *testing.T, s *Session) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					resp, err := s.Get(ctx, "http://h/", StreamBody())
					if err != nil {
						t.Fatal(err)
					}
					p := make([]byte, 5)
					if _, err := io.ReadFull(resp.Body(), p); string(p) != "hello" || err != nil {
						t.Fatalf("read %q, %v", p, err)
					}
					if answer == "chunked" { // the end of the last chunk is behind its bytes
						io.ReadFull(resp.Body(), p)
					}
					switch end {
					case "context":
						time.AfterFunc(10*time.Second, cancel)
					case "Close":
						time.AfterFunc(10*time.Second, func() { resp.Body().Close() })
					}
					if other, err := s.Post(t.Context(), "http://h/slow"); err != nil || other.Status() != 200 || m.dials != 1 {
						t.Errorf("the next call: %v, %v over connection %d", other, err, m.dials)
					}
					n, err := resp.Body().Read(p)
					if n != 0 || err == nil || (err == io.EOF) != (answer != "decoded") {
						t.Errorf("a read afterwards: %d, %v", n, err)
					}
				})
			})
		}
	}
}

// An answer without a body has nothing to decode: its headers say what a GET would have
// brought (RFC 9110 §8.6, §15.4.5), in each way to read it.
func TestHeadersOfStreamsWithoutABody(t *testing.T) {
	for name, c := range map[string]struct{ method, answer, length string }{
		"HEAD":  {"HEAD", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 77\r\n\r\n", "77"},
		"304":   {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\nContent-Length: 77\r\n\r\n", "77"},
		"204":   {"GET", "HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n", ""},
		"empty": {"GET", withLength("", "Content-Encoding: gzip"), "0"},
	} {
		s := newSession(t, Config{})
		url := record(t, always(c.answer)).URL
		for way, opt := range map[string]Option{
			"Content":    nil,
			"Stream":     Stream(func([]byte) error { return errors.New("a chunk came") }, 0),
			"StreamBody": StreamBody(),
		} {
			resp, err := s.Request(t.Context(), c.method, url, opt)
			if err != nil {
				t.Errorf("%s, %s: %v", name, way, err)
				continue
			}
			if resp.Header("Content-Encoding") != "gzip" || resp.Header("Content-Length") != c.length {
				t.Errorf("%s, %s: headers %v", name, way, resp.Headers())
			}
			if b, err := io.ReadAll(resp.Body()); len(b) != 0 || err != nil {
				t.Errorf("%s, %s: read %q, %v", name, way, b, err)
			}
			resp.Release()
		}
	}
}

// A stream of events may last for hours: its head is all that the breaker waits for.
func TestStreamedProbeClosesTheBreaker(t *testing.T) {
	refused := errors.New("refused")
	m := &pipes{
		serve: answering(func(_, _ int, req *http.Request) string {
			if req.URL.Path == "/events" {
				return "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello"
			}
			return ok
		}),
		fail: func(n int) error {
			if n <= 5 {
				return refused
			}
			return nil
		},
	}
	inBubble(t, m, Config{BodyTimeout: -1}, func(t *testing.T, s *Session) {
		wantBreaker := func(want string) {
			t.Helper()
			if got := s.Snapshot().Origins[0].Breaker; got != want {
				t.Errorf("the breaker is %s, want %s", got, want)
			}
		}
		for range 5 {
			if _, err := s.Get(t.Context(), "http://h/"); !errors.Is(err, refused) {
				t.Fatal(err)
			}
		}
		wantBreaker("open")
		time.Sleep(10 * time.Second) // of the bubble
		events, err := s.Get(t.Context(), "http://h/events", StreamBody())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		wantBreaker("closed")
		if _, err := s.Get(t.Context(), "http://h/"); err != nil {
			t.Errorf("beside the stream: %v", err)
		}
		p := make([]byte, 5)
		if _, err := io.ReadFull(events.Body(), p); string(p) != "hello" || err != nil {
			t.Errorf("read %q, %v", p, err)
		}
		events.Release()
		wantReleased(t, s)
		wantBreaker("closed") // it is not told twice
	})
}
