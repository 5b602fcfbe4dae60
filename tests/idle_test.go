package tests

import (
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// conns is how many connections a session shows.
func conns(s *api.Session) int { return len(s.Snapshot().Conns) }

func TestAConnectionEndsWhenItHasIdledForIdleTimeout(t *testing.T) {
	o := newOrigin(t)
	s := newSession(t, api.Config{IdleTimeout: 50 * time.Millisecond})
	wantCapacity(t, s, o, 5)
	used := time.Now()
	eventually(t, "both sides have let go", func() bool { return conns(s) == 0 && o.conns.now() == 0 })
	if idled := time.Since(used); idled < 50*time.Millisecond {
		t.Errorf("ended after %v", idled)
	}
	if _, err := s.Get(soon(t), o.URL); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAConnectionInUseOutlivesIdleTimeout(t *testing.T) {
	o := newOrigin(t)
	hold := newGate()
	o.route("/", stall(hold))
	s := newSession(t, api.Config{IdleTimeout: 20 * time.Millisecond})
	call := start(func() error { return second(s.Get(soon(t), o.URL)) })
	eventually(t, "the call is in use for longer than that", func() bool {
		snap := s.Snapshot()
		return len(snap.Conns) == 1 && snap.Conns[0].State == "reading" && snap.Conns[0].For > 60*time.Millisecond
	})
	hold.open()
	if err := receive(t, "the call", call); err != nil {
		t.Error(err)
	}
}

func TestAConnectionEndsAtMaxConnAgeThoughItIsUsed(t *testing.T) {
	o := newOrigin(t)
	s := newSession(t, api.Config{MaxConnAge: 50 * time.Millisecond, MaxConnsPerOrigin: 1})
	begun := time.Now()
	for o.opened() < 4 { // a busy connection, without a pause
		if _, err := s.Get(soon(t), o.URL); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun); took < 3*45*time.Millisecond {
		t.Errorf("four connections within %v, each is good for 45 to 55 ms", took)
	}
	eventually(t, "an idle one ends too", func() bool { return conns(s) == 0 && o.conns.now() == 0 })
}

// TestConnectionsThatTheServerClosedAreSweptWithoutACall: the client's side is
// closed too, soon after, though nobody calls.
func TestConnectionsThatTheServerClosedAreSweptWithoutACall(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "TLS"}[secure], func(t *testing.T) {
			o, settings := newOrigin(t), newCertificate(t)
			if secure {
				o = newOriginTLS(t, settings.server())
			}
			leave := newGate()
			url := o.route("/leave", leaveWhen(leave))
			m := new(meter)
			s := newSession(t, api.Config{Driver: m, TLS: settings.client(), IdleTimeout: 2 * time.Second}) // looked at four times within it
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
			if got := s.Snapshot().Origins[0]; got.Idle != 5 {
				t.Fatalf("%d connections idle, want 5", got.Idle)
			}
			leave.open()
			closed := time.Now()
			eventually(t, "this side has closed them", func() bool { return m.all.conns.now() == 0 && conns(s) == 0 })
			if took := time.Since(closed); took > 1900*time.Millisecond {
				t.Errorf("it took %v: that was IdleTimeout, not the sweep", took)
			}
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
				s := newSession(t, api.Config{TLS: settings.client(), MaxConnsPerOrigin: 1})
				if _, err := s.Get(soon(t), first); err != nil {
					t.Fatal(err)
				}
				send.open()
				receive(t, "the server has sent more", sent.ch)
				if c.wait {
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
	s := newSession(t, api.Config{MaxConnsPerOrigin: 1})
	for range 50 {
		sent := newGate()
		first := o.route("/first", func(x *exchange) bool {
			defer sent.open()
			return unasked(now, answerOf("poison"))(x)
		})
		if _, err := s.Get(soon(t), first); err != nil {
			t.Fatal(err)
		}
		receive(t, "the server has sent more", sent.ch)
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
	o := newOrigin(t)
	short := o.route("/short", ok("ok", "Keep-Alive: timeout=1, max=100"))
	s := newSession(t, api.Config{})
	if _, err := s.Get(soon(t), short); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(soon(t), short); err != nil || o.lastVisit(t).conn != 1 {
		t.Errorf("at once: %v, connection %d", err, o.lastVisit(t).conn)
	}
	used := time.Now()
	eventually(t, "it is closed from here", func() bool { return conns(s) == 0 && o.conns.now() == 0 })
	if idled := time.Since(used); idled < 400*time.Millisecond || idled > time.Second {
		t.Errorf("closed after %v, want half a second", idled)
	}
	if _, err := s.Get(soon(t), o.URL); err != nil || o.lastVisit(t).conn != 2 {
		t.Errorf("later: %v, connection %d", err, o.lastVisit(t).conn)
	}
}
