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
	"testing/synctest"
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
	calls  int
	then   func(c net.Conn, paths []string)
	settle func() // returns when what is pipelined behind a request has come; nil: nothing can tell

	mu      sync.Mutex
	visits  map[string]int // by path
	crowded int            // requests on later connections that were not alone
}

// overSockets serves connections of the system, and gives the URL.
func (o *lineServer) overSockets(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				o.serve(n, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return "http://" + l.Addr().String()
}

func (o *lineServer) serve(n int, c net.Conn) {
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
	requests := make(chan string, o.calls)
	go func() {
		defer close(requests)
		for {
			path, err := o.read(in)
			if err != nil {
				return
			}
			requests <- path
		}
	}()
	for path := range requests {
		if o.settle != nil {
			o.settle()
		}
		o.mu.Lock()
		o.crowded += len(requests)
		o.mu.Unlock()
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
	if o.visits == nil {
		o.visits = map[string]int{}
	}
	o.visits[req.URL.Path]++
	return req.URL.Path, err
}

func (o *lineServer) visitsTo(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.visits[path]
}

// lineBreak is a way in which a connection ends under many calls.
type lineBreak struct {
	name  string
	end   func(c net.Conn, path string)
	fails bool // the first call that is unanswered does
	whole bool // the end is an answer too
	cfg   api.Config
}

var lineBreaks = []lineBreak{
	{name: "closed", end: func(c net.Conn, _ string) { c.Close() }},
	{name: "reset", end: func(c net.Conn, _ string) { abort(c) }},
	{name: "half an answer", end: func(c net.Conn, path string) {
		io.WriteString(c, strings.TrimSuffix(answerOf(path), path))
		c.Close()
	}, fails: true},
	{name: "garbage", end: func(c net.Conn, _ string) {
		io.WriteString(c, "garbage\r\n\r\n")
		io.Copy(io.Discard, c)
	}, fails: true},
	{name: "Connection: close", end: func(c net.Conn, path string) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n"+strings.TrimPrefix(answerOf(path), "HTTP/1.1 200 OK\r\n"))
		io.Copy(io.Discard, c)
	}, whole: true},
}

// lineSilence is for a bubble: only there every answer comes within a second.
var lineSilence = lineBreak{name: "silence", cfg: api.Config{ResponseHeaderTimeout: time.Second}, end: func(c net.Conn, _ string) {
	io.Copy(io.Discard, c)
}, fails: true}

// pipelineBreaks: however a connection ends under many calls, those that were
// answered stay so, and exactly the others are sent again, once, each alone; but the
// one whose answer had begun, or did not come in time, fails.
func pipelineBreaks(t *testing.T) {
	const calls = 6
	for _, answered := range []int{0, 1, calls - 1} {
		for _, retries := range []int{0, -1} {
			name := fmt.Sprintf("/%d answered/attempts %d", answered, retries)
			for _, b := range lineBreaks {
				t.Run(b.name+name, func(t *testing.T) {
					noLeaks(t)
					o, unanswered := b.server(calls, answered)
					b.cfg.Pipeline.Depth, b.cfg.Retry.Attempts = calls, retries
					url := o.overSockets(t)
					b.holds(t, newSession(t, b.cfg), o, url, answered, retries, unanswered)
				})
			}
			for _, b := range append(lineBreaks, lineSilence) {
				t.Run(b.name+name+"/in memory", func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o, unanswered := b.server(calls, answered)
						o.settle = func() { time.Sleep(moment) }
						p := &pipes{serve: o.serve}
						b.cfg.Driver, b.cfg.Pipeline.Depth, b.cfg.Retry.Attempts = p, calls, retries
						s := newSession(t, b.cfg)
						b.holds(t, s, o, "http://h", answered, retries, unanswered)
						s.Close()
						p.conns.Wait()
					})
				})
			}
		}
	}
}

// server ends its first connection behind so many answers to so many calls. The channel
// gets the first call that is unanswered.
func (b lineBreak) server(calls, answered int) (*lineServer, <-chan string) {
	unanswered := make(chan string, 1)
	return &lineServer{calls: calls, then: func(c net.Conn, paths []string) {
		for _, path := range paths[:answered] {
			io.WriteString(c, answerOf(path))
		}
		unanswered <- paths[answered]
		b.end(c, paths[answered])
	}}, unanswered
}

// holds makes the calls, and checks what became of them.
func (b lineBreak) holds(t *testing.T, s *api.Session, o *lineServer, url string, answered, retries int, unanswered <-chan string) {
	t.Helper()
	if _, err := s.Get(soon(t), url+"/first"); err != nil {
		t.Fatal(err)
	}
	wantQuiet(t, s) // the connection has been handed back
	errs := each(o.calls, func(i int) error {
		path := fmt.Sprintf("/%d", i)
		resp, err := s.Get(soon(t), url+path)
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
		if retries == 0 && (err != nil) != (b.fails && path == first) {
			t.Errorf("%s: %v; the first unanswered is %s", path, err, first)
		}
	}
	want := o.calls - answered
	if b.whole {
		want--
	}
	switch {
	case retries < 0 && (failed != want || again != 0):
		t.Errorf("%d failed, %d were sent again; want %d and none", failed, again, want)
	case retries == 0 && b.fails && again != want-1, retries == 0 && !b.fails && again != want:
		t.Errorf("%d of %d were sent again", again, want)
	}
	if o.crowded > 0 {
		t.Errorf("%d of those sent again were not alone", o.crowded)
	}
	if got := s.Snapshot().Origins[0]; got.Failures > 1 {
		t.Errorf("the breaker counted %d failures of one connection", got.Failures)
	}
}

// pathOf answers with the path that was asked for.
func pathOf(path string) string { return answerOf(path) }

// busyServer is a server that notes how many requests are unanswered on a connection when
// one comes that must be alone. It is for a bubble, where all that can come has come when
// time has passed.
type busyServer struct {
	answers func(path string) string
	most    atomic.Int64 // unanswered on one connection at once
	company atomic.Int64 // calls on a connection while one under /alone was on it
	hold    *gate        // no answer but the first of each connection before it opens
}

func (o *busyServer) serve(_ int, c net.Conn) {
	due := make(chan string, 1000)
	var unanswered atomic.Int64
	over := make(chan struct{})
	defer func() { close(due); <-over }()
	go func() {
		defer close(over)
		defer c.Close()
		n := 0
		for path := range due {
			if n++; n > 1 {
				<-o.hold.ch
			}
			if strings.HasPrefix(path, "/alone") {
				time.Sleep(moment)
				o.company.Add(unanswered.Load() - 1)
			}
			unanswered.Add(-1) // the client may send the next as soon as it has read this
			io.WriteString(c, o.answers(path))
		}
	}()
	for in := bufio.NewReader(c); ; {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		n := unanswered.Add(1)
		if strings.HasPrefix(req.URL.Path, "/alone") {
			o.company.Add(n - 1)
		}
		o.note(n)
		due <- req.URL.Path
	}
}

// note keeps the most there were.
func (o *busyServer) note(n int64) {
	for {
		most := o.most.Load()
		if n <= most || o.most.CompareAndSwap(most, n) {
			return
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
			o := &busyServer{answers: pathOf}
			cfg := api.Config{MaxConnsPerOrigin: 2, Pipeline: api.Pipeline{Depth: 32}}
			inBubble(t, &pipes{serve: o.serve}, cfg, func(t *testing.T, s *api.Session) {
				o.hold = newGate()
				o.hold.open()
				if err := callers(16, func(i int) error {
					for j := range 20 {
						if err := second(s.Get(t.Context(), "http://h/shared")); err != nil {
							return err
						}
						if j%5 == i%5 {
							if err := tt.call(t.Context(), s, "http://h/alone"); err != nil {
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
				if n := o.most.Load(); n < 2 {
					t.Errorf("no connection was ever shared")
				}
			})
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
		cfg     api.Pipeline
		answers func(string) string
		shares  bool
	}{
		{"not asked for", api.Pipeline{}, pathOf, false},
		{"a depth of one", api.Pipeline{Depth: 1}, pathOf, false},
		{"for another origin", api.Pipeline{Depth: 8, Origins: []string{"http://h:81"}}, pathOf, false},
		{"HTTP/1.0", api.Pipeline{Depth: 8}, old, false},
		{"for all", api.Pipeline{Depth: 8}, pathOf, true},
		{"for this origin", api.Pipeline{Depth: 8, Origins: []string{"https://h", "http://h"}}, pathOf, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &busyServer{answers: tt.answers}
			cfg := api.Config{MaxConnsPerOrigin: 1, Pipeline: tt.cfg}
			inBubble(t, &pipes{serve: o.serve}, cfg, func(t *testing.T, s *api.Session) {
				o.hold = newGate()
				if err := second(s.Get(t.Context(), "http://h/")); err != nil {
					t.Fatal(err)
				}
				done := start(func() error {
					return callers(20, func(int) error { return second(s.Get(t.Context(), "http://h/")) })
				})
				synctest.Wait() // until nobody can do any more
				o.hold.open()
				if err := receive(t, "the calls", done); err != nil {
					t.Error(err)
				}
				if n, want := o.most.Load(), map[bool]int64{true: 8, false: 1}[tt.shares]; n != want {
					t.Errorf("%d were unanswered at once, want %d", n, want)
				}
			})
		})
	}
}
