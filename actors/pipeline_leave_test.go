package actors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

func TestCallerLeavesALine(t *testing.T) {
	for _, tt := range []struct {
		name   string
		leaver int
		sent   string // before the caller leaves
		rest   string
	}{
		{name: "at its head", leaver: 0, rest: saying("0") + saying("1") + saying("2")},
		{name: "behind others", leaver: 1, rest: saying("0") + saying("1") + saying("2")},
		{name: "at its end", leaver: 2, rest: saying("0") + saying("1") + saying("2")},
		{name: "within its head", leaver: 0, sent: "HTTP/1.1 200 O", rest: "K\r\nContent-Length: 1\r\n\r\n0" + saying("1") + saying("2")},
		{name: "within its body", leaver: 0, sent: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", rest: "llo" + saying("1") + saying("2")},
		{name: "within its chunks", leaver: 1, sent: saying("0") + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", rest: "llo\r\n0\r\n\r\n" + saying("2")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				proceed := make(chan struct{})
				f := newFlight(t, Config{MaxConnsPerOrigin: 1}, 3, func(nc net.Conn) {
					io.WriteString(nc, tt.sent)
					<-proceed
					io.WriteString(nc, tt.rest)
					answering(echo)(nc)
				})
				ctx, cancel := context.WithCancel(t.Context())
				for i := range 3 {
					if i == tt.leaver {
						f.send(ctx)
					} else {
						f.send(t.Context())
					}
				}
				cancel()
				wantError(t, f.result(tt.leaver).err, conn.OpRead, conn.SentAll, context.Canceled)
				f.send(t.Context()) // does not join before it answers
				if n, want := f.s.Snapshot().Conns[0].InFlight, 3-strings.Count(tt.sent, saying("0")); n != want {
					t.Errorf("%d in flight, want %d", n, want)
				}
				close(proceed)
				for i := range 3 {
					if i != tt.leaver {
						f.wantBody(t, i, fmt.Sprint(i))
					}
				}
				f.wantBody(t, 3, "/3")
				if n := f.dials.Load(); n != 1 {
					t.Errorf("%d dials: one call took the others' connection along", n)
				}
				wantQuiet(t, f.s)
			})
		})
	}
}

func TestQueuedCallerIsNeverWritten(t *testing.T) {
	in(t, func(t *testing.T) {
		var paths []string
		proceed := make(chan struct{})
		f := newFlight(t, Config{MaxConnsPerOrigin: 1}, 0, func(nc net.Conn) {
			<-proceed
			answering(func(r *http.Request) string {
				paths = append(paths, r.URL.Path)
				return echo(r)
			})(nc)
		})
		ctx, cancel := context.WithCancel(t.Context())
		f.send(t.Context()) // in a write that waits
		f.send(ctx)
		f.send(t.Context())
		f.send(ctx)
		cancel()
		for _, n := range []int{1, 3} {
			wantError(t, f.result(n).err, conn.OpWrite, conn.SentNothing, context.Canceled)
		}
		close(proceed)
		f.wantBody(t, 0, "/0")
		f.wantBody(t, 2, "/2")
		wantQuiet(t, f.s)
		if got := strings.Join(paths, " "); got != "/0 /2" {
			t.Errorf("the server saw %s", got)
		}
		if n := f.dials.Load(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

func TestLastCallerToLeaveTakesTheConnectionAlong(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFlight(t, Config{}, 2, func(nc net.Conn) { io.Copy(io.Discard, nc) })
		ctx, cancel := context.WithCancel(t.Context())
		f.send(ctx)
		f.send(ctx)
		cancel()
		for i := range 2 {
			wantError(t, f.result(i).err, conn.OpRead, conn.SentAll, context.Canceled)
		}
		wantQuiet(t, f.s)
		if n := len(f.s.Snapshot().Conns); n != 0 {
			t.Errorf("%d connections are left", n)
		}
		if o := f.s.Snapshot().Origins[0]; o.Failures != 0 {
			t.Errorf("a cancelled call counted against the origin: %+v", o)
		}
		f.send(t.Context())
		f.wantBody(t, 2, "/2")
	})
}

// TestSilentLineCountsOnce: deadlines that pass on one connection are one failure.
func TestSilentLineCountsOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFlight(t, Config{}, 3, func(nc net.Conn) { io.Copy(io.Discard, nc) })
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
			defer cancel()
			f.send(ctx)
		}
		for i := range 3 {
			wantError(t, f.result(i).err, conn.OpRead, conn.SentAll, context.DeadlineExceeded)
		}
		wantQuiet(t, f.s)
		if o := f.s.Snapshot().Origins[0]; o.Failures != 1 {
			t.Errorf("%d failures, want 1", o.Failures)
		}
	})
}

func TestCloseEndsALine(t *testing.T) {
	for name, end := range map[string]func(*Scheduler) error{
		"close": func(s *Scheduler) error { return s.Close() },
		"shutdown": func(s *Scheduler) error {
			ctx, c := context.WithTimeout(context.Background(), time.Second)
			defer c()
			s.Shutdown(ctx)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				f := newFlight(t, Config{MaxConnsPerOrigin: 1}, 2, func(nc net.Conn) {
					time.Sleep(time.Hour) // and does not read
				})
				for range 4 { // two are out, one is being written, one queued
					f.send(t.Context())
				}
				if err := end(f.s); err != nil {
					t.Error(err)
				}
				for i := range 4 {
					if r := f.result(i); !errors.Is(r.err, ErrSessionClosed) {
						t.Errorf("call %d: got %q, %v", i, r.body, r.err)
					}
				}
			})
		})
	}
}

func TestShutdownLetsALineFinish(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFlight(t, Config{MaxConnsPerOrigin: 1}, 3, func(nc net.Conn) {
			for i := range 3 {
				time.Sleep(time.Second)
				io.WriteString(nc, saying(fmt.Sprint(i)))
			}
			io.Copy(io.Discard, nc)
		})
		for range 3 {
			f.send(t.Context())
		}
		if err := f.s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for i := range 3 {
			f.wantBody(t, i, fmt.Sprint(i))
		}
	})
}

func TestClosedConnectionTellsItsLine(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFlight(t, Config{}, 2, func(nc net.Conn) { io.Copy(io.Discard, nc) })
		f.send(t.Context())
		f.send(t.Context())
		f.first.Close()
		for i := range 2 {
			wantError(t, f.result(i).err, conn.OpRead, conn.SentAll, conn.ErrClosed)
		}
		wantQuiet(t, f.s)
	})
}

// TestLineEndsWithItsLastAwaitedAnswer: an answer that nobody waits for any more does
// not hold the connection, whether the last caller leaves or has its own answer.
func TestLineEndsWithItsLastAwaitedAnswer(t *testing.T) {
	for _, stays := range []int{0, 1} {
		t.Run(fmt.Sprint(stays), func(t *testing.T) {
			in(t, func(t *testing.T) {
				proceed := make(chan struct{})
				f := newFlight(t, Config{MaxConnsPerOrigin: 1}, 3, func(nc net.Conn) {
					<-proceed
					io.WriteString(nc, saying("0")+saying("1")) // and never the third
					io.Copy(io.Discard, nc)
				})
				leaving, leave := context.WithCancel(t.Context())
				for i := range 3 {
					if i == stays {
						f.send(t.Context())
					} else {
						f.send(leaving)
					}
				}
				leave()
				synctest.Wait()
				close(proceed)
				f.wantBody(t, stays, fmt.Sprint(stays))
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if body, err := get(ctx, f.s, to("/plain")); err != nil || body != "/plain" {
					t.Errorf("a call that wants a connection for itself got %q, %v", body, err)
				}
				wantQuiet(t, f.s)
			})
		})
	}
}
