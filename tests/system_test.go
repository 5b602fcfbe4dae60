package tests

import (
	"log/slog"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/api"
)

// TestTwoSessionsShareOneSystem: closing one leaves the other, and the system, at
// work.
func TestTwoSessionsShareOneSystem(t *testing.T) {
	noLeaks(t)
	silent := slog.New(slog.DiscardHandler)
	system := actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return silent }),
		actor.WithDeadLetterThrottleInterval(time.Millisecond))
	defer system.Shutdown()
	o := newOrigin(t)
	for round := range 3 {
		one := newSession(t, api.Config{System: system, MaxConnsPerOrigin: 4})
		two := newSession(t, api.Config{System: system, MaxConnsPerOrigin: 4})
		wantCapacity(t, one, o, 4)
		wantCapacity(t, two, o, 4)

		hold := newGate()
		underWay := o.route("/under-way", stall(hold))
		call := start(func() error { return second(two.Get(soon(t), underWay)) })
		eventually(t, "a call of the other is under way", func() bool { return o.held.now() == 1 })
		mine, err := one.Get(soon(t), o.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := two.Get(soon(t), o.URL, mine.Connection()); err == nil {
			t.Error("a session used another's connection")
		}
		if err := one.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := second(one.Get(soon(t), o.URL)); err == nil {
			t.Error("the closed session works")
		}
		hold.open()
		if err := receive(t, "the call of the other session", call); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		wantCapacity(t, two, o, 4)
		if err := two.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if system.IsStopped() {
			t.Fatal("the system has been stopped")
		}
		echo := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			if n, is := ctx.Message().(int); is {
				ctx.Respond(n + 1)
			}
		}))
		if got, err := system.Root.RequestFuture(echo, 1, patience).Result(); got != 2 || err != nil {
			t.Errorf("an actor of the user's own answers %v, %v", got, err)
		}
		if err := system.Root.StopFuture(echo).Wait(); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "every connection is closed", func() bool { return o.conns.now() == 0 })
}

// TestSessionsInsideAndOutsideOfBubbles: sessions share the engine's system. The first of
// a process may be made inside a bubble, whose channels and timers nobody outside may
// use, and others then outside and in another bubble.
func TestSessionsInsideAndOutsideOfBubbles(t *testing.T) {
	if !inProcess(t) {
		return
	}
	bubble := func(t *testing.T) {
		inBubble(t, &pipes{serve: always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}, api.Config{}, func(t *testing.T, s *api.Session) {
			if err := second(s.Get(t.Context(), "http://origin.test/")); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Minute) // idle connections end, the origin is forgotten
		})
	}
	bubble(t)
	o := newOrigin(t)
	s := newSession(t, api.Config{})
	if err := second(s.Get(soon(t), o.URL)); err != nil {
		t.Error(err)
	}
	bubble(t)
	if err := second(s.Get(soon(t), o.URL)); err != nil {
		t.Errorf("after the second bubble: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	noLeaks(t)
}
