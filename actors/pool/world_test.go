package pool

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

// world plays events to a pool and reads its effects as text. Calls are named by
// the test; connections are numbered in the order in which they are dialled.
type world struct {
	t     *testing.T
	p     *Pool
	now   Instant
	calls map[string]*Waiter
	names map[*Waiter]string
	seats []*Entry
	hosts map[string]*Origin
	ends  map[*Entry]End // what is known of a connection that is about to end
	log   []string

	unchecked bool // check costs as much as there are origins
}

func newWorld(t *testing.T, cfg Config) *world {
	w := &world{t: t, calls: map[string]*Waiter{}, names: map[*Waiter]string{}, hosts: map[string]*Origin{}, ends: map[*Entry]End{}}
	w.p = New(cfg, func() float64 { return 0 }, func(o *Origin, from, to gobreaker.State) {
		w.log = append(w.log, fmt.Sprintf("breaker %s", to))
	})
	return w
}

// took collects the effects of the last event.
func (w *world) took() {
	for i := 0; i < len(w.p.Effects); i++ {
		switch e := w.p.Effects[i]; e.Kind {
		case EffGrant:
			w.log = append(w.log, fmt.Sprintf("%s gets %d", w.names[e.Waiter], w.number(e.Entry)))
		case EffRefuse:
			w.log = append(w.log, fmt.Sprintf("%s refused: %s", w.names[e.Waiter], reasonOf(e.Waiter.Refused())))
		case EffDial:
			w.seats = append(w.seats, e.Entry)
			w.log = append(w.log, fmt.Sprintf("dial %d", len(w.seats)))
		case EffStop:
			w.log = append(w.log, fmt.Sprintf("stop %d", w.number(e.Entry)))
		case EffCut:
			w.log = append(w.log, fmt.Sprintf("cut %d", w.number(e.Entry)))
		case EffLook:
			w.log = append(w.log, fmt.Sprintf("look %d", w.number(e.Entry)))
		}
	}
	w.p.Effects = w.p.Effects[:0]
	for _, o := range w.p.Dropped {
		delete(w.hosts, o.Name)
	}
	w.p.Dropped = nil
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
	for k := p.Origins.Front; k != nil; k = k.Next {
		o := k.Of
		conns += o.conns
		if o.conns > p.cfg.MaxConnsPerOrigin || o.dialing.Len() > p.cfg.MaxDialsPerOrigin && !p.cfg.Fresh {
			w.t.Errorf("%s: %d connections, %d dials: over the limit", o.Name, o.conns, o.dialing.Len())
		}
		for k := o.waiters.Front; k != nil && o.idle.Len() > 0; k = k.Next {
			if k.Of.takes(w.now, o.idle.back.Of) {
				w.t.Errorf("%s: %s waits while a connection idles", o.Name, w.names[k.Of])
			}
		}
		if o.making < 0 {
			w.t.Errorf("%s: making %d", o.Name, o.making)
		}
		w.checkHeld(o)
	}
	if conns != p.Entries.Len() || conns > p.cfg.MaxConns {
		w.t.Errorf("%d slots taken, %d listed, limit %d", conns, p.Entries.Len(), p.cfg.MaxConns)
	}
}

// checkHeld holds what must hold for those that wait for an origin which takes no calls,
// and for dials that hang.
func (w *world) checkHeld(o *Origin) {
	w.t.Helper()
	var before Instant
	endless := true
	for k := o.held.Front; k != nil; k = k.Next {
		q := k.Of
		if q.patience() <= 0 || q.Since < before || q.probe != nil {
			w.t.Errorf("%s is held and should not be, or not there", w.names[q])
		}
		before = q.Since
		endless = endless && q.heldUntil() == Never
	}
	if o.held.Len() > 0 && (o.alarmAt == 0 && !endless || w.p.Draining) {
		w.t.Errorf("%s: %d calls are held and nothing will let them go", o.Name, o.held.Len())
	}
	if o.alarmAt != 0 && w.p.Wake > o.alarmAt {
		w.t.Errorf("%s: the alarm at %v sleeps until %v", o.Name, o.alarmAt, w.p.Wake)
	}
	hanging := 0
	for k := o.dialing.Front; k != nil; k = k.Next {
		if k.Of.hangs {
			hanging++
		}
	}
	if hanging != o.hanging {
		w.t.Errorf("%s: %d dials hang, %d are counted", o.Name, hanging, o.hanging)
	}
}

func reasonOf(err error) string {
	switch {
	case errors.As(err, new(*BackoffError)):
		return "backing off"
	case errors.Is(err, ErrQueueFull):
		return "queue full"
	case errors.Is(err, ErrCircuitOpen):
		return "circuit open"
	case errors.Is(err, ErrSessionClosed):
		return "session closed"
	case errors.Is(err, ErrWrongOrigin):
		return "wrong origin"
	case errors.Is(err, ErrGone):
		return "closed"
	case errors.Is(err, ErrLeft):
		return "left"
	}
	return err.Error()
}

func (w *world) number(e *Entry) int {
	for i, x := range w.seats {
		if x == e {
			return i + 1
		}
	}
	return -1
}

func (w *world) seat(n int) *Entry { return w.seats[n-1] }

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

func (w *world) ask(name, host string, change ...func(*Waiter)) *world {
	q := &Waiter{Origin: w.host(host)}
	for _, f := range change {
		f(q)
	}
	w.calls[name], w.names[q] = q, name
	w.p.Acquire(w.now, q)
	w.took()
	return w
}

// host is the origin of that name, added where it is not known.
func (w *world) host(name string) *Origin {
	if w.hosts[name] == nil {
		o := new(Origin)
		w.p.Add(o, name)
		w.hosts[name] = o
	}
	return w.hosts[name]
}

func (w *world) up(n int) *world { w.p.ConnUp(w.now, w.seat(n)); w.took(); return w }

func (w *world) idle(n int) *world { return w.idleAs(n, OutcomeOK, 0) }

func (w *world) idleAs(n int, out Outcome, keep time.Duration) *world {
	w.p.ConnIdle(w.now, w.seat(n), out, keep, w.ends[w.seat(n)].Took)
	w.took()
	return w
}

func (w *world) gone(n int, out Outcome) *world {
	x := w.ends[w.seat(n)]
	x.Outcome, x.Err = out, errors.New("no route")
	w.p.Closed(w.now, w.seat(n), x)
	w.took()
	return w
}

func (w *world) leave(name string) *world { w.p.Leave(w.now, w.calls[name]); w.took(); return w }

func (w *world) after(d time.Duration) *world {
	w.now = w.now.Add(d)
	return w
}

// pass lets time go by with every tick the pool asks for.
func (w *world) pass(d time.Duration) *world {
	end := w.now.Add(d)
	for w.p.Wake <= end {
		w.now = max(w.now, w.p.Wake)
		w.p.Tick(w.now)
		w.took()
	}
	w.now = end
	return w
}

// patient makes a call wait so long for an origin that takes none; negative: not even for
// the end of a back-off.
func patient(d time.Duration) func(*Waiter) {
	return func(q *Waiter) { q.More().Patience, q.More().Hold = d, Hold{Deadline: Never} }
}

// before gives a patient call a deadline.
func before(at Instant) func(*Waiter) { return func(q *Waiter) { q.More().Hold.Deadline = at } }

// outlast lets so much time go by that an open breaker tries again: gobreaker has a clock of
// its own, the bubble's.
func (w *world) outlast(openFor time.Duration) *world {
	time.Sleep(openFor + 1)
	return w.pass(openFor + 1)
}

func pinned(w *world, n int, owner *Owner) func(*Waiter) {
	return func(q *Waiter) { q.More().Pin, q.More().Owner = w.seat(n), owner }
}

// in runs a test in a bubble of time: gobreaker looks at the clock by itself.
func in(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
