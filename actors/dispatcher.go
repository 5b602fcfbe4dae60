package actors

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/sony/gobreaker/v2"

	"github.com/seed53b03582/troupe/actors/pool"
)

// dispatcher is the actor that decides which call gets which connection. It
// takes each event to the pool and carries out what the pool decided. It never
// blocks, dials or does I/O, because callers run it.
type dispatcher struct {
	sched   *Scheduler
	mail    *mailbox
	pool    *pool.Pool
	targets targets
	entries map[string]*pool.Entry // by the actor's PID

	named  uint64       // connections so far
	props  *actor.Props // of all connections
	next   *connection  // the one being spawned
	timer  *time.Timer
	armed  instant  // when timer fires; never: it does not
	ending []ending // to be ended by the group after this message
}

// ending is a connection actor to stop; with cut, its socket first and at once.
type ending struct {
	conn *Conn
	cut  bool
}

// dispatcherBudget is how many messages of others a caller runs while it holds
// the dispatcher: each takes a few hundred nanoseconds.
const dispatcherBudget = 16

func newDispatcher(s *Scheduler, random func() float64) *dispatcher {
	d := &dispatcher{sched: s, mail: newMailbox(&s.group, dispatcherBudget), entries: map[string]*pool.Entry{}, armed: pool.Never}
	d.pool = pool.New(s.cfg.pool(), random, func(o *pool.Origin, from, to gobreaker.State) {
		s.logs.breaker(o.Name, from.String(), to.String())
	})
	d.targets = targets{pool: d.pool, keyed: map[Origin]*target{}}
	// Spawning asks both at once: one Props serves all connections, and none holds one.
	d.props = actor.PropsFromProducer(func() actor.Actor { return d.next },
		actor.WithMailbox(func() actor.Mailbox { return &d.next.mail }))
	return d
}

// Receive takes in one event of the engine's.
func (d *dispatcher) Receive(ctx actor.Context) {
	p := d.pool
	switch m := ctx.Message().(type) {
	case *actor.Started:
		d.mail.attach(ctx, d)
	case *actor.Terminated:
		d.terminated(d.sched.now(), m.Who.Id)
	case *actor.Stopping:
		now := d.sched.now()
		p.Drain(now) // nobody may wait for a dispatcher that has failed
		p.Cut(now)
	case *actor.Stopped:
		d.stopped()
		return
	default:
		d.handle(ctx, m)
		return
	}
	d.carryOut(ctx)
}

// handle takes in one event of troupe's.
func (d *dispatcher) handle(ctx actor.Context, message any) bool {
	p := d.pool
	if m, ok := message.(*connIdle); ok { // has looked at the clock already
		p.ConnIdle(m.at, m.entry, m.out, m.keep, connOf(m.entry).took)
		d.carryOut(ctx)
		return true
	}
	now := d.sched.now()
	switch m := message.(type) {
	case *acquire:
		d.aim((*Call)(m))
		p.Acquire(now, &m.waiter)
	case *leave:
		p.Leave(now, &m.call.waiter)
		defer close(m.done)
	case *giveBack:
		p.GiveBack(now, m.entry, m.owner)
	case *connUp:
		p.ConnUp(now, m.entry)
	case *callsEnded:
		if connOf(m.entry).Closed() {
			p.Close(m.entry)
		}
		p.CallsEnded(now, m.entry, connOf(m.entry).pipeline.takeReport())
	case *connSilent:
		p.ConnSilent(now, m.entry, m.out, m.had)
	case *connEnded:
		p.ConnEnded(now, m.entry, connOf(m.entry).ending(m.out, nil))
	case *connClosing:
		p.Close(m.entry)
	case *connAnswered:
		p.Answered(now, m.entry, m.out)
	case *tick:
		d.armed = pool.Never
		p.Tick(now)
	case *suspicious:
		for _, x := range m.which {
			p.Suspicious(x.Entry, x.Since)
		}
	case *askRetry:
		m.reply <- p.AskRetry(now, &d.targets.of(&m.origin).Origin)
	case *snapshot:
		m.reply <- d.snapshot(now)
	case *drain:
		p.Drain(now)
	case *cut:
		p.Cut(now)
	default:
		return false
	}
	d.carryOut(ctx)
	return true
}

// aim says where a call wants to go.
func (d *dispatcher) aim(c *Call) {
	w := &c.waiter
	switch {
	case w.Pin() == nil:
		w.Origin = &d.targets.of(c.Origin).Origin
	case targetOf(w.Pin().Origin).key == *c.Origin:
		w.Origin = w.Pin().Origin
	}
}

// carryOut does what the pool decided, in order.
func (d *dispatcher) carryOut(ctx actor.Context) {
	p := d.pool
	for i := 0; i < len(p.Effects); i++ {
		switch e := p.Effects[i]; e.Kind {
		case pool.EffGrant, pool.EffRefuse:
			callOf(e.Waiter).reply.complete()
		case pool.EffDial:
			d.spawn(ctx, e.Entry)
		case pool.EffStop:
			d.ending = append(d.ending, ending{connOf(e.Entry), false})
		case pool.EffCut:
			d.ending = append(d.ending, ending{connOf(e.Entry), true})
		case pool.EffLook:
			d.look(connOf(e.Entry))
		}
		p.Effects[i] = pool.Effect{}
	}
	p.Effects = p.Effects[:0]
	if len(d.ending) > 0 {
		d.end()
	}
	if len(p.Suspects) > 0 {
		d.peek()
	}
	if len(p.Dropped) > 0 {
		d.targets.forget()
	}
	if p.Wake < d.armed {
		d.arm(p.Wake)
	}
	if p.Draining && p.Entries.Len() == 0 {
		d.sched.drained(p.Over)
	}
}

// spawn starts the actor of a connection, which dials by itself.
func (d *dispatcher) spawn(ctx actor.Context, e *pool.Entry) {
	d.named++
	t := targetOf(e.Origin)
	c := newConnection(d.sched, e, t.settings(d.sched.cfg.TLS), strconv.FormatUint(d.named, 10))
	e.Of = &c.Conn
	d.next = c
	pid, err := ctx.SpawnNamed(d.props, "conn-"+c.id)
	d.next = nil
	if err != nil {
		// The name is taken: only possible if the engine lost a Terminated.
		d.pool.Closed(d.sched.now(), e, pool.End{Err: err})
		return
	}
	d.entries[pid.Id] = e
}

// terminated is the one way in which a connection's slot becomes free, whatever
// ended its actor.
func (d *dispatcher) terminated(now instant, id string) {
	e := d.entries[id]
	if e == nil {
		return
	}
	delete(d.entries, id)
	d.pool.Closed(now, e, connOf(e).howEnded())
}

// end stops actors on a goroutine of the group: closing a TLS connection writes.
func (d *dispatcher) end() {
	batch := slices.Clone(d.ending)
	clear(d.ending)
	d.ending = d.ending[:0]
	work := func() {
		for _, e := range batch {
			if e.cut {
				e.conn.interrupt(ErrSessionClosed)
			}
		}
		for _, e := range batch {
			halt := func() { e.conn.mail.PostUserMessage(&stop{}) }
			if !e.conn.foreign() || !d.sched.group.run(halt) { // its Close may keep the others waiting
				halt()
			}
		}
	}
	if !d.sched.group.run(work) {
		work()
	}
}

func (d *dispatcher) look(c *Conn) {
	d.sched.group.run(func() { c.mail.PostUserMessage(&look{}) })
}

// peek looks at idle sockets from outside their actors, which costs 0.4 µs each,
// and names those that have something to see.
func (d *dispatcher) peek() {
	batch := slices.Clone(d.pool.Suspects)
	clear(d.pool.Suspects)
	d.pool.Suspects = d.pool.Suspects[:0]
	d.sched.group.run(func() {
		seen := batch[:0]
		for _, x := range batch {
			if connOf(x.Entry).suspect() {
				seen = append(seen, x)
			}
		}
		if len(seen) > 0 {
			d.sched.mail.PostUserMessage(&suspicious{which: seen})
		}
	})
}

// arm makes the clock send a tick at t.
func (d *dispatcher) arm(t instant) {
	d.armed = t
	in := max(0, t.Since(d.sched.now()))
	if d.timer == nil {
		d.timer = time.AfterFunc(in, d.ticked)
	} else {
		d.timer.Reset(in)
	}
}

func (d *dispatcher) ticked() {
	if d.sched.group.enter() {
		defer d.sched.group.leave()
		d.sched.mail.PostUserMessage(&tick{})
	}
}

// abort answers all who wait for a dispatcher that the engine does not stop.
func (d *dispatcher) abort() {
	d.mail.close()
	if d.mail.status.CompareAndSwap(mailboxIdle, mailboxRunning) { // nobody is in it, and nobody comes in any more
		d.pool.Cut(d.sched.now())
		for _, e := range d.pool.Effects {
			if e.Kind == pool.EffRefuse {
				callOf(e.Waiter).reply.complete()
			}
		}
	}
}

func (d *dispatcher) stopped() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.mail.close()
	close(d.sched.stopped)
}

func (d *dispatcher) snapshot(now instant) Snapshot {
	var snap Snapshot
	d.pool.ListMostRecent()
	for k := d.pool.Origins.Front; k != nil; k = k.Next {
		snap.Origins = append(snap.Origins, k.Of.Snapshot(now))
	}
	slices.SortFunc(snap.Origins, func(a, b OriginSnapshot) int { return strings.Compare(a.Origin, b.Origin) })
	for k := d.pool.Entries.Front; k != nil; k = k.Next {
		e := k.Of
		c := connOf(e).snapshot(now)
		c.Origin, c.Age = e.Origin.Name, now.Since(e.Born)
		c.InFlight = e.InFlight()
		if e.Owned() && !d.sched.cfg.Fresh {
			c.State = "leased"
		}
		snap.Conns = append(snap.Conns, c)
	}
	slices.SortStableFunc(snap.Conns, func(a, b ConnSnapshot) int { return strings.Compare(a.Origin, b.Origin) })
	return snap
}
