package conn

import (
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

const expectHead = "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"

func TestAwaitContinue(t *testing.T) {
	const go100 = "HTTP/1.1 100 Continue\r\n\r\n"
	for _, tc := range []struct {
		name    string
		in      []string
		fin     bool
		proceed bool
		waits   bool // until patience is over
		want    string
	}{
		{"leave", []string{go100}, false, true, false, ""},
		{"leave in pieces", []string{go100[:9], go100[9:20], go100[20:]}, false, true, false, ""},
		{"leave behind others", []string{"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n", go100}, false, true, false, ""},
		{"others only", []string{"HTTP/1.1 103 Early Hints\r\n\r\n"}, false, true, true, ""},
		{"silence", nil, false, true, true, ""},
		{"a status to be", []string{"HTTP/1.1"}, false, true, true, ""},
		{"refused", []string{early413}, false, false, false, "too much"},
		{"refused, as it begins", []string{early413[:10]}, false, false, false, "too much"},
		{"refused behind leave", []string{go100 + early413}, false, false, false, "too much"},
		{"answered", []string{early200}, false, false, false, "hello"},
		{"a FIN", nil, true, false, false, ""},
		{"no HTTP", []string{"what?"}, false, false, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := overPipe.meet(t)
				p.work.Go(func() {
					io.ReadFull(p, make([]byte, len(expectHead)))
					p.write(tc.in...)
					if tc.fin {
						p.cut()
					}
				})
				if sent, err := c.Write([]byte(expectHead), nil, false); sent != SentPart || err != nil {
					t.Fatal(sent, err)
				}
				start := time.Now()
				proceed, err := c.AwaitContinue(time.Second, http1.Limits{})
				if proceed != tc.proceed || err != nil {
					t.Fatalf("proceed %t, %v", proceed, err)
				}
				if waited := time.Since(start); (waited == time.Second) != tc.waits || waited > time.Second {
					t.Errorf("waited %v", waited)
				}
				if want := len(tc.in) > 0; c.AnswerBegun() != want {
					t.Errorf("begun %t", !want)
				}
				p.work.Wait()
				time.Sleep(time.Hour) // no deadline is left behind
				if proceed {
					p.work.Go(func() {
						io.ReadFull(p, make([]byte, 4))
						if tc.name == "a status to be" {
							p.write(early200[len("HTTP/1.1"):])
						} else {
							p.write(early200)
						}
					})
					if sent, err := c.More([]byte("body"), true); sent != SentAll || err != nil {
						t.Fatal(sent, err)
					}
					if r := receive(c, "PUT", 0); r != (reply{200, "hello", nil}) || !c.Reusable() {
						t.Errorf("%+v, reusable %t", r, c.Reusable())
					}
					return
				}
				if tc.name == "refused, as it begins" {
					p.work.Go(func() { p.write(early413[10:]) })
				}
				if r := receive(c, "PUT", 0); r.body != tc.want || (r.err == nil) != (tc.want != "") || c.Reusable() {
					t.Errorf("%+v, reusable %t", r, c.Reusable())
				}
			})
		})
	}
}

// Patience that is over leaves the connection sound, also through TLS.
func TestAwaitContinueThenSend(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			p.answers(okLength)
			c.Write([]byte(expectHead), nil, false)
			if proceed, err := c.AwaitContinue(time.Millisecond, http1.Limits{}); !proceed || err != nil {
				t.Fatalf("proceed %t, %v", proceed, err)
			}
			if sent, err := c.More([]byte("body"), true); sent != SentAll || err != nil {
				t.Fatal(sent, err)
			}
			if r := receive(c, "PUT", 0); r.err != nil || !c.Reusable() {
				t.Errorf("%+v, reusable %t", r, c.Reusable())
			}
		})
	}
}

func TestAwaitContinueInterrupted(t *testing.T) {
	for _, before := range []bool{false, true} {
		for _, tr := range transports {
			t.Run(fmt.Sprintf("%s, before it %t", tr.name, before), func(t *testing.T) {
				c, p := tr.meet(t)
				p.work.Go(func() { io.ReadFull(p, make([]byte, len(expectHead))) })
				c.Write([]byte(expectHead), nil, false)
				p.work.Wait()
				if before {
					c.Interrupt(errFirst)
				} else {
					p.work.Go(func() { c.Interrupt(errFirst) })
				}
				proceed, err := c.AwaitContinue(time.Hour, http1.Limits{})
				wantError(t, err, errFirst)
				if proceed {
					t.Error("proceeds")
				}
				c.Close()
			})
		}
	}
}

// The leave may come while the watch reads: a large head is written with one.
func TestAwaitContinueThatWasHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := overPipe.meet(t)
		p.work.Go(func() {
			io.ReadFull(p, make([]byte, takenAtOnce+1))
			p.write("HTTP/1.1 100 Continue\r\n\r\n")
		})
		if _, err := c.Write(make([]byte, takenAtOnce+1), nil, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		start := time.Now()
		proceed, err := c.AwaitContinue(time.Hour, http1.Limits{})
		if !proceed || err != nil || time.Since(start) != 0 {
			t.Errorf("proceed %t, %v after %v", proceed, err, time.Since(start))
		}
	})
}
