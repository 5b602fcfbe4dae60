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

func TestPaceIsTheRecentMedian(t *testing.T) {
	var p pace
	for i := range 200 { // one in ten is slow
		p.answered([]time.Duration{30 * time.Millisecond, time.Second}[i%10/9])
	}
	if p.typical < 25*time.Millisecond || p.typical > 60*time.Millisecond {
		t.Errorf("typical of 30 ms, with a second now and then: %v", p.typical)
	}
	for range 60 {
		p.answered(time.Second)
	}
	if p.typical != time.Second {
		t.Errorf("typical of what takes a second: %v", p.typical)
	}
	for range 60 {
		p.answered(time.Millisecond)
	}
	if p.typical > 2*time.Millisecond {
		t.Errorf("typical of what takes a millisecond: %v", p.typical)
	}
}

func TestDeadlinesThatCount(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name    string
		typical time.Duration
		had     time.Duration // by each of the calls
		beside  int           // so many at a time
		calls   int           // the first that counts; 0: none of a hundred
	}{
		{"long enough", 30 * ms, 30 * ms, 1, 1},
		{"too short", 30 * ms, 5 * ms, 1, 0},
		{"too short, until it was silent for long", 30 * ms, 29 * ms, 1, 35}, // a second
		{"of a slow origin", 2000 * ms, 1000 * ms, 1, 20},                    // ten times its answers
		{"of an unknown origin", 0, 100 * ms, 1, 1},
		{"of an unknown origin, too short", 0, 5 * ms, 1, 0},
		{"of an unknown origin that is silent", 0, 50 * ms, 1, 20},
		{"that pass together", 30 * ms, 29 * ms, 10, 341}, // are one silence
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pace{typical: c.typical}
			now, first := instant(0), 0
			for n := 1; n <= max(100, c.calls) && first == 0; n++ {
				if (n-1)%c.beside == 0 {
					now = now.add(c.had)
				}
				if p.judge(now, c.had) == outcomeFailed {
					first = n
				}
			}
			if first != c.calls {
				t.Errorf("the first that counts is the %d., want the %d.", first, c.calls)
			}
			p.answered(0)
			if p.silence != 0 {
				t.Error("an answer did not end the silence")
			}
		})
	}
	t.Run("far apart", func(t *testing.T) {
		p := pace{typical: 30 * ms}
		for n := range 100 { // half a second in all, though over minutes
			if p.judge(instant(n+1).add(time.Duration(n)*time.Minute), 5*ms) != outcomeNeutral {
				t.Fatalf("the %d. counts", n+1)
			}
		}
	})
}

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
					m := &memory{serve: slowly(30 * time.Millisecond)}
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
			m := &memory{serve: answering(func(*http.Request) string {
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
