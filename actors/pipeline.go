package actors

import (
	"sync"
	"time"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// pipeline is where the calls stand that share a connection: its second mailbox, whose
// messages are taken together. No caller does I/O here. Whoever posts first has a
// goroutine of the group start the actor's flush, which writes all that are there by
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
type pipeline struct {
	all *pipelines
	mu  sync.Mutex

	// calls[n % len] for first <= n < next: sent those before unsent, the others queued.
	*pipelineMemory     // nil where nobody is in the pipeline
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
	ending    pool.Outcome  // what that says about the origin
	had       time.Duration // how long that had, where ending is outcomeLate

	report     pool.Report // to be reported by the message under way
	reporting  bool        // it is under way
	restReport pool.Report // to be reported once the actor is at rest

	flush              flush
	atRest             atRest
	broken             broken
	message            callsEnded
	flushLater, readOn func() // made once
}

// pipelines are those of a scheduler whose calls may still be unanswered. Callers waiting in
// a pipeline do not watch for the end of the scheduler: end fails those whom a driver's conn has held up.
type pipelines struct {
	mu       sync.Mutex
	all      map[*connection]struct{}
	memories sync.Pool // of *pipelineMemory
}

// pipelineMemory is what a pipeline needs while somebody is in it: an idle connection holds none.
type pipelineMemory struct {
	calls []pipelinedCall
	out   []byte // the last piece loaded
}

func (all *pipelines) memory() *pipelineMemory {
	if m, ok := all.memories.Get().(*pipelineMemory); ok {
		return m
	}
	return &pipelineMemory{calls: make([]pipelinedCall, 8)}
}

func (all *pipelines) giveBack(m *pipelineMemory) {
	if cap(m.out) <= pieceSize+maxKeptHead {
		all.memories.Put(m)
	}
}

func (all *pipelines) add(c *connection) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.all == nil {
		all.all = map[*connection]struct{}{}
	}
	all.all[c] = struct{}{}
}

func (all *pipelines) remove(c *connection) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.all, c)
}

// end fails whoever is left.
func (all *pipelines) end() {
	all.mu.Lock()
	left := all.all
	all.all = nil
	all.mu.Unlock()
	for c := range left {
		c.pipeline.mu.Lock()
		c.pipeline.fault = ErrSessionClosed
		c.pipeline.mu.Unlock()
		c.failPipeline()
	}
}

// pipelinedCall is one call's place in the pipeline.
type pipelinedCall struct {
	call   *Call   // nil: its caller has left
	answer *Answer // what has come of it: nil, for most
	method string
	max    int64 // bytes of the body
	end    int64 // of its request, in bytes loaded
	size   int64 // of it
	void   bool  // not written, and not to be
	wrote  instant
}

func newPipeline(c *connection) *pipeline {
	c.sched.pipelines.add(c)
	p := &pipeline{all: &c.sched.pipelines}
	p.flush.conn, p.atRest.conn, p.broken.conn = c, c, c
	p.message.entry = c.entry
	p.flushLater, p.readOn = c.flushLater, c.readOn
	return p
}

func (p *pipeline) at(n uint64) *pipelinedCall { return &p.calls[n&uint64(len(p.calls)-1)] }

// post queues a call. begin tells that a flush is to be started; ok is false where
// the connection is ending.
func (p *pipeline) post(c *Call) (begin, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return false, false
	}
	if p.pipelineMemory == nil {
		p.pipelineMemory = p.all.memory()
	}
	if int(p.next-p.first) == len(p.calls) {
		p.grow()
	}
	c.place = p.next
	*p.at(p.next) = pipelinedCall{call: c, method: c.Method, max: c.MaxBody}
	p.next++
	p.awaited++
	begin = !p.flushing
	p.flushing = true
	return begin, true
}

func (p *pipeline) grow() {
	old := p.calls
	p.calls = make([]pipelinedCall, 2*len(old))
	for n := p.first; n != p.next; n++ {
		*p.at(n) = old[n&uint64(len(old)-1)]
	}
}

// pieceSize is up to where requests are gathered into one write: what a socket takes
// at once.
const pieceSize = 64 << 10

// load makes the next piece of what is queued; empty when all is sent. read tells
// that a reader is to be started.
func (p *pipeline) load(now instant) (piece []byte, read bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == p.next {
		p.flushing = false
		return nil, false
	}
	p.out = p.out[:0]
	for ; p.unsent != p.next && len(p.out) < pieceSize; p.unsent++ {
		s := p.at(p.unsent)
		if s.void = s.call == nil; !s.void {
			p.out = append(p.out, s.call.Head...)
			s.size, s.wrote = int64(len(s.call.Head)), now
		}
		s.end = p.total + int64(len(p.out))
	}
	p.total += int64(len(p.out))
	if len(p.out) == 0 {
		p.flushing = false
		return nil, false
	}
	p.writing = true
	read = !p.reading
	p.reading = true
	return p.out, read
}

// wrote notes how a piece went out; unsure: perhaps more of it than n. It reports false
// when nothing more can.
func (p *pipeline) wrote(n int, err error, unsure bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handed += int64(n)
	p.writing = unsure
	if err != nil {
		p.werr, p.shut = err, true
	}
	return err == nil
}

// unwritable is why nothing can be written any more; nil: it can.
func (p *pipeline) unwritable() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.werr
}

// front is the call whose answer is due, past those that were never written. nil:
// none is.
func (p *pipeline) front(t *pool.Report) *pipelinedCall {
	for p.first != p.unsent {
		s := p.at(p.first)
		if !s.void {
			return s
		}
		p.pop()
		t.N++
	}
	return nil
}

// pop takes the first out of the pipeline.
func (p *pipeline) pop() {
	s := p.at(p.first)
	if s.call != nil {
		p.awaited--
	}
	*s = pipelinedCall{}
	p.first++
}

// evidence is how much of the n-th request was handed to the socket.
func (p *pipeline) evidence(n uint64) conn.Sent {
	switch s := p.at(n); {
	case n >= p.unsent || s.void:
		return conn.SentNothing
	case s.end <= p.handed:
		return conn.SentAll
	case p.writing, s.end-s.size < p.handed:
		return conn.SentPart
	}
	return conn.SentNothing
}

// pipelineLeave is what a caller that leaves the pipeline knows.
type pipelineLeave struct {
	sent  conn.Sent
	alone bool // nobody awaits an answer any more, and some is due
	first bool // that has left since the last answer
}

// leave takes the caller out. ok is false where it was answered in
// the same moment.
func (p *pipeline) leave(c *Call) (d pipelineLeave, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.place < p.first {
		return d, false
	}
	d.sent = p.evidence(c.place)
	p.at(c.place).call = nil
	p.awaited--
	if d.sent != conn.SentNothing {
		d.first = !p.doubted
		p.doubted = true
	}
	d.alone = p.awaited == 0 && p.due()
	p.shut = p.shut || d.alone
	return d, true
}

// due tells whether an answer is.
func (p *pipeline) due() bool {
	for n := p.first; n != p.unsent; n++ {
		if !p.at(n).void {
			return true
		}
	}
	return false
}

// tell adds to what the dispatcher is to hear. It reports whether to send it the
// message: else one is under way, and takes this along.
func (p *pipeline) addReport(t pool.Report) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report.Add(t)
	send := !p.reporting && p.report.N > 0
	p.reporting = p.reporting || send
	return send
}

// deserted tells whether all that had been queued has left, and no answer is due.
func (p *pipeline) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.reading && p.front(&p.restReport) == nil
}

// settled is what is to be reported at rest; quiet tells that nothing has come since.
func (p *pipeline) endRest() (t pool.Report, quiet bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, p.restReport = p.restReport, pool.Report{}
	quiet = p.first == p.next && !p.reading
	if quiet && p.pipelineMemory != nil {
		p.all.giveBack(p.pipelineMemory)
		p.pipelineMemory = nil
	}
	return t, quiet
}

// told hands over what the dispatcher is to hear.
func (p *pipeline) takeReport() pool.Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.report
	p.report, p.reporting = pool.Report{}, false
	return t
}
