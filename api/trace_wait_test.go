package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A body runs code of the caller's in these ways, and each takes three seconds of the
// bubble before there is anything to send.
type takesTime struct {
	io.Reader
	err error
}

func (b takesTime) Read(p []byte) (int, error) {
	time.Sleep(3 * time.Second)
	if b.err != nil {
		return 0, b.err
	}
	return b.Reader.Read(p)
}

type encodesLong struct{}

func (encodesLong) MarshalJSON() ([]byte, error) {
	time.Sleep(3 * time.Second)
	return json.Marshal("hello")
}

type measuresLong struct{ io.Reader }

func (measuresLong) Len() int {
	time.Sleep(3 * time.Second)
	return 5
}

func slowBodies() map[string]Option {
	hello := func() io.Reader { return io.LimitReader(strings.NewReader("hello"), 5) } // no Seek, no Len
	return map[string]Option{
		"reader": Body(takesTime{Reader: hello()}),
		"JSON":   JSON(encodesLong{}),
		"Len":    Body(measuresLong{hello()}),
	}
}

func instantly() *pipes {
	return &pipes{serve: answering(func(int, int, *http.Request) string { return ok })}
}

// The wait begins when the call does, also where it is for the call's own body.
func TestTraceOfTheWaitForABody(t *testing.T) {
	for name, body := range slowBodies() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, instantly(), Config{}, func(t *testing.T, s *Session) {
				resp, err := s.Post(t.Context(), "http://h/", body)
				if err != nil {
					t.Fatal(err)
				}
				if tr := resp.Trace(); tr.Queued < 3*time.Second || tr.Total < tr.Queued || tr.Total > time.Minute {
					t.Errorf("%+v", tr)
				}
			})
		})
	}
}

// A call that ends while it waits for its body has waited, and has got no further.
func TestTheWaitForABodyEnds(t *testing.T) {
	for name, body := range slowBodies() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, instantly(), Config{}, func(t *testing.T, s *Session) {
				_, err := s.Post(t.Context(), "http://h/", body, Timeout(2*time.Second))
				var failed *HTTPConnectionError
				if !errors.As(err, &failed) || failed.Op != OpQueue || failed.Sent != SentNothing || !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("got %#v", err)
				}
				time.Sleep(time.Minute) // so that the Read ends
				// What can't be interrupted is waited for.
				if tr := failed.Trace; tr.Queued < 2*time.Second || tr.Total != tr.Queued || tr.Queued > 3*time.Second || tr.Attempts != 1 {
					t.Errorf("%+v", tr)
				}
			})
		})
	}
	t.Run("by the session", func(t *testing.T) {
		inBubble(t, instantly(), Config{}, func(t *testing.T, s *Session) {
			time.AfterFunc(2*time.Second, func() { s.Close() })
			_, err := s.Post(t.Context(), "http://h/", Body(takesTime{Reader: strings.NewReader("x")}))
			time.Sleep(time.Minute)
			var failed *HTTPConnectionError
			if !errors.As(err, &failed) || failed.Op != OpQueue || !errors.Is(err, ErrSessionClosed) || failed.Trace.Queued != 2*time.Second || failed.Trace.Total != 2*time.Second {
				t.Errorf("got %#v", err)
			}
		})
	})
	t.Run("by the body", func(t *testing.T) {
		inBubble(t, instantly(), Config{}, func(t *testing.T, s *Session) {
			broken := errors.New("broken")
			_, err := s.Post(t.Context(), "http://h/", Body(takesTime{err: broken}))
			var failed *IOError
			if !errors.As(err, &failed) || failed.Op != OpWrite || failed.Sent != SentNothing || !errors.Is(err, broken) || failed.Trace.Total != 3*time.Second {
				t.Errorf("got %#v", err)
			}
		})
	})
}

// dripping gives one byte and then blocks for long, and can be read again.
type dripping struct {
	*strings.Reader
	blocks bool
}

func (b *dripping) Read(p []byte) (int, error) {
	if b.blocks {
		time.Sleep(time.Hour) // of the bubble
	}
	b.blocks = true
	return b.Reader.Read(p[:1])
}

// So does the wait between two requests, for a body that still is read: it ends with an
// error like others of that wait.
func TestTheWaitForABodyBetweenTwoRequests(t *testing.T) {
	for _, st := range steps {
		if st.name == "417" {
			continue // nothing of its body is read before
		}
		head := strings.NewReplacer("302", "307", "303", "307").Replace(st.head) // with the body
		t.Run(st.name, func(t *testing.T) {
			m := &pipes{serve: func(_ int, c net.Conn) {
				http.ReadRequest(bufio.NewReader(c))
				io.WriteString(c, "HTTP/1.1 "+head+"\r\nContent-Length: 0\r\n\r\n")
				io.Copy(io.Discard, c)
			}}
			inBubble(t, m, st.cfg, func(t *testing.T, s *Session) {
				body := &dripping{Reader: strings.NewReader("hello")}
				_, err := s.Put(t.Context(), "http://h/", append([]Option{Body(body), Timeout(20 * time.Second)}, st.opts...)...)
				var failed *HTTPConnectionError
				if !errors.As(err, &failed) || failed.Op != OpQueue || !errors.Is(err, context.DeadlineExceeded) || failed.Trace.Total != 20*time.Second || failed.Trace.Attempts != 1 {
					t.Errorf("got %#v", err)
				}
				time.Sleep(2 * time.Hour) // so that the Read ends
			})
		})
	}
}
