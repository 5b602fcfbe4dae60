package actors

import (
	"sync"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// line is where the calls stand that share a connection: its second mailbox, whose
// messages are taken together. No caller does I/O here. Whoever posts first has a
// goroutine of the crew start the actor's flush, which writes all that are there by
// then in one piece; another reads as long as an answer is due.
//
//	a call is  event                 next    effect
//	-          post                  queued  a flush is started, if none is on its way
//	queued     flush                 sent    its head goes out with all that are queued
//	queued     its caller leaves     void    it is never written
//	sent       its answer comes      -       the caller is woken
//	sent       its caller leaves     sent    the answer is read and dropped
//	any        the connection ends   -       the caller learns what is known of it
//
// They are answered in the order in which they were written (RFC 9112 §9.3.2). All
// fields are guarded by mu, which nobody holds over I/O: so a caller can leave at
// any moment, and nobody touches its memory afterwards.
type line struct {
	lines *lines
	mu    sync.Mutex

	// spots[n % len] for first <= n < next: sent those before unsent, the others queued.
	*lineMemory         // nil where nobody is in the line
	first, unsent, next uint64

	awaited  int  // calls whose caller has not left
	flushing bool // a flush is on its way
	writing  bool // the last piece loaded has not been handed over yet
	reading  bool // the reader runs
	shut     bool // nothing more is taken
	doubted  bool // a caller's time ran out since the last answer

	total, handed int64 // bytes of requests: loaded, and of these handed to the socket

	fault error // what ended the connection, for the first that is unanswered
	werr  error // of the write that failed
	begun bool  // some of the answer to the first had come then

	abandoned bool          // the last caller has left
	ending    outcome       // what that says about the origin
	had       time.Duration // how long that had, where ending is outcomeLate

	landed  landing // to be reported by the message under way
	telling bool    // it is under way
	last    landing // to be reported once the actor is at rest

	flush              flush
	atRest             atRest
	broken             broken
	report             connLanded
	flushLater, readOn func() // made once
}

// lines are those of a scheduler whose calls may still be unanswered. Who waits in one
// minds no end of the scheduler: that empties what a driver's conn has held up.
type lines struct {
	mu   sync.Mutex
	all  map[*connection]struct{}
	pool sync.Pool // of *lineMemory
}

// lineMemory is what a line needs while somebody is in it: an idle connection holds none.
type lineMemory struct {
	spots []spot
	out   []byte // the last piece loaded
}

func (x *lines) memory() *lineMemory {
	if m, ok := x.pool.Get().(*lineMemory); ok {
		return m
	}
	return &lineMemory{spots: make([]spot, 8)}
}

func (x *lines) giveBack(m *lineMemory) {
	if cap(m.out) <= pieceSize+maxKeptHead {
		x.pool.Put(m)
	}
}

func (x *lines) add(c *connection) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		x.all = map[*connection]struct{}{}
	}
	x.all[c] = struct{}{}
}

func (x *lines) remove(c *connection) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.all, c)
}

// end fails whoever is left.
func (x *lines) end() {
	x.mu.Lock()
	left := x.all
	x.all = nil
	x.mu.Unlock()
	for c := range left {
		c.line.mu.Lock()
		c.line.fault = ErrSessionClosed
		c.line.mu.Unlock()
		c.failLine()
	}
}

// spot is one call's place in the line.
type spot struct {
	call   *Call   // nil: its caller has left
	answer *Answer // what has come of it: nil, for most
	method string
	max    int64 // bytes of the body
	end    int64 // of its request, in bytes loaded
	size   int64 // of it
	void   bool  // not written, and not to be
	wrote  instant
}

// landing is what has become of calls since the last report.
type landing struct {
	n, ok, failed int           // no longer in the line; of which were answered so
	row           int           // failed since the last that was ok
	keep          time.Duration // how long the server keeps the connection; 0: it did not say
	at            instant
	took          time.Duration // the last answer; 0: unknown
	proven        bool          // it has answered in HTTP/1.1, and goes on
}

func (t *landing) add(u landing) {
	t.n, t.ok, t.failed = t.n+u.n, t.ok+u.ok, t.failed+u.failed
	if t.row += u.row; u.ok > 0 {
		t.row = u.row
	}
	t.proven = t.proven || u.proven
	if u.at > t.at {
		t.at, t.keep, t.took = u.at, u.keep, u.took
	}
}

func newLine(c *connection) *line {
	c.sched.lines.add(c)
	l := &line{lines: &c.sched.lines}
	l.flush.conn, l.atRest.conn, l.broken.conn = c, c, c
	l.report.seat = c.seat
	l.flushLater, l.readOn = c.flushLater, c.readOn
	return l
}

func (l *line) at(n uint64) *spot { return &l.spots[n&uint64(len(l.spots)-1)] }

// post queues a call. begin tells that a flush is to be started; ok is false where
// the connection is ending.
func (l *line) post(c *Call) (begin, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return false, false
	}
	if l.lineMemory == nil {
		l.lineMemory = l.lines.memory()
	}
	if int(l.next-l.first) == len(l.spots) {
		l.grow()
	}
	c.place = l.next
	*l.at(l.next) = spot{call: c, method: c.Method, max: c.MaxBody}
	l.next++
	l.awaited++
	begin = !l.flushing
	l.flushing = true
	return begin, true
}

func (l *line) grow() {
	old := l.spots
	l.spots = make([]spot, 2*len(old))
	for n := l.first; n != l.next; n++ {
		*l.at(n) = old[n&uint64(len(old)-1)]
	}
}

// pieceSize is up to where requests are gathered into one write: what a socket takes
// at once.
const pieceSize = 64 << 10

// load makes the next piece of what is queued; empty when all is sent. read tells
// that a reader is to be started.
func (l *line) load(now instant) (piece []byte, read bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == l.next {
		l.flushing = false
		return nil, false
	}
	l.out = l.out[:0]
	for ; l.unsent != l.next && len(l.out) < pieceSize; l.unsent++ {
		s := l.at(l.unsent)
		if s.void = s.call == nil; !s.void {
			l.out = append(l.out, s.call.Head...)
			s.size, s.wrote = int64(len(s.call.Head)), now
		}
		s.end = l.total + int64(len(l.out))
	}
	l.total += int64(len(l.out))
	if len(l.out) == 0 {
		l.flushing = false
		return nil, false
	}
	l.writing = true
	read = !l.reading
	l.reading = true
	return l.out, read
}

// wrote notes how a piece went out; unsure: perhaps more of it than n. It reports false
// when nothing more can.
func (l *line) wrote(n int, err error, unsure bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handed += int64(n)
	l.writing = unsure
	if err != nil {
		l.werr, l.shut = err, true
	}
	return err == nil
}

// unwritable is why nothing can be written any more; nil: it can.
func (l *line) unwritable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.werr
}

// front is the call whose answer is due, past those that were never written. nil:
// none is.
func (l *line) front(t *landing) *spot {
	for l.first != l.unsent {
		s := l.at(l.first)
		if !s.void {
			return s
		}
		l.pop()
		t.n++
	}
	return nil
}

// pop takes the first out of the line.
func (l *line) pop() {
	s := l.at(l.first)
	if s.call != nil {
		l.awaited--
	}
	*s = spot{}
	l.first++
}

// evidence is how much of the n-th request was handed to the socket.
func (l *line) evidence(n uint64) conn.Sent {
	switch s := l.at(n); {
	case n >= l.unsent || s.void:
		return conn.SentNothing
	case s.end <= l.handed:
		return conn.SentAll
	case l.writing, s.end-s.size < l.handed:
		return conn.SentPart
	}
	return conn.SentNothing
}

// departure is what a caller that leaves the line knows.
type departure struct {
	sent  conn.Sent
	alone bool // nobody awaits an answer any more, and some is due
	first bool // that has left since the last answer
}

// leave takes the caller out. ok is false where it was answered in
// the same moment.
func (l *line) leave(c *Call) (d departure, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place < l.first {
		return d, false
	}
	d.sent = l.evidence(c.place)
	l.at(c.place).call = nil
	l.awaited--
	if d.sent != conn.SentNothing {
		d.first = !l.doubted
		l.doubted = true
	}
	d.alone = l.awaited == 0 && l.due()
	l.shut = l.shut || d.alone
	return d, true
}

// due tells whether an answer is.
func (l *line) due() bool {
	for n := l.first; n != l.unsent; n++ {
		if !l.at(n).void {
			return true
		}
	}
	return false
}

// tell adds to what the dispatcher is to hear. It reports whether to send it the
// message: else one is under way, and takes this along.
func (l *line) tell(t landing) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.landed.add(t)
	send := !l.telling && l.landed.n > 0
	l.telling = l.telling || send
	return send
}

// deserted tells whether all that had been queued has left, and no answer is due.
func (l *line) deserted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.reading && l.front(&l.last) == nil
}

// settled is what is to be reported at rest; quiet tells that nothing has come since.
func (l *line) settled() (t landing, quiet bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, l.last = l.last, landing{}
	quiet = l.first == l.next && !l.reading
	if quiet && l.lineMemory != nil {
		l.lines.giveBack(l.lineMemory)
		l.lineMemory = nil
	}
	return t, quiet
}

// told hands over what the dispatcher is to hear.
func (l *line) told() landing {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.landed
	l.landed, l.telling = landing{}, false
	return t
}
