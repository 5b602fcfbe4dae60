package tests

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// conns is how many connections a session shows.
func conns(s *api.Session) int { return len(s.Snapshot().Conns) }

func TestAConnectionEndsWhenItHasIdledForIdleTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		o := n.newOrigin(t)
		s := newSession(t, api.Config{Driver: n, IdleTimeout: time.Minute})
		wantCapacity(t, s, o, 5)
		time.Sleep(time.Minute - moment)
		synctest.Wait()
		if conns(s) != 5 || o.conns.now() != 5 {
			t.Errorf("%d connections here, %d there, of five, before their time is over", conns(s), o.conns.now())
		}
		time.Sleep(moment)
		synctest.Wait()
		if conns(s) != 0 || o.conns.now() != 0 {
			t.Errorf("%d connections here, %d there, when it is", conns(s), o.conns.now())
		}
		if _, err := s.Get(soon(t), o.URL); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestAConnectionInUseOutlivesIdleTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		o := n.newOrigin(t)
		hold := newGate()
		o.route("/", stall(hold))
		s := newSession(t, api.Config{Driver: n, IdleTimeout: time.Second})
		call := start(func() error { return second(s.Get(soon(t), o.URL)) })
		time.Sleep(10 * time.Second)
		hold.open()
		if err := receive(t, "the call", call); err != nil {
			t.Error(err)
		}
	})
}

func TestAConnectionEndsAtMaxConnAgeThoughItIsUsed(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		o := n.newOrigin(t)
		s := newSession(t, api.Config{Driver: n, MaxConnAge: time.Minute, MaxConnsPerOrigin: 1})
		begun := time.Now()
		for o.opened() < 4 { // a call each second
			if _, err := s.Get(soon(t), o.URL); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		// Each is good for a minute, give or take a tenth.
		if took := time.Since(begun); took < 3*54*time.Second || took > 3*67*time.Second+time.Second {
			t.Errorf("the fourth connection after %v", took)
		}
		time.Sleep(67 * time.Second)
		synctest.Wait()
		if conns(s) != 0 || o.conns.now() != 0 {
			t.Errorf("%d connections here, %d there: an idle one ends too", conns(s), o.conns.now())
		}
	})
}

// TestConnectionsThatTheServerClosedAreSweptWithoutACall: the client's side is
// closed too, soon after, though nobody calls.
func TestConnectionsThatTheServerClosedAreSweptWithoutACall(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "TLS"}[secure], func(t *testing.T) {
			t.Parallel() // a sweep comes every two seconds
			o, settings := newOrigin(t), newCertificate(t)
			if secure {
				o = newOriginTLS(t, settings.server())
			}
			leave := newGate()
			url := o.route("/leave", leaveWhen(leave))
			m := new(meter)
			s := newSession(t, api.Config{Driver: m, TLS: settings.client(), IdleTimeout: -1}) // nothing else closes them
			var leases []*api.Lease
			for range 5 {
				lease, err := s.Lease(soon(t), o.URL)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Get(soon(t), url, lease); err != nil {
					t.Fatal(err)
				}
				leases = append(leases, lease)
			}
			for _, lease := range leases {
				lease.Release()
			}
			eventually(t, "all five idle", func() bool { return s.Snapshot().Origins[0].Idle == 5 })
			leave.open()
			eventually(t, "this side has closed them", func() bool { return m.all.conns.now() == 0 && conns(s) == 0 })
			if got := s.Snapshot().Origins[0]; got.Failures != 0 || got.Requests != 5 {
				t.Errorf("it was taken for a failure: %+v", got)
			}
		})
	}
}

// TestUnaskedBytesAreNeverAnAnswer: what a server sends on an idle connection is
// not given to the next call, which goes over another.
func TestUnaskedBytesAreNeverAnAnswer(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for name, c := range map[string]struct {
			more string
			wait bool // they arrive a while after the answer
		}{
			"with the answer": {answerOf("poison"), false},
			"later":           {answerOf("poison"), true},
			"a 408":           {"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", true},
			"one byte":        {"\n", true},
		} {
			t.Run(map[bool]string{false: "plain, ", true: "TLS, "}[secure]+name, func(t *testing.T) {
				o, settings := newOrigin(t), newCertificate(t)
				if secure {
					o = newOriginTLS(t, settings.server())
				}
				send := newGate()
				sent := newGate()
				first := o.route("/first", func(x *exchange) bool {
					defer sent.open()
					if !c.wait {
						return x.take() && x.write(answerOf("ok")+c.more)
					}
					return unasked(send, c.more)(x)
				})
				d := newSockets()
				s := newSession(t, api.Config{Driver: d, TLS: settings.client(), MaxConnsPerOrigin: 1})
				if _, err := s.Get(soon(t), first); err != nil {
					t.Fatal(err)
				}
				send.open()
				receive(t, "the server has sent more", sent.ch)
				if c.wait {
					d.arrived(t, o.lastVisit(t))
					// One that was busy within the last millisecond is not looked at.
					eventually(t, "the connection has idled", func() bool {
						snap := s.Snapshot().Conns
						return len(snap) == 0 || snap[0].For > 5*time.Millisecond
					})
				}
				resp, err := s.Get(soon(t), o.URL)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Text() != "ok" || resp.Status() != 200 {
					t.Errorf("answered %d %q", resp.Status(), resp.Text())
				}
				if v := o.lastVisit(t); v.conn != 2 {
					t.Errorf("the next call went over connection %d", v.conn)
				}
			})
		}
	}
}

// TestUnaskedBytesRightBehindTheAnswerAreNeverAnAnswer: they come in a packet of
// their own and are there when the next call is made, within the same millisecond.
func TestUnaskedBytesRightBehindTheAnswerAreNeverAnAnswer(t *testing.T) {
	o := newOrigin(t)
	now := newGate()
	now.open()
	d := newSockets()
	s := newSession(t, api.Config{Driver: d, MaxConnsPerOrigin: 1})
	for range 50 {
		first := o.route("/first", unasked(now, answerOf("poison")))
		if _, err := s.Get(soon(t), first); err != nil {
			t.Fatal(err)
		}
		d.arrived(t, o.lastVisit(t))
		resp, err := s.Get(soon(t), o.URL)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Text() != "ok" {
			t.Fatalf("answered %q", resp.Text())
		}
	}
}

// TestKeepAliveIsHonoured: a connection that its server keeps for a second is not
// used after half of it, and closed from here.
func TestKeepAliveIsHonoured(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		o := n.newOrigin(t)
		short := o.route("/short", ok("ok", "Keep-Alive: timeout=1, max=100"))
		s := newSession(t, api.Config{Driver: n})
		for range 3 {
			if _, err := s.Get(soon(t), short); err != nil || o.lastVisit(t).conn != 1 {
				t.Errorf("in time: %v, connection %d", err, o.lastVisit(t).conn)
			}
			time.Sleep(time.Second/2 - moment)
		}
		time.Sleep(moment)
		synctest.Wait()
		if conns(s) != 0 || o.conns.now() != 0 {
			t.Errorf("%d connections here, %d there, after half a second", conns(s), o.conns.now())
		}
		if _, err := s.Get(soon(t), o.URL); err != nil || o.lastVisit(t).conn != 2 {
			t.Errorf("later: %v, connection %d", err, o.lastVisit(t).conn)
		}
	})
}
