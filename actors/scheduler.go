package actors

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/conn"
)

// Scheduler is a dispatcher actor, its connections, and all they need. Start
// makes one; Close or Shutdown ends it.
type Scheduler struct {
	cfg        Config
	began      time.Time
	clock      func() int64 // now, for connections
	system     *actor.ActorSystem
	dispatcher *actor.PID
	mail       *mailbox // the dispatcher's
	abort      func()   // the dispatcher's

	ctx    context.Context // ends when the scheduler cuts off
	cutOff context.CancelFunc

	group     group
	readers   readers
	pipelines pipelines
	logs      *logQueue // of Config.Logger
	wire      *logQueue // of Config.WireLog
	buffers   conn.Buffers
	answers   sync.Pool // of *Answer

	closing   atomic.Bool
	drainOnce sync.Once
	empty     chan struct{} // closed: draining, and no connection is left
	emptyOnce sync.Once
	vacant    chan struct{} // closed: cut off, and no connection is left, nor will one be
	vacated   sync.Once
	stopped   chan struct{} // closed: the dispatcher has stopped
	closeOnce sync.Once
	closeErr  error
	over      chan struct{} // closed: everything has ended
}

// stopOnFailure ends a failed actor and never restarts one: a socket has no
// second life. One value for all, since the engine registers each.
var stopOnFailure = actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })

// Start brings a scheduler up. A Driver with a Start is started; its error is
// returned.
func Start(cfg Config) (*Scheduler, error) {
	s := &Scheduler{
		cfg:     cfg.withDefaults(),
		began:   time.Now().Add(-1), // so that no instant is 0, which means none
		empty:   make(chan struct{}),
		vacant:  make(chan struct{}),
		stopped: make(chan struct{}),
		over:    make(chan struct{}),
	}
	s.ctx, s.cutOff = context.WithCancel(context.Background())
	if d, ok := s.cfg.Driver.(conn.Starter); ok {
		if err := d.Start(s.ctx); err != nil {
			s.cutOff()
			return nil, err
		}
	}
	s.clock = func() int64 { return int64(s.now()) }
	s.logs = newLogQueue(s.cfg.Logger, &s.group)
	s.wire = newLogQueue(s.cfg.WireLog, &s.group)
	s.group.failed = s.failed
	s.system = s.cfg.System
	if s.system == nil {
		s.system = sharedSystem()
	}
	d := newDispatcher(s, rand.Float64)
	s.mail, s.abort = d.mail, d.abort
	s.dispatcher = s.system.Root.SpawnPrefix(actor.PropsFromProducer(func() actor.Actor { return d },
		actor.WithMailbox(func() actor.Mailbox { return d.mail }),
		actor.WithSupervisor(stopOnFailure), actor.WithGuardian(stopOnFailure)), "troupe")
	return s, nil
}

// sharedSystem is the engine's system of all sessions that were given none. Making one
// takes 10 ms and 3 MB, nearly all of it the registry. It is made once a process, holds
// no goroutine, and is never shut down; each session takes its own actors out. What a
// testing/synctest bubble may not share with the outside, a channel or a timer, sessions
// do not use of it.
var sharedSystem = sync.OnceValue(newSystem)

// newSystem makes a system that is silent, and whose dead-letter throttle does not
// outlive a session's end by more than a millisecond.
func newSystem() *actor.ActorSystem {
	silent := slog.New(slog.DiscardHandler)
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return silent }),
		actor.WithDeadLetterThrottleInterval(time.Millisecond),
	)
}

// failed notes a panic that nothing else has caught.
func (s *Scheduler) failed(err error) { s.logs.failure("session", err) }

// Recover is to be deferred, by itself, on each goroutine that is not the group's: a panic
// that nothing else has caught goes to the Logger and does not end the program.
func (s *Scheduler) Recover() {
	if v := recover(); v != nil {
		s.failed(conn.NewPanicError(v))
	}
}

func (s *Scheduler) now() instant { return instant(time.Since(s.began)) }

// MayRetry asks the budget of an origin for one retry, and takes it.
func (s *Scheduler) MayRetry(o Origin) bool {
	m := &askRetry{origin: o, reply: make(chan bool, 1)}
	s.mail.PostUserMessage(m)
	select {
	case ok := <-m.reply:
		return ok
	case <-s.over:
		return false
	}
}

// BodyAbandoned tells the Logger of a streamed body that nobody reads, and where in
// the user's code it was opened.
func (s *Scheduler) BodyAbandoned(url, opened string) { s.logs.bodyAbandoned(url, opened) }

// Snapshot tells what every actor is doing. After the end it is empty.
func (s *Scheduler) Snapshot() Snapshot {
	m := &snapshot{reply: make(chan Snapshot, 1)}
	s.mail.PostUserMessage(m)
	select {
	case snap := <-m.reply:
		return snap
	case <-s.over:
		return Snapshot{}
	}
}

// Over is closed when everything has ended.
func (s *Scheduler) Over() <-chan struct{} { return s.over }

// Drain refuses new calls, fails those that wait with ErrSessionClosed, and lets those
// under way, and what they send Again, go on.
func (s *Scheduler) Drain() { s.drain() }

// Shutdown refuses new calls, fails those that wait with ErrSessionClosed, and
// lets those under way finish until ctx ends; then it cuts them off and returns
// the context's error. When it returns everything has ended, as with Close.
func (s *Scheduler) Shutdown(ctx context.Context) error {
	s.drain()
	var cutShort error
	select {
	case <-s.empty:
	case <-s.over:
	case <-ctx.Done():
		cutShort = Ended(ctx)
	}
	return errors.Join(cutShort, s.Close())
}

func (s *Scheduler) drain() {
	s.drainOnce.Do(func() { s.mail.PostUserMessage(&drain{}) })
}

// drained is the dispatcher's word that no connection is left. While calls under way may
// still be sent Again there may be another; not once all is cut off.
func (s *Scheduler) drained(cut bool) {
	s.emptyOnce.Do(func() { close(s.empty) })
	if cut {
		s.vacated.Do(func() { close(s.vacant) })
	}
}
