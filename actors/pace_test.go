package actors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// slowly answers each request after d.
func slowly(d time.Duration) func(net.Conn) {
	return answering(func(*http.Request) string { time.Sleep(d); return greeting(nil) })
}

// Callers with less time than an answer takes fail, and harm nobody else, whether the
// origin has answered before or not.
func TestCallersInAHurryOpenNoBreaker(t *testing.T) {
	for _, known := range []bool{false, true} {
		for _, pipelined := range []bool{false, true} {
			t.Run(fmt.Sprintf("known %v, pipelined %v", known, pipelined), func(t *testing.T) {
				in(t, func(t *testing.T) {
					m := &pipes{serve: slowly(30 * time.Millisecond)}
					s := m.start(t, Config{PipelineDepth: 4})
					pipe := func(r *Request) { r.Pipeline = pipelined }
					if known {
						body, err := get(t.Context(), s, pipe)
						wantBody(t, body, err)
					}
					for range 30 {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
						_, err := get(ctx, s, pipe)
						cancel()
						wantError(t, err, conn.OpRead, conn.SentAll, context.DeadlineExceeded)
					}
					body, err := get(t.Context(), s, pipe)
					wantBody(t, body, err)
					if o := s.Snapshot().Origins[0]; o.Failures != 0 {
						t.Errorf("%d failures counted", o.Failures)
					}
				})
			})
		}
	}
}

// An origin that falls silent opens the breaker also where all its callers are in a hurry.
func TestSilentOriginOpensTheBreakerForCallersInAHurry(t *testing.T) {
	for _, pipelined := range []bool{false, true} {
		in(t, func(t *testing.T) {
			over := make(chan struct{})
			defer close(over)
			silent := false
			m := &pipes{serve: answering(func(*http.Request) string {
				if silent {
					<-over
				}
				time.Sleep(30 * time.Millisecond)
				return greeting(nil)
			})}
			s := m.start(t, Config{PipelineDepth: 4})
			pipe := func(r *Request) { r.Pipeline = pipelined }
			body, err := get(t.Context(), s, pipe)
			wantBody(t, body, err)
			silent = true
			for n := 0; !errors.Is(err, ErrCircuitOpen); n++ {
				if n > 100 { // a second of 20 ms each, and five that count
					t.Fatalf("still closed: %v", err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				_, err = get(ctx, s, pipe)
				cancel()
			}
		})
	}
}
