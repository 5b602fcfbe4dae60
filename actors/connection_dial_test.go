package actors

import (
	"context"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

func TestDialTimeout(t *testing.T) {
	for name, dial := range map[string]func(context.Context) error{
		"driver obeys":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"driver ignores": func(context.Context) error { time.Sleep(time.Minute); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				m := &pipes{serve: answering(greeting), dial: dial}
				s := m.start(t, Config{DialTimeout: 10 * time.Second})
				began := time.Now()
				_, err := get(t.Context(), s)
				wantError(t, err, conn.OpDial, conn.SentNothing, context.DeadlineExceeded)
				if d := time.Since(began); d < 10*time.Second || d > 10*time.Second+dialGrace {
					t.Errorf("took %v", d)
				}
				time.Sleep(time.Minute) // the late socket is closed: start's cleanup would hang
			})
		})
	}
}

func TestDialOfACancelledCallerServesAnother(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting), dial: func(context.Context) error { time.Sleep(249 * time.Millisecond); return nil }}
		s := m.start(t, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), 125*time.Millisecond)
		defer cancel()
		_, err := get(ctx, s)
		wantError(t, err, conn.OpDial, conn.SentNothing, context.DeadlineExceeded)
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
		if n := m.dials.Load(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

func TestPanicInTheDriverIsTheDialsError(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting), dial: func(context.Context) error { panic(errBoom) }}
		s := m.start(t, Config{})
		_, err := get(t.Context(), s)
		wantError(t, err, conn.OpDial, conn.SentNothing, errBoom)
	})
}
