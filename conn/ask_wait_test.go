//go:build unix

package conn

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// askFor sends a request the short way and reads the answer.
func askFor(c *Conn) reply {
	if _, err := c.Ask([]byte(get)); err != nil {
		return reply{err: err}
	}
	return receive(c, "GET", 0)
}

// However soon the answer comes, the goroutine that waits for it is woken.
func TestAskLosesNoWakeUp(t *testing.T) {
	c, p := overTCP.meet(t)
	const times = 2000
	p.work.Go(func() {
		for i := range times {
			if p.request() != nil {
				return
			}
			for range i % 5 {
				runtime.Gosched()
			}
			if p.write(okLength) != nil {
				return
			}
		}
	})
	for i := range times {
		if got := askFor(c); got != (reply{200, "hello", nil}) {
			t.Fatalf("exchange %d: %+v", i, got)
		}
		c.Park()
	}
}

// An interruption may come before, between and behind the steps.
func TestAskInterruptedAnywhere(t *testing.T) {
	for i := range 200 {
		c, p := overTCP.meet(t)
		p.answers(okLength)
		began := make(chan struct{})
		p.work.Go(func() {
			<-began
			for range i % 20 {
				runtime.Gosched()
			}
			c.Interrupt(errFirst)
		})
		close(began)
		got := askFor(c)
		if got.err != nil && !errors.Is(got.err, errFirst) && got.err != ErrStale {
			t.Fatalf("%+v", got)
		}
		p.raw.Close()
		p.work.Wait()
	}
}

// What comes behind the answer is seen by the next look, as after any exchange.
func TestAskAfterLeftover(t *testing.T) {
	for name, in := range map[string]string{
		"as long as the buffer": ok + "Content-Length: 5\r\nA: " + text(bufferSize-len(okLength)-len("A: \r\n")) + "\r\n\r\nhello",
		"long":                  ok + "Content-Length: 100000\r\n\r\n" + text(100_000),
	} {
		t.Run(name, func(t *testing.T) {
			c, p := overTCP.meet(t)
			p.answers(in + okLength)
			if got := askFor(c); got.err != nil {
				t.Fatal(got.err)
			}
			p.work.Wait()
			if !c.Reusable() {
				return
			}
			c.Park()
			eventually(t, "something to see", c.Suspect)
			for range 2 {
				sent, err := c.Ask([]byte(get))
				if sent != SentNothing || err != ErrStale || c.Reusable() {
					t.Errorf("sent %v, %v, reusable %t", sent, err, c.Reusable())
				}
			}
		})
	}
}

// A deadline that bounded something before does not bound an Ask.
func TestAskAfterDeadlines(t *testing.T) {
	c, p := overTCP.meet(t)
	p.answers(okLength)
	c.Write([]byte(get), nil, true)
	if _, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if !c.Drain(100, time.Minute) {
		t.Fatal("not drained")
	}
	p.work.Wait()
	c.Park()
	p.answers(okLength)
	if got := askFor(c); got != (reply{200, "hello", nil}) {
		t.Errorf("%+v", got)
	}
}
