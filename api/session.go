package api

import (
	"context"
	"errors"
	"sync"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/coding"
	"github.com/seed53b03582/troupe/api/internal/digest"
	"github.com/seed53b03582/troupe/api/internal/open"
	"github.com/seed53b03582/troupe/conn"
)

// Session sends requests over connections that it keeps, within limits and behind
// a circuit breaker for each origin. It may be used from any number of goroutines.
type Session struct {
	sched *actors.Scheduler
	settings
	oneShot bool // connections are not kept unless a call asks for it

	// The pools are the session's own: memory made inside a testing/synctest
	// bubble must not be used outside.
	requests  sync.Pool // of *request
	noExtras  extras    // of all calls that have none: only read
	decoders  coding.Decoders
	digests   digest.Nonces
	crossings crossings
	calls     underway
	bodies    bodies // streamed, and not yet read to their end
	noted     *open.Thing
}

// NewSession starts a session. Shutdown or Close end it. Settings that make no
// sense are an *InputError; an error of the Driver's Start is returned.
func NewSession(cfg Config) (*Session, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	sched, err := actors.Start(cfg.scheduler())
	if err != nil {
		return nil, err
	}
	s := newSessionOf(sched, cfg.settings())
	s.noted = open.Note("Session", "call its Close or Shutdown", nil, s.atWork)
	return s, nil
}

func newSessionOf(sched *actors.Scheduler, cfg settings) *Session {
	return &Session{sched: sched, settings: cfg, decoders: coding.Decoders{Grow: sched.Grow, Halted: sched.Halted}, calls: underway{over: make(chan struct{})}}
}

// send is every call: it encodes what was asked for and has it answered, again
// where a redirect, a challenge or a retry wants that, and makes a Response of the
// last answer.
func (s *Session) send(ctx context.Context, method, url string, opts []Option) (*Response, error) {
	if ctx == nil {
		return nil, s.refuse(opts, errNoContext())
	}
	r := s.takeRequest()
	streamed := false // a body has taken r over, and may have ended it already
	var resp *Response
	returned := false
	defer func() {
		if streamed {
			return
		}
		if !returned && resp != nil {
			r.drop(resp) // an error, or a panic of a Jar, a callback or a Seek
		}
		r.closeBody()
		r.release()
	}()
	r.call.Method = method
	if err := r.applyAll(opts); err != nil {
		return nil, err
	}
	if r.has(optUpload | optJSON | optBody | optMultipart) {
		r.began = s.sched.Moment() // making the body runs code of the caller's
	}
	if err := r.prepare(url, nil); err != nil {
		return nil, err
	}
	if r.entered = s.calls.enter(); !r.entered {
		return nil, r.closed()
	}
	ctx = r.bound(ctx)
	for {
		var err error
		resp, err = r.try(ctx)
		again, err := r.next(ctx, resp, err)
		switch {
		case err != nil:
			return nil, err
		case !again:
			streamed, err = r.finish(ctx, resp)
			if err != nil {
				return nil, err
			}
			returned = true
			return resp, nil
		}
	}
}

// try sends the request as it is now. A streamed answer's body is left on the
// connection.
func (r *request) try(ctx context.Context) (*Response, error) {
	r.lost = nil
	if err := r.encode(); err != nil {
		return nil, err
	}
	call := r.call
	a, err := r.session.sched.Do(ctx, call)
	r.tries++
	if err != nil {
		return nil, r.failed(err)
	}
	a.Times.Since(&r.began)
	return r.response(a), nil
}

// What follows is apart from the path of a call that succeeds: the stack that a call
// holds while it waits is memory that has to come back into the cache.

// failed is the error of a try.
func (r *request) failed(err error) error {
	t := Trace{Attempts: r.tries}
	if call := r.call; !call.Lost() {
		call.Times().Since(&r.began)
		t = trace(call.Times(), call.Used(), r.tries)
	}
	return r.explain(err, t)
}

// closed is the error of a call that came too late.
//
//go:noinline
func (r *request) closed() error {
	return r.explain(&conn.Error{Op: conn.OpQueue, Err: ErrSessionClosed}, Trace{})
}

// response wraps an answer. The URL is kept as it was given where that is how it was
// sent.
func (r *request) response(a *actors.Answer) *Response {
	url := r.url
	if to := r.to.url(); !to.Is(url) {
		url = to.Whole() + to.Fragment()
	}
	resp := &Response{status: int32(a.Head.Status()), url: url, session: r.session, tries: int32(r.tries)}
	resp.connection = Connection{conn: a.Conn, owner: a.Owner}
	switch c := r.connection; {
	case c != nil:
		resp.connection = *c
	case a.Owner != nil:
		noteKept(&resp.connection)
	}
	resp.answer.Store(a)
	return resp
}

// finish gives the caller the last answer, its body decoded, streamed, or to be
// read: then streamed tells that the body has taken the request over.
func (r *request) finish(ctx context.Context, resp *Response) (streamed bool, err error) {
	r.closeBody()
	if len(r.history) > 0 {
		resp.more().history = r.history
	}
	switch {
	case r.has(optStream):
		return false, r.streamTo(ctx, resp)
	case r.has(optStreamBody):
		return r.openBody(ctx, resp), nil
	}
	if err := r.complete(resp); err != nil {
		return false, err
	}
	return false, r.decode(ctx, resp)
}

// bound puts the Timeout option's limit on the context.
func (r *request) bound(ctx context.Context) context.Context {
	switch {
	case !r.deadline.IsZero():
		ctx, r.cancel = context.WithDeadline(ctx, r.deadline)
	case r.has(optStreamBody): // so that its Close can end a Read
		ctx, r.cancel = context.WithCancel(ctx)
	}
	return ctx
}

func (s *Session) takeRequest() *request {
	r, ok := s.requests.Get().(*request)
	if !ok {
		r = newRequest(s, s.sched.NewCall())
	}
	return r
}

// release ends the call. What a streamed body still needs it takes over itself.
func (r *request) release() {
	s := r.session
	if r.cancel != nil {
		r.cancel()
	}
	if r.entered {
		s.calls.leave()
	}
	r.unclaim()
	if r.call.Lost() {
		return // somebody may still be at work on it
	}
	r.call.Reset()
	r.reset()
	s.requests.Put(r)
}

// refuse ends a call before it has begun: what it was given is closed.
func (s *Session) refuse(opts []Option, err error) error {
	r := s.takeRequest()
	defer r.release()
	defer r.closeBody()
	_ = r.applyAll(opts) // the first fault counts
	return err
}

func errNoContext() error {
	return &InputError{Field: "ctx", Reason: "is nil", Fix: "give context.Background() where there is none"}
}

// Get sends a GET (RFC 9110 §9.3.1). As all methods below it returns a whole
// Response of any status, or one of the errors that this package's documentation
// lists; then the Response is nil.
func (s *Session) Get(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return s.send(ctx, "GET", url, opts)
}

// Head sends a HEAD (RFC 9110 §9.3.2); the Response has no body.
func (s *Session) Head(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return s.send(ctx, "HEAD", url, opts)
}

// Post sends a POST (RFC 9110 §9.3.3), with Content-Length: 0 where no option
// gives a body.
func (s *Session) Post(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return s.send(ctx, "POST", url, opts)
}

// Put sends a PUT (RFC 9110 §9.3.4), with Content-Length: 0 where no option gives
// a body.
func (s *Session) Put(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return s.send(ctx, "PUT", url, opts)
}

// Patch sends a PATCH (RFC 5789), with Content-Length: 0 where no option gives a
// body.
func (s *Session) Patch(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return s.send(ctx, "PATCH", url, opts)
}

// Delete sends a DELETE (RFC 9110 §9.3.5).
func (s *Session) Delete(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return s.send(ctx, "DELETE", url, opts)
}

// Options sends an OPTIONS (RFC 9110 §9.3.7).
func (s *Session) Options(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return s.send(ctx, "OPTIONS", url, opts)
}

// Request sends any method but CONNECT. The methods of RFC 9110 and PATCH may be
// given in lower case; others are sent as they are.
func (s *Session) Request(ctx context.Context, method, url string, opts ...Option) (*Response, error) {
	return s.send(ctx, method, url, opts)
}

// Upload sends exactly fd.Size() bytes of fd with a POST, or the Method given,
// and Content-Type application/octet-stream, or the MIMEType given. fd is not closed.
func (s *Session) Upload(ctx context.Context, url string, fd File, opts ...Option) (*Response, error) {
	return s.send(ctx, "POST", url, append([]Option{upload{fd}}, opts...))
}

// Shutdown refuses new calls, fails those that still wait for a connection with
// ErrSessionClosed, and lets the ones under way finish until ctx ends; then it cuts
// them off as Close does, with ErrSessionClosed, and returns the context's error. When it
// returns without an error of another kind, every actor, goroutine, timer and socket
// of the session has ended; else the error names what did not, as Close's does.
// It may be called again, and at the same time as Close.
func (s *Session) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return errNoContext()
	}
	defer s.noted.Closed()
	over := s.calls.shut()
	s.sched.Drain()
	select {
	case <-over:
	case <-s.sched.Over(): // a Close has cut them off: callbacks may go on
	case <-ctx.Done(): // it may cut calls off that are on no connection
		err := errors.Join(actors.Ended(ctx), s.sched.Close())
		s.bodies.close()
		return err
	}
	err := s.sched.Shutdown(ctx)
	s.bodies.close()
	return err
}

// Close ends everything now; calls under way fail with ErrSessionClosed. It takes 5 s at
// most, also where code that is not troupe's does not end when it is told to: its error
// then names each that is still open, as a dial, a connection, the Logger's handler, the
// Driver's Stop, or a Read or Close of a Body, with the line that made the call. It may be
// called again.
func (s *Session) Close() error {
	defer s.noted.Closed()
	err := s.sched.Close()
	s.bodies.close()
	return err
}
