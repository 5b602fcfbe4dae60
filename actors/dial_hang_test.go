package actors

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// Whole: the first dial never ends.
func TestCallIsServedBesideADialThatHangs(t *testing.T) {
	in(t, func(t *testing.T) {
		var first atomic.Bool
		m := &pipes{serve: answering(greeting), dial: func(ctx context.Context) error {
			if first.Swap(true) {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		s := m.start(t, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := get(ctx, s)
		wantError(t, err, conn.OpDial, conn.SentNothing, context.DeadlineExceeded)
		began := time.Now()
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
		if took := time.Since(began); took != 150*time.Millisecond || m.dials.Load() != 2 {
			t.Errorf("served after %v by %d dials", took, m.dials.Load())
		}
		time.Sleep(time.Minute) // the first has run into DialTimeout
		if o := s.Snapshot().Origins[0]; o.Failures != 0 || o.Backoff != 0 {
			t.Errorf("it counted: %+v", o)
		}
	})
}

// The first dial was another call's: that it timed out is not this call's context ending.
func TestTimeoutOfAnothersDial(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{dial: func(ctx context.Context) error {
			<-ctx.Done()
			return &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
		}}
		s := m.start(t, Config{MaxDialsPerOrigin: 1, DialTimeout: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		get(ctx, s)
		_, err := get(t.Context(), s)
		var e *conn.Error
		var op *net.OpError
		if !errors.As(err, &e) || e.Op != conn.OpDial || !e.Timeout() || !errors.As(err, &op) {
			t.Fatalf("got %v", err)
		}
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Errorf("%v is taken for the end of this call's context", err)
		}
		_, err = get(t.Context(), s) // its own
		wantError(t, err, conn.OpDial, conn.SentNothing, context.DeadlineExceeded)
		synctest.Wait()
	})
}
