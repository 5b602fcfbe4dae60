package api

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/digest"
	"github.com/seed53b03582/troupe/conn"
)

// This file decides, after each answer or failure, whether the call is over. What
// makes it go on is in redirect.go, retry.go and auth.go.

// journey is how far a call has come.
type journey struct {
	lost    *conn.Error   // what is known of the last one, where that failed
	began   actors.Moment // the first of them
	tries   int           // of the request that is under way
	reused  int8          // of which were lost on a connection that others had used
	fresh   bool          // no connection that has idled will do
	entered bool          // it is counted among the session's calls

	// What a redirect or a 417 has taken away.
	crossed    bool // credentials: another origin was gone to
	downgraded bool // Referer: it led from https to http (RFC 9110 §10.1.3)
	converted  bool // the body: a GET took the place of the method (RFC 9110 §15.4)
	unexpected bool // Expect: the server does not know it (RFC 9110 §15.5.18)
}

// next tells whether to send another request, which r is then made to be. An error
// ends the call.
func (r *request) next(ctx context.Context, resp *Response, err error) (again bool, _ error) {
	if err != nil {
		return r.retryFailure(ctx, err)
	}
	r.session.keepCookies(r.to.url(), resp)
	if r.has(optDigestAuth) && !r.crossed {
		r.noteNextNonce(resp)
	}
	switch status := resp.Status(); {
	case status < 300:
		return false, nil
	case status == 401 && r.has(optDigestAuth) && !r.crossed:
		return r.meetChallenge(ctx, resp)
	case status == 417 && r.Expect > 0:
		r.unexpected = true
		return r.repeat(ctx, resp)
	case r.session.retry.wants(status):
		return r.retryAnswer(ctx, resp)
	}
	return r.follow(ctx, resp)
}

// repeat is replay, and has the answer tell why it was not possible.
func (r *request) repeat(ctx context.Context, resp *Response) (again bool, _ error) {
	again, err := r.replay(ctx, resp)
	if !again && err == nil {
		resp.more().unmet = errPinEnded
		if !r.replayable() {
			resp.more().unmet = ErrBodyGone
		}
	}
	return again, err
}

var errPinEnded = errors.New("troupe: the connection that the call is pinned to ended with this answer")

// replay drops an answer and makes the same request ready to be sent again. Where
// its body can't be, the call is over, and so it is where a connection that the caller
// has chosen ends with the answer.
func (r *request) replay(ctx context.Context, resp *Response) (again bool, _ error) {
	if !r.replayable() {
		return false, nil
	}
	if r.connection != nil {
		if err := r.complete(resp); err != nil || r.connection.conn.Closed() {
			return false, err
		}
	}
	if _, err := r.pass(resp); err != nil {
		return false, err
	}
	resp.Release()
	if err := r.rewind(ctx); err != nil {
		return false, r.between(ctx, err)
	}
	return true, nil
}

// between is the error of a call that ended before it could send its next request: while
// it waited for that, or as its body can't be had once more.
func (r *request) between(ctx context.Context, err error) error {
	op := conn.OpWrite
	if r.session.sched.Halted(ctx) != nil {
		op = conn.OpQueue
	}
	return r.explain(&conn.Error{Op: op, Err: err}, Trace{Attempts: r.tries, Total: r.session.sched.Elapsed(r.began)})
}

// An answer that is only a step on the call's way is read no further than this.
const (
	stepBytes = 64 << 10
	stepTime  = 100 * time.Millisecond
)

// pass ends the exchange of an answer that was only a step, and keeps what has come of its
// body. whole tells that this is all of it. Its connection serves on where the rest of
// the body was little and came at once; else it is closed. So is one that a one-shot call
// was to keep: the next request has its own.
func (r *request) pass(resp *Response) (whole bool, _ error) {
	whole, err := r.session.sched.Skip(r.call, r.stepRoom(), stepTime)
	r.close(resp)
	if err != nil {
		return false, r.failed(err)
	}
	return whole, nil
}

// stepRoom is how much of a step's body may be kept. One byte is left for the last answer:
// with none its limit would be 0, which means no limit.
func (r *request) stepRoom() int {
	if left := r.bodyRoom(); left > 0 {
		return int(min(left-1, stepBytes))
	}
	return stepBytes
}

// bodyRoom is how much of MaxBodyBytes the History has left; 0: there is no bound.
func (r *request) bodyRoom() int64 {
	if limit := r.session.maxBody; limit > 0 {
		return limit - r.held
	}
	return 0
}

// complete reads the rest of an answer that is no step after all.
func (r *request) complete(resp *Response) error {
	if r.call.Stream {
		return nil
	}
	if err := r.session.sched.Rest(r.call); err != nil {
		return r.failed(err)
	}
	return nil
}

// drop gives up the rest of an answer that the caller will not read, since the call fails.
func (r *request) drop(resp *Response) {
	r.session.sched.Abandon(r.call)
	r.close(resp)
}

// close ends a connection that a one-shot call was to keep.
func (r *request) close(resp *Response) {
	if c := &resp.connection; c.owner != nil && r.connection == nil {
		c.Close()
	}
}

// restart begins to count anew, for a request of another kind.
func (r *request) restart() {
	r.tries, r.reused, r.fresh, r.began = 0, 0, false, actors.Moment{}
	if r.extras != &r.session.noExtras {
		r.nonce = digest.Try{}
	}
}

// dropped tells whether a header of the caller's is not sent any more. is compares
// its name.
func (p *journey) dropped(is func(string) bool) bool {
	return p.crossed && slices.ContainsFunc(credentialFields, is) ||
		p.converted && slices.ContainsFunc(bodyFields, is) ||
		p.downgraded && is("Referer")
}

var (
	// RFC 9110 §15.4, and what RFC 6265 makes one of them.
	credentialFields = []string{"Authorization", "Cookie", "Proxy-Authorization"}
	// RFC 9110 §15.4: what describes a body goes with it.
	bodyFields = []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Location"}
)
