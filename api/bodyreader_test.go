package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestStreamBody(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20_000)
	for _, c := range []struct{ name, answer, want string }{
		{"length", withLength(long), long},
		{"chunked", chunked("aa", "bbb"), "aabbb"},
		{"chunked empty", chunked(), ""},
		{"empty", withLength(""), ""},
		{"none", "HTTP/1.1 204 No Content\r\n\r\n", ""},
		{"until close", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\naaabb", "aaabb"},
	} {
		for reader, read := range map[string]func(*Response) (string, error){
			"Body": func(r *Response) (string, error) {
				b, err := io.ReadAll(r.Body())
				return string(b), errors.Join(err, r.Body().Close())
			},
			"Chunks": func(r *Response) (string, error) {
				var b strings.Builder
				for chunk, err := range r.Chunks(1000) {
					if err != nil {
						return "", err
					}
					if b.Len()%1000 != 0 {
						t.Errorf("a chunk after a short one")
					}
					b.Write(chunk)
				}
				return b.String(), nil
			},
		} {
			t.Run(c.name+"/"+reader, func(t *testing.T) {
				server := record(t, always(c.answer))
				server.answer = func(_ int, req *http.Request) string {
					req.Close = c.name == "until close"
					return c.answer
				}
				s := newSession(t, Config{MaxBodyBytes: 1}) // streams have no bound
				for range 2 {
					resp, err := s.Get(t.Context(), server.URL, StreamBody())
					if err != nil {
						t.Fatal(err)
					}
					if len(resp.Content()) != 0 {
						t.Errorf("content is %q", resp.Content())
					}
					if got, err := read(resp); got != c.want || err != nil {
						t.Fatalf("read %d bytes, %v", len(got), err)
					}
					if n, err := resp.Body().Read(make([]byte, 1)); n != 0 || err == nil {
						t.Errorf("after the end: %d, %v", n, err)
					}
				}
				if n := server.opened(); n != 1 && c.name != "until close" {
					t.Errorf("%d connections were opened", n)
				}
				if o := s.Snapshot().Origins[0]; o.Busy != 0 {
					t.Errorf("%d connections are busy", o.Busy)
				}
			})
		}
	}
}

// Without StreamBody the body is there already.
func TestBodyOfAWholeResponse(t *testing.T) {
	s := newSession(t, Config{})
	resp, err := s.Get(t.Context(), record(t, always(withLength("hello"))).URL)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if b, err := io.ReadAll(resp.Body()); string(b) != "hello" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
	}
	var got []string
	for chunk := range resp.Chunks(2) {
		got = append(got, string(chunk))
	}
	if strings.Join(got, "|") != "he|ll|o" {
		t.Errorf("chunks %q", got)
	}
}

// A body gives what has come, without waiting for more.
func TestStreamBodyGivesWhatHasCome(t *testing.T) {
	more := make(chan struct{})
	m := &pipes{serve: func(_ int, c net.Conn) {
		readRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		<-more
		io.WriteString(c, "3\r\nyou\r\n0\r\n\r\n")
	}}
	s := newSession(t, Config{Driver: m})
	resp, err := s.Get(t.Context(), "http://h/", StreamBody())
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100)
	if n, err := resp.Body().Read(p); string(p[:n]) != "hello" || err != nil {
		t.Errorf("read %q, %v", p[:n], err)
	}
	close(more)
	if b, err := io.ReadAll(resp.Body()); string(b) != "you" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
}

// endless answers every request with a body that goes on.
func endless() *pipes {
	return &pipes{serve: func(_ int, c net.Conn) {
		if readRequest(bufio.NewReader(c)) == nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
		for {
			if _, err := c.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
	}}
}

// silent answers every request with a head and the beginning of a body.
func silent() *pipes {
	return &pipes{serve: func(_ int, c net.Conn) {
		if readRequest(bufio.NewReader(c)) != nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			io.Copy(io.Discard, c)
		}
	}}
}

// wantReleased holds a session in a bubble to have no connection in use, within a second
// of the bubble, which all that ends a body takes less than.
func wantReleased(t *testing.T, s *Session) {
	t.Helper()
	time.Sleep(time.Second)
	if s.Snapshot().Origins[0].Busy != 0 {
		t.Errorf("still in use:\n%v", s.Snapshot())
	}
}

func TestStreamBodyLeftEarly(t *testing.T) {
	for name, leave := range map[string]func(*Response, context.CancelFunc){
		"Close":   func(r *Response, _ context.CancelFunc) { r.Body().Close(); r.Body().Close() },
		"Release": func(r *Response, _ context.CancelFunc) { r.Release() },
		"break": func(r *Response, _ context.CancelFunc) {
			for range r.Chunks(10) {
				break
			}
		},
		"cancel": func(_ *Response, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, endless(), Config{}, func(t *testing.T, s *Session) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				resp, err := s.Get(ctx, "http://h/", StreamBody())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(resp.Body(), make([]byte, 5000)); err != nil {
					t.Fatal(err)
				}
				leave(resp, cancel)
				wantReleased(t, s)
				_, err = resp.Body().Read(make([]byte, 1))
				if err == nil || err == io.EOF {
					t.Errorf("a read afterwards: %v", err)
				}
				if name == "cancel" && !errors.Is(err, context.Canceled) {
					t.Errorf("the cause is lost: %v", err)
				}
			})
		})
	}
}

// Close on one goroutine ends a Read on another.
func TestStreamBodyCloseEndsARead(t *testing.T) {
	inBubble(t, silent(), Config{}, func(t *testing.T, s *Session) {
		resp, err := s.Get(t.Context(), "http://h/", StreamBody())
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { resp.Body().Close() })
		began := time.Now()
		if b, err := io.ReadAll(resp.Body()); string(b) != "hello" || err == nil || time.Since(began) != time.Second {
			t.Errorf("read %q, %v after %v", b, err, time.Since(began))
		}
		wantReleased(t, s)
	})
}

func TestStreamBodyTimeout(t *testing.T) {
	inBubble(t, silent(), Config{}, func(t *testing.T, s *Session) {
		resp, err := s.Get(t.Context(), "http://h/", StreamBody(), Timeout(3*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = io.ReadAll(resp.Body())
		var io *IOError
		if !errors.As(err, &io) || !errors.Is(err, context.DeadlineExceeded) || io.Op != OpRead || io.Sent != SentAll || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		wantReleased(t, s)
	})
}

// A body that nobody reads is given up, and its opener told of.
func TestAbandonedBodies(t *testing.T) {
	var log syncBuffer
	cfg := Config{BodyTimeout: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	inBubble(t, endless(), cfg, func(t *testing.T, s *Session) {
		resp, err := s.Get(t.Context(), "http://joe:geheim@h/path#geheim", StreamBody())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // reads put it off
			time.Sleep(9 * time.Second)
			if _, err := io.ReadFull(resp.Body(), make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(11 * time.Second)
		wantReleased(t, s)
		_, err = resp.Body().Read(make([]byte, 1))
		var failed *IOError
		if !errors.Is(err, ErrBodyAbandoned) || !errors.As(err, &failed) {
			t.Errorf("a read afterwards: %v", err)
		}
		got := log.String()
		if !strings.Contains(got, "response body abandoned") || !strings.Contains(got, "bodyreader_test.go:") ||
			!strings.Contains(got, "url=http://h/path ") || strings.Contains(got, "geheim") {
			t.Errorf("logged %q", got)
		}
		if s.Snapshot().Origins[0].Failures != 0 {
			t.Error("it counts as the origin's failure")
		}
	})
}

// A read that takes long is no abandoned body.
func TestBodyTimeoutStandsStillDuringARead(t *testing.T) {
	m := &pipes{serve: func(_ int, c net.Conn) {
		readRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
		time.Sleep(time.Hour) // of the bubble
		io.WriteString(c, "ok")
	}}
	inBubble(t, m, Config{BodyTimeout: time.Second}, func(t *testing.T, s *Session) {
		resp, err := s.Get(t.Context(), "http://h/", StreamBody())
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body()); string(b) != "ok" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
	})
}

// The session's end is the end of its bodies, their timers included.
func TestStreamBodyEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(*Session) error{
		"Close": (*Session).Close,
		"Shutdown": func(s *Session) error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			s.Shutdown(ctx)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, silent(), Config{BodyTimeout: time.Hour}, func(t *testing.T, s *Session) {
				var bodies []io.ReadCloser
				for range 3 {
					resp, err := s.Get(t.Context(), "http://h/", StreamBody())
					if err != nil {
						t.Fatal(err)
					}
					bodies = append(bodies, resp.Body())
				}
				var reading sync.WaitGroup
				reading.Go(func() {
					if _, err := io.ReadAll(bodies[0]); !errors.Is(err, ErrSessionClosed) {
						t.Errorf("a read under way: %v", err)
					}
				})
				time.Sleep(time.Second)
				if err := end(s); err != nil {
					t.Error(err)
				}
				reading.Wait()
				for _, b := range bodies {
					if _, err := b.Read(make([]byte, 1)); !errors.Is(err, ErrSessionClosed) {
						t.Errorf("a read afterwards: %v", err)
					}
					b.Close()
				}
			})
		})
	}
}

// A body cut short is an error, never a shorter body (RFC 9112 §8).
func TestStreamBodyCutShort(t *testing.T) {
	s := newSession(t, Config{})
	server := record(t, func(_ int, req *http.Request) string {
		req.Close = true
		return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
	})
	resp, err := s.Get(t.Context(), server.URL, StreamBody())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body())
	var failed *IOError
	if string(b) != "hello" || !errors.As(err, &failed) || failed.Op != OpRead {
		t.Errorf("read %q, %v", b, err)
	}
	var chunks bytes.Buffer
	resp, err = s.Get(t.Context(), server.URL, StreamBody())
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for chunk, err := range resp.Chunks(3) {
		chunks.Write(chunk)
		last = err
	}
	if !errors.As(last, &failed) || chunks.String() != "hel" && chunks.String() != "hello" {
		t.Errorf("chunks %q, %v", chunks.String(), last)
	}
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
