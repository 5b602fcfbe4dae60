package actors

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"
)

// ping is a message whose receiver says when it has run.
type ping struct{ done chan struct{} }

// ponger answers pings.
type ponger struct{}

func (ponger) Receive(ctx actor.Context) {
	if m, ok := ctx.Message().(*ping); ok {
		m.done <- struct{}{}
	}
}

// BenchmarkRoundTrip sends a message and waits until its receiver has run: through the
// mailbox of this package, through the engine's with a goroutine of its own and on the
// sender's, and, beside them, to a goroutine over a channel.
func BenchmarkRoundTrip(b *testing.B) {
	sys := newSystem()
	defer sys.Shutdown()
	var g group
	for _, bc := range []struct {
		name string
		opts []actor.PropsOption
	}{
		{"inline", []actor.PropsOption{actor.WithMailbox(func() actor.Mailbox { return newMailbox(&g, 16) })}},
		{"default", nil},
		{"synchronized", []actor.PropsOption{actor.WithDispatcher(actor.NewSynchronizedDispatcher(300))}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			pid := sys.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return ponger{} }, bc.opts...))
			defer sys.Root.Stop(pid)
			// One that has room, so that a receiver on the sender's goroutine does not wait for it.
			m := &ping{done: make(chan struct{}, 1)}
			b.ReportAllocs()
			for b.Loop() {
				sys.Root.Send(pid, m)
				<-m.done
			}
		})
	}
	b.Run("channel", func(b *testing.B) {
		in := make(chan *ping)
		defer close(in)
		go func() {
			for m := range in {
				m.done <- struct{}{}
			}
		}()
		m := &ping{done: make(chan struct{}, 1)}
		b.ReportAllocs()
		for b.Loop() {
			in <- m
			<-m.done
		}
	})
}
