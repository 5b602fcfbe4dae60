package actors

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	in(t, func(t *testing.T) {
		down := true
		var log strings.Builder
		m := &pipes{serve: answering(greeting), dial: func(context.Context) error {
			if down {
				return errBoom
			}
			return nil
		}}
		s := m.start(t, Config{
			Breaker: Breaker{Failures: 3, OpenFor: 5 * time.Second},
			Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		})
		for range 3 {
			_, err := get(t.Context(), s)
			wantError(t, err, conn.OpDial, conn.SentNothing, errBoom)
		}
		_, err := get(t.Context(), s)
		wantError(t, err, conn.OpQueue, conn.SentNothing, ErrCircuitOpen)
		down = false
		time.Sleep(5*time.Second + 1)
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
		synctest.Wait()
		for _, change := range []string{"from=closed to=open", "from=open to=half-open", "from=half-open to=closed"} {
			if !strings.Contains(log.String(), change) {
				t.Errorf("the log lacks %q:\n%s", change, log.String())
			}
		}
	})
}

func TestSlowLogHandlerHoldsNobodyUp(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting), dial: func(context.Context) error { return errBoom }}
		h := slowHandler{slog.DiscardHandler, make(chan struct{})}
		s := m.start(t, Config{Breaker: Breaker{Failures: 1}, Logger: slog.New(h)})
		get(t.Context(), s)
		began := time.Now()
		if _, err := get(t.Context(), s); !errors.Is(err, ErrCircuitOpen) {
			t.Error(err)
		}
		if time.Since(began) != 0 {
			t.Error("a call waited for the log handler")
		}
		close(h.release)
	})
}

type slowHandler struct {
	slog.Handler
	release chan struct{}
}

func (h slowHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h slowHandler) Handle(context.Context, slog.Record) error { <-h.release; return nil }

func TestPanicInTheDriversConnHitsOneCallOnly(t *testing.T) {
	for _, kind := range []string{"read", "write", "close"} {
		t.Run(kind, func(t *testing.T) {
			in(t, func(t *testing.T) {
				bad := true
				m := &pipes{serve: answering(greeting)}
				m.wrap = func(nc net.Conn) net.Conn {
					if !bad {
						return nc
					}
					bad = false
					c := &badConn{Conn: nc}
					boom := func() { panic(errBoom) }
					switch kind {
					case "read":
						c.read = boom
					case "write":
						c.write = boom
					case "close":
						c.close = boom
					}
					return c
				}
				s := m.start(t, Config{MaxConnsPerOrigin: 1})
				_, err := get(t.Context(), s)
				if kind == "close" {
					if err != nil {
						t.Fatal(err)
					}
					s.Snapshot() // the panic comes with the end of the connection
					return
				}
				var p *conn.PanicError
				if !errors.As(err, &p) || !errors.Is(err, errBoom) {
					t.Errorf("got %v, want the panic as an error", err)
				}
				body, err := get(t.Context(), s) // the only slot is free again
				wantBody(t, body, err)
				wantQuiet(t, s)
			})
		})
	}
}

func TestGoexitInTheDriversConnLosesNoSlot(t *testing.T) {
	in(t, func(t *testing.T) {
		bad := true
		m := &pipes{serve: answering(greeting)}
		m.wrap = func(nc net.Conn) net.Conn {
			if bad {
				bad = false
				return &badConn{Conn: nc, read: runtime.Goexit}
			}
			return nc
		}
		s := m.start(t, Config{MaxConnsPerOrigin: 1})
		done := make(chan struct{})
		go func() { defer close(done); get(t.Context(), s) }()
		<-done
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
	})
}
