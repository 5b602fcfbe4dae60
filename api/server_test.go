package api

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// recorded is a request as a server saw it.
type recorded struct {
	raw  string // every byte
	head string // up to the empty line, with it
	body string // decoded
	conn int    // the connection it came over, from 1
}

// recorder is a server that keeps the exact bytes of what it is sent.
type recorder struct {
	URL      string
	listener net.Listener
	answer   func(n int, req *http.Request) string

	mu       sync.Mutex
	requests []recorded
	conns    []net.Conn
	done     sync.WaitGroup
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// record starts a recorder. answer gives the bytes to send back to the nth
// request, from 1; the connection ends behind an empty one. nil is okAnswer.
func record(t testing.TB, answer func(n int, req *http.Request) string) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if answer == nil {
		answer = func(int, *http.Request) string { return okAnswer }
	}
	s := &recorder{URL: "http://" + l.Addr().String(), listener: l, answer: answer}
	s.done.Add(1)
	go s.accept()
	t.Cleanup(s.close)
	return s
}

// always answers every request with the same bytes.
func always(answer string) func(int, *http.Request) string {
	return func(int, *http.Request) string { return answer }
}

func (s *recorder) close() {
	s.listener.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

func (s *recorder) accept() {
	defer s.done.Done()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		n := len(s.conns)
		s.mu.Unlock()
		s.done.Add(1)
		go s.serve(c, n)
	}
}

func (s *recorder) serve(c net.Conn, conn int) {
	defer s.done.Done()
	defer c.Close()
	var raw bytes.Buffer
	br := bufio.NewReader(io.TeeReader(c, &raw))
	for {
		raw.Reset()
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		head, _, _ := bytes.Cut(raw.Bytes(), []byte("\r\n\r\n"))
		s.mu.Lock()
		s.requests = append(s.requests, recorded{raw.String(), string(head) + "\r\n\r\n", string(body), conn})
		n := len(s.requests)
		s.mu.Unlock()
		answer := s.answer(n, req)
		if _, err := io.WriteString(c, answer); err != nil || answer == "" || req.Close {
			return
		}
	}
}

// all are the requests so far.
func (s *recorder) all() []recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]recorded(nil), s.requests...)
}

// last is the latest request.
func (s *recorder) last(t testing.TB) recorded {
	t.Helper()
	all := s.all()
	if len(all) == 0 {
		t.Fatal("the server was sent nothing")
	}
	return all[len(all)-1]
}

// opened is how many connections came.
func (s *recorder) opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// loopback serves each connection on a goroutine, until the test ends.
func loopback(t *testing.T, serve func(net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return "http://" + l.Addr().String()
}

// newSystem is an actor system for several sessions: one of its own takes each of them
// milliseconds. Those of a bubble must have been made in it.
func newSystem() *actor.ActorSystem {
	silent := slog.New(slog.DiscardHandler)
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return silent }),
		actor.WithDeadLetterThrottleInterval(time.Millisecond),
	)
}

var sharedSystem = sync.OnceValue(newSystem)

// newSession is a session outside of bubbles that ends with the test. One dial at a time,
// unless cfg says otherwise: beside one that a busy machine holds up there would be another,
// and a connection more.
func newSession(t testing.TB, cfg Config) *Session {
	t.Helper()
	cfg.MaxDialsPerOrigin = cmp.Or(cfg.MaxDialsPerOrigin, 1)
	if cfg.System == nil {
		cfg.System = sharedSystem()
	}
	s, err := NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// withLength is a 200 answer with a body.
func withLength(body string, headers ...string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n", len(body))
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.String()
}
