package memory

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pair is one connection: two sides and the two ways between them. One lock guards all of
// it; wake tells whoever waits that something has changed.
type pair struct {
	network *Network
	link    Link
	address Addr // dialled

	mu     sync.Mutex
	wake   sync.Cond
	up     way // client to server
	down   way
	client *Conn
	server *Conn
	timers []*time.Timer // of faults that strike by time
}

// way is what travels in one direction.
type way struct {
	segments []segment
	size     int       // bytes in segments
	wanted   int       // bytes that the Reads under way have room for
	spare    []byte    // of a segment that was read: for the next one
	last     time.Time // when the youngest segment arrives
	ended    bool      // its writer has ended it: after the segments comes io.EOF
	hole     bool      // what is written vanishes
	reset    bool
	fault    Fault
	allowed  int64 // bytes until fault strikes
	arrival  *time.Timer
}

// segment is what one write sent, to be read from at on.
type segment struct {
	whole []byte
	bytes []byte // those of it that were not read
	at    time.Time
}

// Conn is one side of a connection: a net.Conn with CloseWrite.
type Conn struct {
	pair          *pair
	local, remote Addr
	in, out       *way
	closed        bool
	read, write   deadline
}

func newPair(n *Network, link Link, address, from Addr) *pair {
	p := &pair{network: n, link: link, address: address}
	p.wake.L = &p.mu
	p.up.befall(link.Up, n)
	p.down.befall(link.Down, n)
	p.client = &Conn{pair: p, local: from, remote: address, in: &p.down, out: &p.up}
	p.server = &Conn{pair: p, local: address, remote: from, in: &p.up, out: &p.down}
	return p
}

// befall draws whether f strikes this connection. The network's lock is held.
func (w *way) befall(f Fault, n *Network) {
	if f.Share > 0 && n.random.Float64() >= f.Share {
		f = Fault{}
	}
	w.fault, w.allowed = f, f.allowed()
}

// arm starts the clocks of faults that strike by time.
func (p *pair) arm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range []*way{&p.up, &p.down} {
		if f := w.fault; f.Kind != None && f.AfterTime > 0 {
			p.timers = append(p.timers, time.AfterFunc(f.AfterTime, func() { p.strike(f.Kind, w) }))
		}
	}
	if p.client.closed && p.server.closed {
		p.disarm()
	}
}

func (p *pair) disarm() {
	for _, t := range p.timers {
		t.Stop()
	}
	p.timers = nil
}

// strike brings kind over the connection, or over way w of it.
func (p *pair) strike(kind FaultKind, w *way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.struck(kind, w)
}

func (p *pair) struck(kind FaultKind, w *way) {
	switch kind {
	case Truncate:
		w.end()
		w.hole = true
	case Cut:
		for _, w := range []*way{&p.up, &p.down} {
			w.end()
			w.hole = true
		}
	case Reset:
		p.up.lose()
		p.down.lose()
	case BlackHole:
		w.hole = true
	}
	p.wake.Broadcast()
}

func (w *way) end() { w.ended = true }

// lose loses what is on the way, with an error to both its ends.
func (w *way) lose() {
	w.reset = true
	w.segments, w.size = nil, 0
}

// Read gives what has arrived, and waits for it where nothing has.
func (c *Conn) Read(b []byte) (int, error) {
	p := c.pair
	p.mu.Lock()
	defer p.mu.Unlock()
	c.in.wanted += len(b)
	defer func() { c.in.wanted -= len(b) }()
	if p.link.Window < 0 {
		p.wake.Broadcast() // once: two Reads would wake each other for ever
	}
	for {
		switch now := time.Now(); {
		case c.closed:
			return 0, c.failed("read", net.ErrClosed)
		case c.read.passed(now):
			return 0, c.failed("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		case c.in.reset:
			return 0, c.failed("read", syscall.ECONNRESET)
		case c.in.arrived(now):
			return c.in.take(b[:c.piece(len(b))], p), nil
		case c.in.over(now):
			return 0, io.EOF
		default:
			c.in.expect(now, p)
		}
		p.wake.Wait()
	}
}

// piece bounds what one read gives.
func (c *Conn) piece(n int) int {
	if most := c.pair.link.Pieces; most > 0 {
		n = min(n, 1+int(c.pair.network.draw()*float64(most)))
	}
	return n
}

func (w *way) arrived(now time.Time) bool {
	return len(w.segments) > 0 && !w.segments[0].at.After(now)
}

// over tells whether the end has arrived: it travels behind the last bytes.
func (w *way) over(now time.Time) bool {
	return w.ended && len(w.segments) == 0 && !w.last.After(now)
}

// take moves arrived bytes into b and lets a writer go on that waits for room.
func (w *way) take(b []byte, p *pair) int {
	s := &w.segments[0]
	n := copy(b, s.bytes)
	s.bytes = s.bytes[n:]
	w.size -= n
	if len(s.bytes) == 0 {
		w.spare = s.whole
		if len(w.segments) == 1 {
			w.segments = w.segments[:0] // its room is for the next one too
		} else {
			w.segments = w.segments[1:]
		}
	}
	p.wake.Broadcast()
	return n
}

// expect has the reader woken when what is on the way arrives.
func (w *way) expect(now time.Time, p *pair) {
	at := w.last
	if len(w.segments) > 0 {
		at = w.segments[0].at
	}
	if !at.After(now) {
		return
	}
	if w.arrival == nil {
		w.arrival = time.AfterFunc(at.Sub(now), p.broadcast)
	} else {
		w.arrival.Reset(at.Sub(now))
	}
}

func (p *pair) broadcast() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wake.Broadcast()
}

// Write sends b. It blocks while the window is full.
func (c *Conn) Write(b []byte) (n int, err error) {
	p := c.pair
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch now := time.Now(); {
		case c.closed:
			return n, c.failed("write", net.ErrClosed)
		case c.write.passed(now):
			return n, c.failed("write", os.ErrDeadlineExceeded)
		case c.out.reset:
			return n, c.failed("write", syscall.ECONNRESET)
		case c.out.ended && !c.out.hole, c.peer().closed:
			return n, c.failed("write", syscall.EPIPE)
		case n == len(b):
			return n, nil
		case c.out.hole:
			return len(b), nil
		default:
			n += c.send(b[n:], now)
			if n == len(b) {
				return n, nil
			}
		}
		p.wake.Wait()
	}
}

// send puts as much of b on its way as there is room for, and strikes where the fault's
// bytes are counted out.
func (c *Conn) send(b []byte, now time.Time) int {
	w, p := c.out, c.pair
	n := min(len(b), p.link.room(w))
	through := int(min(int64(n), w.allowed))
	if through > 0 {
		w.last = latest(w.last, now.Add(c.travel()))
		whole := append(w.spare[:0], b[:through]...)
		w.spare = nil
		w.segments = append(w.segments, segment{whole, whole, w.last})
		w.size += through
		w.allowed -= int64(through)
		p.wake.Broadcast()
	}
	if w.allowed == 0 {
		p.struck(w.fault.Kind, w)
		return len(b) // the rest has gone astray: the writer is not told
	}
	return through
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (c *Conn) travel() time.Duration {
	n := c.pair.network
	n.mu.Lock()
	defer n.mu.Unlock()
	return c.pair.link.delay(n.random)
}

func (c *Conn) peer() *Conn {
	if c == c.pair.client {
		return c.pair.server
	}
	return c.pair.client
}

// CloseWrite ends what this side sends; its peer reads io.EOF behind it.
func (c *Conn) CloseWrite() error {
	p := c.pair
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.closed {
		return c.failed("close", net.ErrClosed)
	}
	c.endWriting()
	return nil
}

func (c *Conn) endWriting() {
	if !c.out.ended && !c.out.hole {
		c.out.last = latest(c.out.last, time.Now().Add(c.travel()))
		c.out.end()
	}
	c.pair.wake.Broadcast()
}

// Close ends both directions. What was written still arrives; what was not read is lost.
func (c *Conn) Close() error {
	p := c.pair
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.closed {
		return c.failed("close", net.ErrClosed)
	}
	c.endWriting()
	c.closed = true
	c.read.stop()
	c.write.stop()
	if c.in.arrival != nil {
		c.in.arrival.Stop()
	}
	if c.peer().closed {
		p.disarm()
		p.network.forget(p)
	}
	return nil
}

func (c *Conn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// LocalAddr is this side's address.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the other side's.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }
