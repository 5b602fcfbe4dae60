package pool

import (
	"math"
	"time"
)

// DialBackoff is how long an origin is not dialled after a dial to it has failed. The
// delay is drawn anew each time, between half of what it has come to and the whole.
type DialBackoff struct {
	// Initial is the longest delay after the first failure, doubled for each one more
	// in a row. Zero means 100 ms: a server that restarts is not waited for long.
	Initial time.Duration
	// Max bounds the doubling. Zero means 3 s, which is below the breaker's OpenFor, or
	// Initial where that is longer.
	Max time.Duration
	// Disabled turns the delay off: a dial follows a failed one at once.
	Disabled bool
}

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 3 * time.Second
)

func (c DialBackoff) withDefaults() DialBackoff {
	if c.Initial <= 0 {
		c.Initial = firstBackoff
	}
	if c.Max <= 0 {
		c.Max = lastBackoff
	}
	c.Max = max(c.Max, c.Initial)
	return c
}

// backoff delays the dials of a whole origin after one has failed. Dials that
// were under way together and fail together count once.
type backoff struct {
	delay   time.Duration // 0: none
	setAt   Instant
	retryAt Instant // no dial before
	cause   error   // of the failed dial
}

// failed takes in a dial that began at began and failed at now. jitter is in
// [0, 1): delays are spread over their upper half.
func (b *backoff) failed(cfg *DialBackoff, began, now Instant, jitter float64) {
	if cfg.Disabled || b.delay > 0 && began < b.setAt {
		return // of the same level
	}
	double := b.delay
	if double > math.MaxInt64/2 {
		double = math.MaxInt64 / 2
	}
	b.delay = min(max(2*double, cfg.Initial), cfg.Max)
	b.setAt = now
	b.retryAt = now.Add(b.delay/2 + time.Duration(jitter*float64(b.delay/2)))
}

// succeeded ends the backoff.
func (b *backoff) succeeded() { *b = backoff{} }

func (b *backoff) left(now Instant) time.Duration { return max(0, b.retryAt.Since(now)) }
