package actors

import "testing"

// TestConnectionStateTable holds the table in connstate.go, pair by pair: what is
// not named here is refused.
func TestConnectionStateTable(t *testing.T) {
	accepted := map[connState][]connEvent{
		connDialing: {evDialed, evStop},
		connOpen:    {evRoundTrip, evSend, evLook, evFlush, evStop},
		connWriting: {evFeed, evReceive, evAbandon, evStop},
		connReading: {evRead, evReadAll, evAbandon, evStop},
		connShared:  {evFlush, evAtRest, evBroken, evStop},
		connClosed:  {evGone},
	}
	for s := connState(0); s < connStates; s++ {
		want := map[connEvent]bool{}
		for _, e := range accepted[s] {
			want[e] = true
		}
		for e := connEvent(0); e < connEvents; e++ {
			if accepts[s][e] != want[e] {
				t.Errorf("state %d, event %d: accepted is %v", s, e, accepts[s][e])
			}
		}
	}
}

// TestConnectionRefusesWhatItsStateDoesNotExpect drives the actor's own check:
// the sender of a step that is not due gets an answer and the state stays.
func TestConnectionRefusesWhatItsStateDoesNotExpect(t *testing.T) {
	s := &Scheduler{}
	steps := map[connEvent]func(*Call) any{
		evRoundTrip: func(c *Call) any { return (*roundTrip)(c) },
		evSend:      func(c *Call) any { return (*send)(c) },
		evFeed:      func(c *Call) any { return (*feed)(c) },
		evReceive:   func(c *Call) any { return (*receive)(c) },
		evRead:      func(c *Call) any { return (*read)(c) },
		evReadAll:   func(c *Call) any { return (*readAll)(c) },
	}
	for st := connState(0); st < connStates; st++ {
		for e, message := range steps {
			if accepts[st][e] {
				continue
			}
			c := &connection{phase: st}
			c.sched = s
			call := s.NewCall()
			call.conn, call.ctx = &c.Conn, t.Context()
			if c.accept(e, message(call)) {
				t.Errorf("state %d took event %d", st, e)
			}
			if !call.slot.wait(nil, nil) || call.err == nil {
				t.Errorf("state %d, event %d: the sender got no error", st, e)
			}
			if c.phase != st {
				t.Errorf("state %d, event %d: the state became %d", st, e, c.phase)
			}
		}
	}
}
