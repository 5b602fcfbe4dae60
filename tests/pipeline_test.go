package tests

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// pipelining: see RFC 9112 §9.3.2.
func pipelining(t *testing.T) {
	t.Run("opt-in", pipelineIsOptIn)
	t.Run("for-some", pipelineIsForSome)
	t.Run("breaks", pipelineBreaks)
}

// lineServer answers the first request of its first connection, reads so many more
// before it does to them what the test says, and answers everything on other
// connections with its path.
type lineServer struct {
	URL   string
	calls int
	then  func(c *net.TCPConn, paths []string)

	running sync.WaitGroup
	mu      sync.Mutex
	visits  map[string]int // by path
	crowded int            // requests on later connections that were not alone
	conns   int
}

func newLineServer(t *testing.T, calls int, then func(c *net.TCPConn, paths []string)) *lineServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &lineServer{URL: "http://" + l.Addr().String(), calls: calls, then: then, visits: map[string]int{}}
	o.running.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			o.running.Go(func() {
				defer c.Close()
				o.serve(c.(*net.TCPConn), n)
			})
		}
	})
	t.Cleanup(func() { l.Close(); o.running.Wait() })
	return o
}

func (o *lineServer) serve(c *net.TCPConn, n int) {
	o.mu.Lock()
	o.conns = max(o.conns, n)
	o.mu.Unlock()
	in := bufio.NewReader(c)
	if n == 1 {
		path, _ := o.read(in)
		io.WriteString(c, answerOf(path))
		var paths []string
		for range o.calls {
			path, err := o.read(in)
			if err != nil {
				return
			}
			paths = append(paths, path)
		}
		o.then(c, paths)
		return
	}
	for {
		path, err := o.read(in)
		if err != nil {
			return
		}
		time.Sleep(time.Millisecond) // what is pipelined behind it comes by then
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := in.Peek(1); err == nil {
			o.mu.Lock()
			o.crowded++
			o.mu.Unlock()
		}
		c.SetReadDeadline(time.Time{})
		if _, err := io.WriteString(c, answerOf(path)); err != nil {
			return
		}
	}
}

func (o *lineServer) read(in *bufio.Reader) (path string, err error) {
	req, err := http.ReadRequest(in)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, req.Body)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.visits[req.URL.Path]++
	return req.URL.Path, err
}

func (o *lineServer) visitsTo(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.visits[path]
}

// pipelineBreaks: however a connection ends under many calls, those that were
// answered stay so, and exactly the others are sent again, once, each alone; but the
// one whose answer had begun, or did not come in time, fails.
func pipelineBreaks(t *testing.T) {
	const calls = 6
	for _, tt := range []struct {
		name  string
		cfg   api.Config
		end   func(c *net.TCPConn, path string)
		fails bool // the first that is unanswered does
	}{
		{name: "closed", end: func(c *net.TCPConn, _ string) { c.Close() }},
		{name: "reset", end: func(c *net.TCPConn, _ string) { c.SetLinger(0); c.Close() }},
		{name: "half an answer", end: func(c *net.TCPConn, path string) {
			io.WriteString(c, strings.TrimSuffix(answerOf(path), path))
			c.Close()
		}, fails: true},
		{name: "garbage", end: func(c *net.TCPConn, _ string) {
			io.WriteString(c, "garbage\r\n\r\n")
			io.Copy(io.Discard, c)
		}, fails: true},
		{name: "Connection: close", end: func(c *net.TCPConn, path string) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n"+strings.TrimPrefix(answerOf(path), "HTTP/1.1 200 OK\r\n"))
			io.Copy(io.Discard, c)
		}},
		{name: "silence", cfg: api.Config{ResponseHeaderTimeout: 100 * time.Millisecond}, end: func(c *net.TCPConn, _ string) {
			io.Copy(io.Discard, c)
		}, fails: true},
	} {
		for _, answered := range []int{0, 1, calls - 1} {
			for _, retries := range []int{0, -1} {
				t.Run(fmt.Sprintf("%s/%d answered/attempts %d", tt.name, answered, retries), func(t *testing.T) {
					noLeaks(t)
					unanswered := make(chan string, 1)
					whole := answered
					o := newLineServer(t, calls, func(c *net.TCPConn, paths []string) {
						for _, path := range paths[:answered] {
							io.WriteString(c, answerOf(path))
						}
						unanswered <- paths[answered]
						tt.end(c, paths[answered])
					})
					if tt.name == "Connection: close" {
						whole++
					}
					cfg := tt.cfg
					cfg.Pipeline.Depth, cfg.Retry.Attempts = calls, retries
					s := newSession(t, cfg)
					if _, err := s.Get(soon(t), o.URL+"/first"); err != nil {
						t.Fatal(err)
					}
					wantQuiet(t, s) // the connection has been handed back
					errs := each(calls, func(i int) error {
						path := fmt.Sprintf("/%d", i)
						resp, err := s.Get(soon(t), o.URL+path)
						if err == nil && resp.Text() != path {
							t.Errorf("%s: got %q", path, resp.Text())
						}
						return err
					})
					wantQuiet(t, s)
					failed, again, first := 0, 0, receive(t, "the first that is unanswered", unanswered)
					for i, err := range errs {
						path := fmt.Sprintf("/%d", i)
						again += o.visitsTo(path) - 1
						if err != nil {
							failed++
						}
						if retries == 0 && (err != nil) != (tt.fails && path == first) {
							t.Errorf("%s: %v; the first unanswered is %s", path, err, first)
						}
					}
					want := calls - whole
					switch {
					case retries < 0 && (failed != want || again != 0):
						t.Errorf("%d failed, %d were sent again; want %d and none", failed, again, want)
					case retries == 0 && tt.fails && again != want-1, retries == 0 && !tt.fails && again != want:
						t.Errorf("%d of %d were sent again", again, want)
					}
					if o.crowded > 0 {
						t.Errorf("%d of those sent again were not alone", o.crowded)
					}
					if b := s.Snapshot().Origins[0]; b.Failures > 1 {
						t.Errorf("the breaker counted %d failures of one connection", b.Failures)
					}
				})
			}
		}
	}
}

// pathOf answers with the path that was asked for.
func pathOf(path string) string { return answerOf(path) }

// busyServer is a server that notes how many requests are unanswered on a connection when
// one comes that must be alone.
type busyServer struct {
	URL     string
	answers func(path string) string
	most    atomic.Int64 // unanswered on one connection at once
	company atomic.Int64 // calls on a connection while one under /alone was on it
	hold    *gate        // no answer but the first of each connection before it opens
}

func newBusyServer(t *testing.T, answers func(path string) string) *busyServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &busyServer{URL: "http://" + l.Addr().String(), answers: answers, hold: newGate()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { o.serve(c, &running) })
		}
	})
	t.Cleanup(func() { o.hold.open(); l.Close(); running.Wait() })
	return o
}

func (o *busyServer) serve(c net.Conn, running *sync.WaitGroup) {
	due := make(chan string, 1000)
	running.Go(func() {
		defer c.Close()
		for n, path := 0, ""; ; n++ {
			var ok bool
			if path, ok = <-due; !ok {
				return
			}
			if n > 0 {
				<-o.hold.ch
			}
			if strings.HasPrefix(path, "/alone") {
				time.Sleep(2 * time.Millisecond)
				o.company.Add(int64(len(due)))
			}
			io.WriteString(c, o.answers(path))
		}
	})
	defer close(due)
	for in := bufio.NewReader(c); ; {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		if strings.HasPrefix(req.URL.Path, "/alone") {
			o.company.Add(int64(len(due)))
		}
		due <- req.URL.Path
		for n := int64(len(due)); n > o.most.Load(); {
			o.most.Store(n)
		}
	}
}

// pipelineIsForSome: what may not be repeated, or says that it wants to be alone,
// has the connection for itself.
func pipelineIsForSome(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(ctx context.Context, s *api.Session, url string) error
	}{
		{"POST", func(ctx context.Context, s *api.Session, url string) error { return second(s.Post(ctx, url)) }},
		{"PATCH", func(ctx context.Context, s *api.Session, url string) error { return second(s.Patch(ctx, url)) }},
		{"POST with a key", func(ctx context.Context, s *api.Session, url string) error {
			return second(s.Post(ctx, url, api.Headers{"Idempotency-Key": "1"}))
		}},
		{"PUT with a body", func(ctx context.Context, s *api.Session, url string) error {
			return second(s.Put(ctx, url, api.JSON(1)))
		}},
		{"stream", func(ctx context.Context, s *api.Session, url string) error {
			return second(s.Get(ctx, url, api.Stream(func([]byte) error { return nil }, 0)))
		}},
		{"close", func(ctx context.Context, s *api.Session, url string) error {
			return second(s.Get(ctx, url, api.Headers{"Connection": "close"}))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newBusyServer(t, pathOf)
			o.hold.open()
			s := newSession(t, api.Config{MaxConnsPerOrigin: 2, Pipeline: api.Pipeline{Depth: 32}})
			if err := callers(16, func(i int) error {
				for j := range 20 {
					if err := second(s.Get(soon(t), o.URL+"/shared")); err != nil {
						return err
					}
					if j%5 == i%5 {
						if err := tt.call(soon(t), s, o.URL+"/alone"); err != nil {
							return err
						}
					}
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			if n := o.company.Load(); n != 0 {
				t.Errorf("%d requests were on a connection with one that was to be alone", n)
			}
		})
	}
}

// pipelineIsOptIn: who did not ask for it, or not for this origin, or whose server
// speaks HTTP/1.0, gets one request at a time.
func pipelineIsOptIn(t *testing.T) {
	old := func(path string) string {
		return fmt.Sprintf("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
	}
	for _, tt := range []struct {
		name    string
		cfg     func(url string) api.Pipeline
		answers func(string) string
		shares  bool
	}{
		{"not asked for", func(string) api.Pipeline { return api.Pipeline{} }, pathOf, false},
		{"a depth of one", func(string) api.Pipeline { return api.Pipeline{Depth: 1} }, pathOf, false},
		{"for another origin", func(string) api.Pipeline { return api.Pipeline{Depth: 8, Origins: []string{"http://127.0.0.1"}} }, pathOf, false},
		{"HTTP/1.0", func(string) api.Pipeline { return api.Pipeline{Depth: 8} }, old, false},
		{"for all", func(string) api.Pipeline { return api.Pipeline{Depth: 8} }, pathOf, true},
		{"for this origin", func(url string) api.Pipeline { return api.Pipeline{Depth: 8, Origins: []string{"https://h", url}} }, pathOf, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newBusyServer(t, tt.answers)
			s := newSession(t, api.Config{MaxConnsPerOrigin: 1, Pipeline: tt.cfg(o.URL)})
			if err := second(s.Get(soon(t), o.URL+"/")); err != nil {
				t.Fatal(err)
			}
			done := start(func() error {
				return callers(20, func(int) error { return second(s.Get(soon(t), o.URL+"/")) })
			})
			if tt.shares {
				eventually(t, "as many requests as the depth allows", func() bool { return o.most.Load() >= 7 })
			} else {
				eventually(t, "the rest waits", func() bool { return s.Snapshot().Origins[0].Queued == 19 })
			}
			o.hold.open()
			if err := receive(t, "the calls", done); err != nil {
				t.Error(err)
			}
			if n := o.most.Load(); n > 8 || !tt.shares && n > 1 {
				t.Errorf("%d were unanswered at once", n)
			}
		})
	}
}
