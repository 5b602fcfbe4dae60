package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/open"
	"github.com/seed53b03582/troupe/conn"
)

// ErrBodyAbandoned tells that nobody read a StreamBody for Config.BodyTimeout: its
// connection was closed. It comes inside an *IOError.
var ErrBodyAbandoned = errors.New("troupe: the body was not read for BodyTimeout and has been given up; read it to its end, or close it")

var errBodyClosed = errors.New("troupe: the body was closed before its end")

// StreamBody returns the Response as soon as its head is there. Response.Body or
// Response.Chunks read the rest, which keeps the connection until its end, a Close, the
// end of the call's context, or Config.BodyTimeout without a Read. Content is empty.
func StreamBody() Option { return streamBodyOption{} }

type streamBodyOption struct{}

func (streamBodyOption) apply(r *request) { r.given |= optStreamBody }

// Body reads the answer's body, decoded. After StreamBody it comes off the connection
// as it is read: close it, unless you read it to io.EOF or an error. A Close before the
// end keeps the connection where little is left, and else closes it (RFC 9112 §9.3); it
// also ends a Read that is under way on another goroutine. io.Copy to an *os.File or a
// socket of package net is the kernel's work, on Linux, over plain TCP, and where the
// body is large and not decoded. Without StreamBody Body
// reads Content.
func (r *Response) Body() io.ReadCloser {
	if b := r.streamed(); b != nil {
		return b
	}
	return io.NopCloser(bytes.NewReader(r.Content()))
}

func (r *Response) streamed() *bodyReader {
	if r.rare == nil {
		return nil
	}
	return r.rare.body
}

// Chunks gives the body in pieces of exactly n bytes; the last one may be shorter, and
// n <= 0 means 512. A chunk is valid until the next one. An error ends it and comes
// with a nil chunk. Leaving the loop closes the body.
func (r *Response) Chunks(n int) iter.Seq2[[]byte, error] {
	if n <= 0 {
		n = defaultChunk
	}
	return func(yield func([]byte, error) bool) {
		src := r.Body()
		defer src.Close()
		var chunk []byte
		for {
			chunk = chunk[:0]
			var err error
			for err == nil && len(chunk) < n {
				if len(chunk) == cap(chunk) {
					chunk = append(make([]byte, 0, min(n, max(2*cap(chunk), firstChunk))), chunk...)
				}
				var k int
				k, err = src.Read(chunk[len(chunk):min(n, cap(chunk))])
				chunk = chunk[:len(chunk)+k]
			}
			if len(chunk) > 0 && (err == nil || err == io.EOF) && !yield(chunk, nil) {
				return
			}
			if err != nil {
				if err != io.EOF {
					yield(nil, err)
				}
				return
			}
		}
	}
}

// bodyReader is a streamed body in the caller's hands. It has taken the request over
// and ends it.
//
//	state  event                            next    effect
//	open   Read                             open    the clock stands still meanwhile
//	open   Read: end, or an error           ended   connection free, or closed
//	open   Close, or the session's end      ended   a small rest drained, else closed
//	open   WriteTo: the writer fails        ended   a small rest drained, else closed
//	open   context ended                    ended   connection closed
//	open   no Read for BodyTimeout          ended   connection closed, and the opener told of
//	ended  Read                             ended   gives what ended it
type bodyReader struct {
	session *Session
	mu      sync.Mutex // held by whoever reads or ends it
	src     *intake    // until the end
	err     error      // once ended: for every further Read
	read    time.Time
	idle    *time.Timer // nil: no BodyTimeout
	unhook  func() bool // from the context
	cancel  context.CancelFunc
	url     string
	opened  actors.CallSite
	noted   *open.Thing
}

// openBody puts a body of resp into the caller's hands.
func (r *request) openBody(ctx context.Context, resp *Response) (taken bool) {
	b := &bodyReader{session: r.session, src: r.intake(ctx, resp, false), cancel: r.cancel, url: resp.shown()}
	b.opened.Take()
	resp.more().body = b
	r.unclaim() // the request's own body is out
	if r.call.Finished() {
		b.src.over, b.err = true, io.EOF
		b.src.close()
		return false
	}
	s := r.session
	b.mu.Lock()
	defer b.mu.Unlock()
	if !s.bodies.add(b) {
		b.end(ErrSessionClosed)
		return true
	}
	b.noted = open.Note("streamed body", "read it to its end, or Close it", s.noted, func(bool) string { return "of " + b.url })
	b.unhook = context.AfterFunc(ctx, func() {
		defer s.sched.Recover()
		b.give(actors.Ended(ctx))
	})
	if s.bodyTimeout > 0 {
		b.read = time.Now()
		b.idle = time.AfterFunc(s.bodyTimeout, b.expire)
	}
	return true
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, _, err := b.next(p, nil)
	return n, err
}

// next reads into p, or into pipe where there is one and it can be filled.
func (b *bodyReader) next(p []byte, pipe *conn.Pipe) (n int, piped bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, false, b.err
	}
	if len(p) == 0 {
		return 0, false, nil
	}
	if b.idle != nil {
		b.idle.Stop()
	}
	if pipe != nil && b.src.dec == nil {
		n, piped, err = (*wire)(b.src).splice(p, pipe)
	} else {
		n, err = b.src.Read(p)
	}
	switch {
	case err != nil:
		b.end(err)
	case b.src.over && b.src.dec == nil: // nothing is left to wait for
		b.end(io.EOF)
	case b.idle != nil:
		b.read = time.Now()
		b.idle.Reset(b.session.bodyTimeout)
	}
	return n, piped, err
}

// Close gives up what was not read.
func (b *bodyReader) Close() error {
	if !b.mu.TryLock() {
		b.cancel() // ends the Read that is under way
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	b.end(errBodyClosed)
	return nil
}

// give ends the body with the reason that somebody else has for it.
func (b *bodyReader) give(reason error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.giveLocked(reason)
}

func (b *bodyReader) giveLocked(reason error) {
	if b.err == nil {
		failure := b.src.r.explain(&conn.Error{Op: conn.OpRead, Sent: conn.SentAll, RemoteAddr: b.src.resp.connection.RemoteAddr(), Err: reason},
			b.src.resp.Trace())
		if !b.src.over { // else the connection serves others by now
			b.session.sched.Abort(b.src.r.call, reason)
		}
		b.end(failure)
	}
}

// expire gives up a body that nobody reads.
func (b *bodyReader) expire() {
	s := b.session
	defer s.sched.Recover()
	if !s.bodies.enter() {
		return
	}
	defer s.bodies.leave()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && time.Since(b.read) >= s.bodyTimeout { // else it was read just now
		s.sched.BodyAbandoned(b.url, b.opened.String())
		b.giveLocked(ErrBodyAbandoned)
	}
}

// end is the end, whoever brings it about; later ones do nothing. The caller holds mu.
func (b *bodyReader) end(reason error) {
	if b.err != nil {
		return
	}
	b.err = reason
	b.src.close()
	if b.idle != nil {
		b.idle.Stop()
	}
	if b.unhook != nil {
		b.unhook()
	}
	b.session.bodies.remove(b)
	b.noted.Closed()
	r := b.src.r
	b.src = nil // the request goes to others now
	r.release()
}

// bodies are the streamed bodies of a session that have not ended.
type bodies struct {
	mu     sync.Mutex
	open   map[*bodyReader]struct{}
	closed bool
	timers sync.WaitGroup // that have fired
}

func (s *bodies) add(b *bodyReader) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.open == nil {
		s.open = map[*bodyReader]struct{}{}
	}
	s.open[b] = struct{}{}
	return true
}

func (s *bodies) remove(b *bodyReader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, b)
}

// enter counts a timer in that has fired; false once the session is closed.
func (s *bodies) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.timers.Add(1)
	}
	return !s.closed
}

func (s *bodies) leave() { s.timers.Done() }

// close ends all of them, once their connections are closed.
func (s *bodies) close() {
	s.mu.Lock()
	s.closed = true
	var left []*bodyReader
	for b := range s.open {
		left = append(left, b)
	}
	s.mu.Unlock()
	for _, b := range left {
		b.give(ErrSessionClosed)
	}
	s.timers.Wait()
}
