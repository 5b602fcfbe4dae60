package api

import "time"

// Breaker are the thresholds of each origin's circuit breaker, which is gobreaker's. The zero
// value has the defaults.
type Breaker struct {
	// Failures in a row that open the breaker. Zero means 5, negative never by this rule.
	Failures int
	// Ratio of failed requests within Window that opens the breaker, at most 1. Zero
	// means 0.5, negative never by this rule.
	Ratio float64
	// MinRequests that Window must hold before Ratio counts. Zero means 20; it must not
	// be negative.
	MinRequests int
	// Window over which Ratio is taken, kept in tenths. Zero means 10 s; it must not be
	// negative.
	Window time.Duration
	// OpenFor is how long an open breaker lets no call through before it probes. Zero
	// means 5 s; it must not be negative.
	OpenFor time.Duration
	// Probes let through in half-open; so many successes close the breaker. Zero means
	// 1; it must not be negative.
	Probes int
	// ServerErrors counts answers of 500 and above as failures too.
	ServerErrors bool
	// Disabled turns the breaker off.
	Disabled bool
}

// DialBackoff is how long an origin is not dialled after a dial to it has failed. The
// delay is drawn anew each time, between half of what it has come to and the whole. The zero
// value has the defaults.
type DialBackoff struct {
	// Initial is the longest delay after the first failure, doubled for each one more
	// in a row. Zero means 100 ms: a server that restarts is not waited for long. It must
	// not be negative.
	Initial time.Duration
	// Max bounds the doubling. Zero means 3 s, which is below the breaker's OpenFor, or
	// Initial where that is longer. It must be neither negative nor below Initial.
	Max time.Duration
	// Disabled turns the delay off: a dial follows a failed one at once.
	Disabled bool
}
