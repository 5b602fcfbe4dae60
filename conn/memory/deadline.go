package memory

import (
	"net"
	"time"
)

// deadline is when reads or writes give up. The pair's lock guards it.
type deadline struct {
	at    time.Time // zero: never
	timer *time.Timer
}

func (d *deadline) passed(now time.Time) bool { return !d.at.IsZero() && !d.at.After(now) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadline) set(t time.Time, wake func()) {
	d.stop()
	d.at = t
	if in := time.Until(t); !t.IsZero() && in > 0 {
		d.timer = time.AfterFunc(in, wake)
	}
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.read, &c.write) }

// SetReadDeadline bounds reads, also one that waits already.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.read) }

// SetWriteDeadline bounds writes, also one that waits already.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.write) }

func (c *Conn) setDeadlines(t time.Time, which ...*deadline) error {
	p := c.pair
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.closed {
		return c.failed("set", net.ErrClosed)
	}
	for _, d := range which {
		d.set(t, p.broadcast)
	}
	p.wake.Broadcast()
	return nil
}
