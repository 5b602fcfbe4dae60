package api

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// This file is about calls to an origin that takes none for a while.

// awayFor is a server whose port refuses until so long after the first dial.
func awayFor(d time.Duration) *pipes {
	var mu sync.Mutex // dials may be under way at the same time
	var back time.Time
	return &pipes{
		serve: answering(func(int, int, *http.Request) string { return ok }),
		fail: func(int) error {
			mu.Lock()
			defer mu.Unlock()
			if back.IsZero() {
				back = time.Now().Add(d)
			}
			if time.Now().Before(back) {
				return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return nil
		},
	}
}

// oneFailureOpens is a breaker that one failure opens for five seconds.
var oneFailureOpens = Breaker{Failures: 1}

func TestCallWaitsForAnOpenBreaker(t *testing.T) {
	const openFor = 5 * time.Second
	for _, c := range []struct {
		name     string
		retry    Retry
		opts     []Option
		canceled time.Duration // 0: never
		took     time.Duration
		err      error
	}{
		{"zero Retry", Retry{}, nil, 0, 0, ErrCircuitOpen},
		{"turned off", Retry{Attempts: -1}, nil, 0, 0, ErrCircuitOpen},
		{"Attempts", Retry{Attempts: 2}, nil, 0, openFor, nil},
		{"Attempts by Statuses", Retry{Statuses: []int{503}}, nil, 0, openFor, nil},
		{"FailFast", Retry{Attempts: 6, FailFast: true}, nil, 0, 0, ErrCircuitOpen},
		{"Forwarding", Retry{Attempts: 6, Forwarding: true}, nil, 0, 0, ErrCircuitOpen},
		{"MaxWait", Retry{Attempts: 2, MaxWait: openFor}, nil, 0, openFor, nil},
		{"MaxWait too short", Retry{Attempts: 2, MaxWait: openFor - 1}, nil, 0, 0, ErrCircuitOpen},
		{"no MaxWait", Retry{Attempts: 2, MaxWait: -1}, nil, 0, openFor, nil},
		{"the longest MaxWait", Retry{Attempts: 2, MaxWait: math.MaxInt64}, nil, 0, openFor, nil},
		{"deadline", Retry{Attempts: 2}, []Option{Timeout(openFor + time.Second)}, 0, openFor, nil},
		{"deadline too soon", Retry{Attempts: 2}, []Option{Timeout(openFor)}, 0, 0, ErrCircuitOpen},
		{"the longest deadline", Retry{Attempts: 2}, []Option{Timeout(math.MaxInt64)}, 0, openFor, nil},
		{"canceled", Retry{Attempts: 2}, nil, time.Second, time.Second, context.Canceled},
		{"a body that is there once", Retry{Attempts: 2}, []Option{Body(onlyReader{})}, 0, openFor, nil},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(c.name+" "+method, func(t *testing.T) {
				inBubble(t, awayFor(time.Second), Config{Retry: c.retry, Breaker: oneFailureOpens}, func(t *testing.T, s *Session) {
					s.Post(t.Context(), "http://h/", Body(onlyReader{})) // fails, and can't be made again
					began := time.Now()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if c.canceled > 0 {
						time.AfterFunc(c.canceled, cancel)
					}
					_, err := s.Request(ctx, method, "http://h/", c.opts...)
					if took := time.Since(began); !errors.Is(err, c.err) || took != c.took {
						t.Fatalf("%v after %v", err, took)
					}
					var no *HTTPConnectionError
					switch {
					case err == nil:
					case !errors.As(err, &no) || no.Op != OpQueue || no.Sent != SentNothing:
						t.Errorf("got %v", err)
					case c.err == ErrCircuitOpen && !no.RetryAt.Equal(began.Add(openFor)):
						t.Errorf("RetryAt is in %v, want %v", no.RetryAt.Sub(began), openFor)
					}
				})
			})
		}
	}
}

// onlyReader is an empty body that can't be sent twice.
type onlyReader struct{}

func (onlyReader) Read([]byte) (int, error) { return 0, io.EOF }

// Without a breaker: the origin's back-off after a failed dial.
func TestCallWaitsForABackoff(t *testing.T) {
	const backoff = 4 * time.Second // two to four, as it is drawn
	cfg := Config{Breaker: Breaker{Disabled: true}, DialBackoff: DialBackoff{Initial: backoff}}
	for _, c := range []struct {
		name  string
		retry Retry
		opts  []Option
		waits bool
		err   error
	}{
		{"zero Retry", Retry{}, nil, true, nil},
		{"Forwarding alone", Retry{Forwarding: true}, nil, true, nil},
		{"Attempts", Retry{Attempts: 2}, nil, true, nil},
		{"FailFast", Retry{FailFast: true}, nil, false, ErrDialBackoff},
		{"FailFast, Attempts", Retry{Attempts: 6, FailFast: true}, nil, false, ErrDialBackoff},
		{"Forwarding, Attempts", Retry{Attempts: 6, Forwarding: true}, nil, false, ErrDialBackoff},
		{"MaxWait too short", Retry{Attempts: 2, MaxWait: time.Second}, nil, false, ErrDialBackoff},
		{"deadline too soon", Retry{Attempts: 2}, []Option{Timeout(time.Second)}, false, ErrDialBackoff},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg.Retry = c.retry
			inBubble(t, awayFor(time.Millisecond), cfg, func(t *testing.T, s *Session) {
				_, err := s.Post(t.Context(), "http://h/", Body(onlyReader{})) // can't be made again
				var no *HTTPConnectionError
				if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &no) || no.Op != OpDial {
					t.Fatalf("got %v", err)
				}
				began, until := time.Now(), no.RetryAt
				if left := until.Sub(began); left < backoff/2 || left > backoff {
					t.Fatalf("the failed dial says to try again in %v", left)
				}
				_, err = s.Get(t.Context(), "http://h/", c.opts...)
				if c.waits {
					if err != nil || !time.Now().Equal(until) {
						t.Errorf("%v after %v", err, time.Since(began))
					}
					return
				}
				if !errors.Is(err, c.err) || !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began) != 0 {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				if !errors.As(err, &no) || !no.RetryAt.Equal(until) || no.Op != OpQueue || no.Sent != SentNothing {
					t.Errorf("%+v", no)
				}
			})
		})
	}
}

// The wait takes no attempt, and no budget, whoever waits: with a server that is away
// for a minute, the breaker's first failures aside, each probe costs its own call one.
func TestWaitingCostsNoAttempt(t *testing.T) {
	m := awayFor(time.Minute)
	cfg := Config{Retry: Retry{Attempts: 3, MaxWait: time.Hour, MinBudget: -1}, Breaker: Breaker{Failures: 1}}
	inBubble(t, m, cfg, func(t *testing.T, s *Session) {
		var answered, attempts atomic.Int32
		for range 20 {
			go func() {
				resp, err := s.Post(t.Context(), "http://h/")
				if err != nil {
					t.Error(err)
					return
				}
				attempts.Add(int32(resp.Trace().Attempts))
				answered.Add(1)
			}()
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if answered.Load() != 20 {
			t.Errorf("%d of 20 were answered", answered.Load())
		}
		if failed := int(attempts.Load()) - 20; failed > m.dials-1 {
			t.Errorf("%d attempts failed over %d dials", failed, m.dials)
		}
		if o := s.Snapshot().Origins[0]; o.Retries != 0 || o.Rejected != 0 {
			t.Errorf("it took from the budget, or was refused: %+v", o)
		}
	})
}

// MaxWait is for all waits of a call together.
func TestMaxWaitIsForTheWholeCall(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{
		4 * time.Second: 0, 5 * time.Second: 5 * time.Second, 14 * time.Second: 10 * time.Second, 15 * time.Second: 15 * time.Second,
	} {
		cfg := Config{Retry: Retry{Attempts: 100, MaxWait: wait}, Breaker: oneFailureOpens}
		inBubble(t, awayFor(time.Hour), cfg, func(t *testing.T, s *Session) {
			began := time.Now()
			_, err := s.Get(t.Context(), "http://h/")
			var no *HTTPConnectionError
			if !errors.Is(err, ErrCircuitOpen) || !errors.As(err, &no) || time.Since(began) != want || !no.RetryAt.Equal(began.Add(want+5*time.Second)) {
				t.Errorf("MaxWait %v: %v after %v", wait, err, time.Since(began))
			}
		})
	}
}

func TestWaitingCallsEndWithTheSession(t *testing.T) {
	for name, end := range map[string]func(*Session) error{
		"Close":    (*Session).Close,
		"Shutdown": func(s *Session) error { return s.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Retry: Retry{Attempts: 2}, Breaker: Breaker{Failures: 1, OpenFor: 20 * time.Second}}
			inBubble(t, awayFor(time.Hour), cfg, func(t *testing.T, s *Session) {
				began, ended := time.Now(), make(chan error)
				go func() {
					_, err := s.Get(t.Context(), "http://h/")
					ended <- err
				}()
				time.Sleep(time.Second)
				synctest.Wait()
				if o := s.Snapshot().Origins[0]; o.Queued != 1 || o.Oldest != time.Second {
					t.Errorf("it is not in the queue: %+v", o)
				}
				go end(s)
				if err := <-ended; !errors.Is(err, ErrSessionClosed) || time.Since(began) != time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		})
	}
}

func TestLeaseWaits(t *testing.T) {
	for _, c := range []struct {
		retry Retry
		took  time.Duration
		err   error
	}{{Retry{Attempts: 2}, 5 * time.Second, nil}, {Retry{}, 0, ErrCircuitOpen}, {Retry{Attempts: 2, FailFast: true}, 0, ErrCircuitOpen}} {
		inBubble(t, awayFor(time.Second), Config{Retry: c.retry, Breaker: oneFailureOpens}, func(t *testing.T, s *Session) {
			if _, err := s.Lease(t.Context(), "http://h/"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatal(err) // it is tried once
			}
			began := time.Now()
			lease, err := s.Lease(t.Context(), "http://h/")
			if !errors.Is(err, c.err) || time.Since(began) != c.took {
				t.Errorf("%+v: %v after %v", c.retry, err, time.Since(began))
			}
			var no *HTTPConnectionError
			if c.err != nil && (!errors.As(err, &no) || !no.RetryAt.Equal(began.Add(5*time.Second))) {
				t.Errorf("%+v", err)
			}
			lease.Release()
		})
	}
}

// Where the budget is why there is no further try, the error says so; where something
// else is, it does not.
func TestErrorNamesTheBudget(t *testing.T) {
	for _, c := range []struct {
		name  string
		retry Retry
		opts  []Option
		want  bool
	}{
		{"used up", Retry{Attempts: 3, MinBudget: -1}, nil, true},
		{"left", Retry{Attempts: 3, Budget: -1}, nil, false},
		{"no attempts", Retry{MinBudget: -1}, nil, false},
		{"the last attempt", Retry{Attempts: 1, MinBudget: -1}, nil, false},
		{"not to be repeated", Retry{Attempts: 3, MinBudget: -1}, []Option{Body(onlyReader{})}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &pipes{serve: answering(func(int, int, *http.Request) string { return "" })}
			inBubble(t, m, Config{Retry: c.retry}, func(t *testing.T, s *Session) {
				_, err := s.Put(t.Context(), "http://h/", c.opts...)
				var broken *IOError
				if !errors.As(err, &broken) || broken.Sent != SentAll || errors.Is(err, ErrRetryBudget) != c.want {
					t.Errorf("got %v", err)
				}
				if c.want && !strings.Contains(err.Error(), "budget") {
					t.Errorf("it does not say so: %v", err)
				}
			})
		})
	}
}

// Dials that fail send nothing, and leave the budget for when the origin answers.
func TestRefusedDialsTakeNoBudget(t *testing.T) {
	m := awayFor(10 * time.Second)
	lost := atomic.Bool{}
	m.serve = answering(func(int, int, *http.Request) string {
		if lost.Swap(true) {
			return ok
		}
		return "" // one that takes from the budget
	})
	cfg := Config{Retry: Retry{Attempts: 1000, MinBudget: 1}, Breaker: Breaker{Disabled: true}}
	inBubble(t, m, cfg, func(t *testing.T, s *Session) {
		if _, err := s.Get(t.Context(), "http://h/"); err != nil || m.dials < 5 {
			t.Errorf("%v after %d dials", err, m.dials)
		}
		if o := s.Snapshot().Origins[0]; o.Retries != 1 {
			t.Errorf("%d retries were counted", o.Retries)
		}
	})
}

// A server that hangs up on each new connection before it is asked anything has got
// nothing: any method is tried again.
func TestRetryAfterHangUps(t *testing.T) {
	const hangUps = 6 // a call moves on from three by itself
	for attempts, want := range map[int]bool{1: false, 2: true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		closed := make(chan struct{})
		var serving sync.WaitGroup
		serving.Go(func() {
			for n := 1; ; n++ {
				c, err := l.Accept()
				if err != nil {
					return
				}
				if n <= hangUps {
					c.Close()
					closed <- struct{}{}
					continue
				}
				serving.Go(func() {
					defer c.Close()
					answering(func(int, int, *http.Request) string { return ok })(n, c)
				})
			}
		})
		dials := 0
		s, err := NewSession(Config{MaxDialsPerOrigin: 1, Retry: Retry{Attempts: attempts}, Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if dials++; err == nil && dials <= hangUps {
				<-closed
				for look := conn.New(c, new(conn.Buffers)); !look.Suspect(); {
					runtime.Gosched() // until the end has come through
				}
			}
			return c, err
		})})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Post(t.Context(), "http://"+l.Addr().String()+"/", JSON("x"))
		var io *IOError
		if (err == nil) != want || err != nil && (!errors.Is(err, conn.ErrStale) || !errors.As(err, &io) || io.Sent != SentNothing) {
			t.Errorf("%d attempts: %v", attempts, err)
		}
		s.Close()
		l.Close()
		serving.Wait()
	}
}

func TestDialBackoffConfig(t *testing.T) {
	for field, b := range map[string][]DialBackoff{
		"Initial": {{Initial: -1}},
		"Max":     {{Max: -1}, {Initial: 2 * time.Second, Max: time.Second}},
	} {
		for _, b := range b {
			var input *InputError
			if s, err := NewSession(Config{DialBackoff: b}); !errors.As(err, &input) || s != nil || input.Field != "Config.DialBackoff."+field {
				t.Errorf("%+v: %v", b, err)
			}
		}
	}
	for _, c := range []struct {
		cfg    DialBackoff
		levels []time.Duration // the longest of each
	}{
		{DialBackoff{}, []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}},
		{DialBackoff{Initial: time.Second}, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second}},
		{DialBackoff{Initial: time.Second, Max: time.Hour}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}},
		{DialBackoff{Initial: time.Minute}, []time.Duration{time.Minute, time.Minute}},
		{DialBackoff{Disabled: true}, []time.Duration{0, 0, 0}},
	} {
		inBubble(t, awayFor(math.MaxInt64), Config{DialBackoff: c.cfg, Breaker: Breaker{Disabled: true}}, func(t *testing.T, s *Session) {
			for _, longest := range c.levels {
				_, err := s.Get(t.Context(), "http://h/")
				got := s.Snapshot().Origins[0].Backoff
				if !errors.Is(err, syscall.ECONNREFUSED) || got < longest/2 || got > longest {
					t.Errorf("%+v: %v, and a backoff of %v, want up to %v", c.cfg, err, got, longest)
				}
			}
		})
	}
	inBubble(t, awayFor(math.MaxInt64), Config{DialBackoff: DialBackoff{Initial: math.MaxInt64}, Breaker: Breaker{Disabled: true}}, func(t *testing.T, s *Session) {
		s.Get(t.Context(), "http://h/")
		if got := s.Snapshot().Origins[0].Backoff; got < math.MaxInt64/4 {
			t.Errorf("a backoff of %v", got)
		}
		if _, err := s.Get(t.Context(), "http://h/", Timeout(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
