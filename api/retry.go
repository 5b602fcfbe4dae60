package api

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/conn"
)

// Retry is when a call that failed is sent once more. What counts is the evidence
// (RFC 9110 §9.2.2): how much of the request was sent, whether a byte of an answer had
// come, and whether the method is idempotent (GET, HEAD, OPTIONS, TRACE, PUT, DELETE,
// or any with an Idempotency-Key header). A body that can't be sent from its start
// again, a pinned connection and an ended context rule out every retry.
//
//	what happened                                            zero Retry  with Attempts > 1
//	the origin takes no calls: its breaker is open, or the
//	back-off after a failed dial is not over                 see below   waits, any method
//	a connection was found dead before anything was written  moves on    moves on
//	a connection that had answered before was lost, without
//	a byte of this answer; idempotent                        at once,    the same
//	                                                         twice
//	nothing was sent: the dial failed, or its handshake      no          yes, any method
//	lost, or out of time, without a byte of the answer;
//	idempotent                                               no          yes
//	an answer whose status is in Statuses; idempotent        no          yes
//	anything else                                            no          no
//
// All tries share the call's one deadline: what would pass it is not begun.
//
// A call that its origin does not take waits in the queue (MaxQueuePerOrigin), first
// come first served, until the origin is tried again, for no attempt and no budget. It
// fails at once, with ErrCircuitOpen or ErrDialBackoff and the RetryAt of the
// *HTTPConnectionError, where that is beyond its deadline or MaxWait. While the breaker
// is half-open its probes go, and after a failed dial one call; the others follow when
// that has succeeded. With a zero Retry it fails at once where the breaker is open, and
// waits for the end of a back-off. A Lease waits as a call does, and is tried once.
type Retry struct {
	// Attempts bounds how often a request is sent in all, the first time included.
	// Zero means 1, or 3 where Statuses are given; negative turns even the retries
	// after the loss of an older connection off.
	Attempts int
	// Backoff is the longest wait before the second attempt, doubled for each one
	// more; the wait itself is drawn anew between nothing and that (full jitter).
	// Where the origin takes no calls, the wait for that takes its place. Zero means
	// 100 ms, negative none.
	Backoff time.Duration
	// MaxBackoff bounds the doubling. Zero means 5 s.
	MaxBackoff time.Duration
	// Statuses are answers to retry: of 429, 502, 503 and 504 those that the origin
	// means so. Their Retry-After, in seconds or as a date, takes the place of the
	// backoff (RFC 9110 §10.2.3).
	Statuses []int
	// MaxWait is how long a call waits, in all its tries together, for an origin that
	// takes no calls. It is also the longest Retry-After to wait for; an answer that asks
	// for more is handed over. Zero means 30 s, negative no bound but the deadline.
	MaxWait time.Duration
	// Budget is the share of an origin's requests within Window that may be sent once
	// more, so that one that fails is not stormed. A try that follows one of which
	// nothing was sent, as after a failed dial, takes nothing from it. Where it is why
	// there was no further try, the error is ErrRetryBudget too. Zero means 0.2, negative
	// no bound.
	Budget float64
	// MinBudget is how many retries within Window are let through in any case. Zero
	// means 3, negative none.
	MinBudget int
	// Window is the time over which Budget and MinBudget are taken. Zero means 10 s.
	Window time.Duration
	// Forwarding is for gateways that send on the requests of others: a method that
	// is not idempotent is never sent twice, whatever the evidence and whatever an
	// Idempotency-Key says (RFC 9110 §9.2.2). With Attempts > 1 it implies FailFast.
	Forwarding bool
	// FailFast makes a call fail at once that its origin does not take, whatever
	// Attempts says: with ErrCircuitOpen, or, where there is no connection and the
	// back-off not over, with ErrDialBackoff.
	FailFast bool
}

// maxReconnects is how often a request moves on from a lost older connection at once.
// After the first, only connections that have not idled will do, so it is rarely
// needed twice.
const maxReconnects = 2

func (p Retry) withDefaults() Retry {
	if p.Attempts == 0 {
		p.Attempts = 1
		if len(p.Statuses) > 0 {
			p.Attempts = 3
		}
	}
	p.Backoff = max(0, cmp.Or(p.Backoff, 100*time.Millisecond))
	p.MaxBackoff = cmp.Or(p.MaxBackoff, 5*time.Second)
	p.MaxWait = cmp.Or(p.MaxWait, 30*time.Second)
	p.Budget = cmp.Or(p.Budget, 0.2)
	p.MinBudget = max(0, cmp.Or(p.MinBudget, 3))
	p.Window = cmp.Or(p.Window, 10*time.Second)
	p.Statuses = slices.Clone(p.Statuses)
	return p
}

// validate refuses what no policy can mean.
func (p *Retry) validate() error {
	wrong := func(field, reason, fix string) error {
		return &InputError{Field: "Config.Retry." + field, Reason: reason, Fix: fix}
	}
	switch {
	case p.Budget > 1 || p.Budget != p.Budget:
		return wrong("Budget", "is a share of all requests and can't pass 1", "give 0 < Budget <= 1, 0 for the default, or a negative one for no bound")
	case p.MaxBackoff < 0:
		return wrong("MaxBackoff", "is negative", "give a duration, or 0 for the default")
	case p.Window < 0:
		return wrong("Window", "is negative", "give a duration, or 0 for the default")
	}
	for _, status := range p.Statuses {
		if status < 400 || status > 599 {
			return wrong("Statuses", "holds "+strconv.Itoa(status), "give statuses of failed answers, 400 to 599")
		}
	}
	return nil
}

// budget is what the scheduler keeps for each origin; none where nothing is retried.
func (p Retry) budget() actors.Budget {
	if p.Attempts <= 1 {
		return actors.Budget{}
	}
	return actors.Budget{Ratio: p.Budget, Min: p.MinBudget, Window: p.Window}
}

// patience is how long a call waits for an origin that takes none, as actors.Request has
// it.
func (p Retry) patience() time.Duration {
	switch {
	case p.FailFast, p.Forwarding && p.Attempts > 1:
		return -1
	case p.Attempts <= 1:
		return 0
	case p.MaxWait < 0:
		return math.MaxInt64
	}
	return p.MaxWait
}

// wants tells whether answers of that status are retried.
func (p *Retry) wants(status int) bool { return p.Attempts > 1 && slices.Contains(p.Statuses, status) }

// retryFailure tells whether the try that failed with err is made again, and when it
// is time to.
func (r *request) retryFailure(ctx context.Context, err error) (again bool, _ error) {
	e := r.lost
	switch {
	case e == nil, r.connection != nil, ctx.Err() != nil, r.session.retry.Attempts < 0,
		!r.replayable(), hopeless(e):
		return false, err
	case r.reconnects() && e.Reused && e.Lost && !e.Answered:
		r.reused++
		r.fresh = true
	default:
		wait := r.session.retry.wait(r.tries)
		if r.session.patience > 0 && !e.RetryAt.IsZero() {
			wait = 0 // it waits in the queue, until then
		}
		if !r.repeatable(e) || !r.allowed(ctx, wait) {
			return false, err
		}
		if e.Sent != conn.SentNothing && !r.session.sched.MayRetry(r.to.Origin) {
			return false, overBudget(err)
		}
		if r.session.sched.Sleep(ctx, wait) != nil {
			return false, err
		}
	}
	if fault := r.rewind(ctx); fault != nil {
		return false, err // the first failure says more
	}
	return true, nil
}

// retryAnswer tells whether an answer is dropped and its request made again.
func (r *request) retryAnswer(ctx context.Context, resp *Response) (again bool, _ error) {
	wait, asked := retryAfter(resp.Header("Retry-After"), time.Now())
	p := &r.session.retry
	switch {
	case !asked:
		wait = p.wait(r.tries)
	case p.MaxWait > 0 && wait > p.MaxWait:
		return false, nil
	}
	if r.connection == nil && r.idempotent() && !r.replayable() {
		resp.more().unmet = ErrBodyGone
	}
	if r.connection != nil || !r.idempotent() || !r.replayable() || !r.allowed(ctx, wait) || !r.session.sched.MayRetry(r.to.Origin) {
		return false, nil
	}
	again, err := r.replay(ctx, resp) // before the wait, not to hold the connection
	if err != nil {
		return false, err
	}
	if err := r.session.sched.Sleep(ctx, wait); err != nil {
		return false, r.between(ctx, err)
	}
	return again, nil
}

// hopeless tells whether another try would end the same way, or must not be made: the
// origin takes no calls for longer than this one waits, the queue is full, the session
// closed, a certificate refused, or it was this side's file.
func hopeless(e *conn.Error) bool {
	var handshake *conn.TLSError
	var proxy *conn.ProxyError
	switch {
	case errors.Is(e, ErrCircuitOpen), errors.Is(e, ErrDialBackoff), errors.Is(e, ErrQueueFull), errors.Is(e, ErrSessionClosed),
		errors.As(e, &handshake) && refused(handshake), errors.As(e, &proxy) && proxy.Status/100 == 4:
		return true
	case e.Err == conn.ErrStale: // it hung up on each new connection, without a TLS alert that says why
		return false
	}
	return e.Op >= conn.OpWrite && !e.Lost && !e.Timeout()
}

// overBudget is the error of a try that only the budget kept from being made again:
// something of it was sent.
func overBudget(err error) error {
	var e *IOError
	if errors.As(err, &e) {
		e.Err = fmt.Errorf("%w (%w)", e.Err, ErrRetryBudget)
	}
	return err
}

// refused tells whether one side did not want the other's certificate or version, which
// another handshake does not change.
func refused(e *conn.TLSError) bool {
	var certificate *tls.CertificateVerificationError
	var pin *PinError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	return errors.As(e, &certificate) || errors.As(e, &pin) || errors.As(e, &alert) || errors.As(e, &record)
}

// reconnects tells whether the request moves on by itself when a connection that had
// been used before is lost.
func (r *request) reconnects() bool {
	return r.reused < maxReconnects && r.connection == nil && r.session.retry.Attempts >= 0 &&
		r.idempotent() && r.replayable()
}

// repeatable tells whether the evidence allows another try.
func (r *request) repeatable(e *conn.Error) bool {
	if e.Sent == conn.SentNothing && !r.session.retry.Forwarding {
		return true
	}
	return !e.Answered && r.idempotent()
}

// freshness is which connections the request may take: one that a server may be about to
// close would leave in doubt whether a request was processed that can't be repeated.
func (r *request) freshness() actors.Freshness {
	switch {
	case r.fresh:
		return actors.FreshnessNew
	case r.call.Method == "GET" || r.idempotent():
		return actors.FreshnessAny
	}
	return actors.FreshnessRecent
}

// idempotent tells whether sending the request twice is the same as once (RFC 9110
// §9.2.2).
func (r *request) idempotent() bool {
	return idempotentMethod(r.call.Method) || !r.session.retry.Forwarding && r.hasHeader("Idempotency-Key")
}

func idempotentMethod(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// hasHeader tells whether the caller gave a header.
func (r *request) hasHeader(name string) bool {
	return slices.ContainsFunc(r.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
}

// wait draws the backoff after so many tries.
func (p *Retry) wait(tries int) time.Duration {
	longest := p.MaxBackoff
	if tries < 32 && p.Backoff <= longest>>(tries-1) { // so that the doubling can't overflow
		longest = p.Backoff << (tries - 1)
	}
	if p.Backoff == 0 {
		return 0
	}
	if longest <= 0 {
		return 0
	}
	return rand.N(longest)
}

// allowed tells whether another try, after a wait, is within the attempts and the
// call's deadline.
func (r *request) allowed(ctx context.Context, wait time.Duration) bool {
	if r.tries >= r.session.retry.Attempts {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3).
func retryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	if value == "" {
		return 0, false
	}
	secs, err := strconv.ParseUint(value, 10, 31)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then it is the most that there is
		return time.Duration(min(secs, math.MaxInt32)) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(now)), true
}
