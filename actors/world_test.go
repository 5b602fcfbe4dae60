package actors

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
)

// world plays events to a pool and reads its effects as text. Calls are named by
// the test; connections are numbered in the order in which they are dialled.
type world struct {
	t     *testing.T
	p     *pool
	now   instant
	calls map[string]*waiter
	names map[*waiter]string
	seats []*entry
	hosts map[string]*origin
	ends  map[*entry]end // what is known of a connection that is about to end
	log   []string

	unchecked bool // check costs as much as there are origins
}

func newWorld(t *testing.T, cfg Config) *world {
	w := &world{t: t, calls: map[string]*waiter{}, names: map[*waiter]string{}, hosts: map[string]*origin{}, ends: map[*entry]end{}}
	w.p = newPool(cfg.withDefaults(), func() float64 { return 0 }, func(o *origin, from, to gobreaker.State) {
		w.log = append(w.log, fmt.Sprintf("breaker %s", to))
	})
	return w
}

// took collects the effects of the last event.
func (w *world) took() {
	for i := 0; i < len(w.p.effects); i++ {
		switch e := w.p.effects[i]; e.kind {
		case effGrant:
			w.log = append(w.log, fmt.Sprintf("%s gets %d", w.names[e.waiter], w.number(e.entry)))
		case effRefuse:
			w.log = append(w.log, fmt.Sprintf("%s refused: %s", w.names[e.waiter], reasonOf(e.waiter.refused())))
		case effDial:
			w.seats = append(w.seats, e.entry)
			w.log = append(w.log, fmt.Sprintf("dial %d", len(w.seats)))
		case effStop:
			w.log = append(w.log, fmt.Sprintf("stop %d", w.number(e.entry)))
		case effCut:
			w.log = append(w.log, fmt.Sprintf("cut %d", w.number(e.entry)))
		case effLook:
			w.log = append(w.log, fmt.Sprintf("look %d", w.number(e.entry)))
		}
	}
	w.p.effects = w.p.effects[:0]
	for _, o := range w.p.dropped {
		delete(w.hosts, o.name)
	}
	w.p.dropped = nil
	w.check()
}

// check holds what must hold after every event.
func (w *world) check() {
	w.t.Helper()
	p := w.p
	if w.unchecked {
		return
	}
	conns := 0
	for k := p.origins.front; k != nil; k = k.next {
		o := k.of
		conns += o.conns
		if o.conns > p.cfg.MaxConnsPerOrigin || o.dialing.len() > p.cfg.MaxDialsPerOrigin && !p.cfg.Fresh {
			w.t.Errorf("%s: %d connections, %d dials: over the limit", o.name, o.conns, o.dialing.len())
		}
		for k := o.waiters.front; k != nil && o.idle.len() > 0; k = k.next {
			if k.of.takes(w.now, o.idle.back.of) {
				w.t.Errorf("%s: %s waits while a connection idles", o.name, w.names[k.of])
			}
		}
		if o.making < 0 {
			w.t.Errorf("%s: making %d", o.name, o.making)
		}
		w.checkHeld(o)
	}
	if conns != p.entries.len() || conns > p.cfg.MaxConns {
		w.t.Errorf("%d slots taken, %d listed, limit %d", conns, p.entries.len(), p.cfg.MaxConns)
	}
}

// checkHeld holds what must hold for those that wait for an origin which takes no calls,
// and for dials that hang.
func (w *world) checkHeld(o *origin) {
	w.t.Helper()
	var before instant
	endless := true
	for k := o.held.front; k != nil; k = k.next {
		q := k.of
		if q.patience() <= 0 || q.since < before || q.probe != nil {
			w.t.Errorf("%s is held and should not be, or not there", w.names[q])
		}
		before = q.since
		endless = endless && q.heldUntil() == never
	}
	if o.held.len() > 0 && (o.alarmAt == 0 && !endless || w.p.draining) {
		w.t.Errorf("%s: %d calls are held and nothing will let them go", o.name, o.held.len())
	}
	if o.alarmAt != 0 && w.p.wake > o.alarmAt {
		w.t.Errorf("%s: the alarm at %v sleeps until %v", o.name, o.alarmAt, w.p.wake)
	}
	hanging := 0
	for k := o.dialing.front; k != nil; k = k.next {
		if k.of.hangs {
			hanging++
		}
	}
	if hanging != o.hanging {
		w.t.Errorf("%s: %d dials hang, %d are counted", o.name, hanging, o.hanging)
	}
}

func reasonOf(err error) string {
	switch {
	case errors.As(err, new(*backoffError)):
		return "backing off"
	case errors.Is(err, ErrQueueFull):
		return "queue full"
	case errors.Is(err, ErrCircuitOpen):
		return "circuit open"
	case errors.Is(err, ErrSessionClosed):
		return "session closed"
	case errors.Is(err, ErrWrongOrigin):
		return "wrong origin"
	case errors.Is(err, errGone):
		return "closed"
	case errors.Is(err, errLeft):
		return "left"
	}
	return err.Error()
}

func (w *world) number(e *entry) int {
	for i, x := range w.seats {
		if x == e {
			return i + 1
		}
	}
	return -1
}

func (w *world) seat(n int) *entry { return w.seats[n-1] }

// want compares all that has happened since the last want.
func (w *world) want(effects ...string) *world {
	w.t.Helper()
	got, exp := strings.Join(w.log, ", "), strings.Join(effects, ", ")
	if got != exp {
		w.t.Fatalf("at %v:\n got: %s\nwant: %s", time.Duration(w.now), got, exp)
	}
	w.log = nil
	return w
}

func (w *world) ask(name, host string, change ...func(*waiter)) *world {
	q := &waiter{origin: w.host(host)}
	for _, f := range change {
		f(q)
	}
	w.calls[name], w.names[q] = q, name
	w.p.acquire(w.now, q)
	w.took()
	return w
}

// host is the origin of that name, added where it is not known.
func (w *world) host(name string) *origin {
	if w.hosts[name] == nil {
		o := new(origin)
		w.p.add(o, name)
		w.hosts[name] = o
	}
	return w.hosts[name]
}

func (w *world) up(n int) *world { w.p.connUp(w.now, w.seat(n)); w.took(); return w }

func (w *world) idle(n int) *world { return w.idleAs(n, outcomeOK, 0) }

func (w *world) idleAs(n int, out outcome, keep time.Duration) *world {
	w.p.connIdle(w.now, w.seat(n), out, keep, w.ends[w.seat(n)].took)
	w.took()
	return w
}

func (w *world) gone(n int, out outcome) *world {
	x := w.ends[w.seat(n)]
	x.out, x.err = out, errors.New("no route")
	w.p.closed(w.now, w.seat(n), x)
	w.took()
	return w
}

func (w *world) leave(name string) *world { w.p.leave(w.now, w.calls[name]); w.took(); return w }

func (w *world) after(d time.Duration) *world {
	w.now = w.now.add(d)
	return w
}

// pass lets time go by with every tick the pool asks for.
func (w *world) pass(d time.Duration) *world {
	end := w.now.add(d)
	for w.p.wake <= end {
		w.now = max(w.now, w.p.wake)
		w.p.tick(w.now)
		w.took()
	}
	w.now = end
	return w
}

// patient makes a call wait so long for an origin that takes none; negative: not even for
// the end of a back-off.
func patient(d time.Duration) func(*waiter) {
	return func(q *waiter) { q.more().patience, q.more().hold = d, hold{deadline: never} }
}

// before gives a patient call a deadline.
func before(at instant) func(*waiter) { return func(q *waiter) { q.more().hold.deadline = at } }

// outlast lets so much time go by that an open breaker tries again: gobreaker has a clock of
// its own, the bubble's.
func (w *world) outlast(openFor time.Duration) *world {
	time.Sleep(openFor + 1)
	return w.pass(openFor + 1)
}

func pinned(w *world, n int, owner *Owner) func(*waiter) {
	return func(q *waiter) { q.more().pin, q.more().owner = w.seat(n), owner }
}
