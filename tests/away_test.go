package tests

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// An outage under many uploads: the server goes away, cuts every connection, and comes
// back a while later. With Retry.Attempts all that may be repeated succeeds.

const (
	uploads  = 200
	atATime  = 16
	fileSize = 100_000
)

// away is a server in memory that can be away.
type away struct {
	pipes
	mu      sync.Mutex
	gone    bool
	outages map[int]time.Duration // after so many requests, for so long
	conns   map[net.Conn]bool
	came    int
	arrived arrivals
}

// arrivals counts how often each upload came whole.
type arrivals struct {
	mu    sync.Mutex
	count map[string]int
}

func (a *arrivals) add(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count == nil {
		a.count = map[string]int{}
	}
	a.count[name]++
}

func (a *arrivals) of(name string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count[name]
}

func newAway(outages map[int]time.Duration) *away {
	a := &away{outages: outages, conns: map[net.Conn]bool{}}
	a.serve = a.answer
	a.dial = func(context.Context, int) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.leave(); a.gone {
			return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		return nil
	}
	return a
}

// leave begins the outage that is due.
func (a *away) leave() {
	for after, length := range a.outages {
		if a.came < after {
			continue
		}
		delete(a.outages, after)
		a.gone = true
		for c := range a.conns {
			c.Close()
		}
		time.AfterFunc(length, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.gone = false
		})
	}
}

func (a *away) answer(_ int, c net.Conn) {
	a.mu.Lock()
	a.conns[c] = true
	if a.gone { // between the dial and this
		c.Close()
	}
	a.mu.Unlock()
	in := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		a.mu.Lock()
		a.came++
		a.leave()
		a.mu.Unlock()
		if n, err := io.Copy(io.Discard, req.Body); err != nil || n != fileSize {
			return
		}
		a.arrived.add(req.URL.RawQuery)
		time.Sleep(10 * time.Millisecond) // of the bubble
		if _, err := io.WriteString(c, answerOf("ok")); err != nil {
			return
		}
	}
}

// uploading is one way to send files.
type uploading struct {
	name string
	opts []api.Option
	safe bool // it may be sent twice
}

var waysToUpload = []uploading{
	{"PUT", []api.Option{api.Method("PUT")}, true},
	{"POST with a key", []api.Option{api.Headers{"Idempotency-Key": "k"}}, true},
	{"POST", nil, false},
}

// all sends every file and checks how each went.
func (u uploading) all(t *testing.T, s *api.Session, url string, arrived *arrivals) {
	t.Helper()
	var next, cut atomic.Int32
	file := strings.Repeat("x", fileSize)
	err := callers(atATime, func(int) error {
		for n := next.Add(1); n <= uploads; n = next.Add(1) {
			name := fmt.Sprintf("n=%d", n)
			resp, err := s.Upload(t.Context(), url+"/?"+name, strings.NewReader(file), u.opts...)
			times := arrived.of(name)
			var broken *api.IOError
			switch {
			case err == nil && resp.Status() == 200 && times > 0 && (u.safe || times == 1):
			case err == nil:
				return fmt.Errorf("%s: status %d, and it arrived %d times", name, resp.Status(), times)
			case u.safe || !errors.As(err, &broken) || broken.Sent == api.SentNothing || times > 1:
				return fmt.Errorf("%s arrived %d times: %w", name, times, err)
			default:
				cut.Add(1)
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("%v\n%s", err, s.Snapshot())
	}
	if n := int(cut.Load()); n > 2*atATime {
		t.Errorf("%d were cut off, with %d at a time", n, atATime)
	}
}

func TestUploadsOutliveAnOutage(t *testing.T) {
	t.Parallel()
	const length = 1500 * time.Millisecond
	for _, c := range []struct {
		name    string
		cfg     api.Config
		outages map[int]time.Duration
	}{
		{"in between", api.Config{}, map[int]time.Duration{100: length}},
		{"from the start", api.Config{}, map[int]time.Duration{0: length}},
		{"twice", api.Config{}, map[int]time.Duration{50: length, 150: length}},
		{"longer than the breaker is open", api.Config{}, map[int]time.Duration{100: 9 * time.Second}},
		{"no breaker", api.Config{Breaker: noBreaker}, map[int]time.Duration{100: length}},
		{"no breaker and no back-off", api.Config{Breaker: noBreaker, DialBackoff: api.DialBackoff{Disabled: true}}, map[int]time.Duration{100: length / 50}},
		{"open for a moment", api.Config{Breaker: api.Breaker{OpenFor: 100 * time.Millisecond}}, map[int]time.Duration{100: length}},
		{"three probes", api.Config{Breaker: api.Breaker{Probes: 3}}, map[int]time.Duration{100: length}},
		{"few connections", api.Config{MaxConnsPerOrigin: 4, MaxDialsPerOrigin: 1}, map[int]time.Duration{100: length}},
	} {
		for _, u := range waysToUpload {
			t.Run(c.name+"/"+u.name, func(t *testing.T) {
				t.Parallel()
				cfg := c.cfg
				cfg.Retry = api.Retry{Attempts: 6}
				a := newAway(c.outages)
				a.outages = map[int]time.Duration{}
				for after, length := range c.outages {
					a.outages[after] = length
				}
				inBubble(t, &a.pipes, cfg, func(t *testing.T, s *api.Session) {
					u.all(t, s, "http://h", &a.arrived)
				})
			})
		}
	}
}

// The same over real sockets. The outage is over when the breaker has opened, and the
// server was asked for in vain since.
func TestUploadsOutliveAnOutageOfARealServer(t *testing.T) {
	t.Parallel()
	for _, u := range waysToUpload {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			var arrived arrivals
			half := newGate()
			var came atomic.Int32
			o.route("/", func(x *exchange) bool {
				if came.Add(1) == uploads/2 {
					half.open()
				}
				if !x.take() || x.length != fileSize {
					return false
				}
				arrived.add(x.req.URL.RawQuery)
				return x.write(answerOf("ok"))
			})
			var log logbook
			s := newSession(t, api.Config{
				Retry:       api.Retry{Attempts: 6},
				Breaker:     api.Breaker{OpenFor: 50 * time.Millisecond},
				DialBackoff: api.DialBackoff{Max: 20 * time.Millisecond}, // or it would be seconds between two probes
				Logger:      slog.New(slog.NewTextHandler(&log, nil)),
			})
			over := start(func() error { u.all(t, s, o.URL, &arrived); return nil })
			receive(t, "half of them", half.ch)
			o.shut()
			eventually(t, "the server is asked for in vain", func() bool {
				return strings.Contains(log.String(), "from=half-open to=open")
			})
			o.restart(t)
			receive(t, "all uploads", over)
		})
	}
}
