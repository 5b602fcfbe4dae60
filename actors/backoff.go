package actors

import "time"

const (
	// firstBackoff is short enough that a restarting server is not waited for
	// long; lastBackoff is below the breaker's default OpenFor.
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 3 * time.Second
)

// backoff delays the dials of a whole origin after one has failed. Dials that
// were under way together and fail together count once.
type backoff struct {
	delay   time.Duration // 0: none
	setAt   instant
	retryAt instant // no dial before
}

// failed takes in a dial that began at began and failed at now. jitter is in
// [0, 1): delays are spread over their upper half.
func (b *backoff) failed(began, now instant, jitter float64) {
	if b.delay > 0 && began < b.setAt {
		return // of the same level
	}
	b.delay = min(max(2*b.delay, firstBackoff), lastBackoff)
	b.setAt = now
	b.retryAt = now.add(b.delay/2 + time.Duration(jitter*float64(b.delay/2)))
}

// succeeded ends the backoff.
func (b *backoff) succeeded() { *b = backoff{} }

func (b *backoff) left(now instant) time.Duration { return max(0, b.retryAt.since(now)) }
