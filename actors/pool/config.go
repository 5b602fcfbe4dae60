package pool

import (
	"math"
	"time"
)

// Config are the limits and the times of a pool. A limit of 0 is the default, a negative
// one none.
type Config struct {
	MaxConns          int // in all, being dialled or open (default 4096)
	MaxConnsPerOrigin int // (default 128)
	MaxDialsPerOrigin int // under way at once (default 16)
	MaxQueuePerOrigin int // calls that wait beyond those a dial is under way for (default 10 000)

	IdleTimeout   time.Duration // (default 90 s; negative: never)
	MaxConnAge    time.Duration // give or take a tenth (zero and negative: never)
	PipelineDepth int           // unanswered requests on one connection; 0 and 1: it is not shared

	Breaker     Breaker
	DialBackoff DialBackoff
	Budget      Budget

	// Fresh gives every call that is pinned to no connection a new one of its own. There
	// is no dial back-off then.
	Fresh bool
}

// Breaker are the thresholds of a circuit breaker. They are handed to gobreaker,
// one breaker for each origin.
type Breaker struct {
	// Failures in a row that open the breaker (default 5; negative: never by this rule).
	Failures int
	// Ratio of failed requests within Window that opens the breaker, 0 < Ratio <= 1
	// (default 0.5; negative: never by this rule).
	Ratio float64
	// MinRequests that Window must hold before Ratio counts (default 20; at least 1).
	MinRequests int
	// Window over which Ratio is taken (default 10 s; kept in tenths).
	Window time.Duration
	// OpenFor is how long an open breaker lets no call through before it probes (default 5 s).
	OpenFor time.Duration
	// Probes let through in half-open; so many successes close it (default 1).
	Probes int
	// ServerErrors counts answers of 500 and above as failures too (default: not).
	ServerErrors bool
	// Disabled turns the breaker off.
	Disabled bool
}

// The defaults, where they live once.
const (
	defaultMaxConns          = 4096
	defaultMaxConnsPerOrigin = 128
	defaultMaxDialsPerOrigin = 16
	defaultMaxQueuePerOrigin = 10_000
	defaultIdleTimeout       = 90 * time.Second

	// unbounded stands for a negative limit: more than any machine can hold,
	// and far from overflow.
	unbounded = math.MaxInt32
)

// withDefaults returns cfg with every zero and negative field resolved.
func (cfg Config) withDefaults() Config {
	limit := func(p *int, def int) {
		switch {
		case *p == 0:
			*p = def
		case *p < 0:
			*p = unbounded
		}
	}
	limit(&cfg.MaxConns, defaultMaxConns)
	limit(&cfg.MaxConnsPerOrigin, defaultMaxConnsPerOrigin)
	limit(&cfg.MaxDialsPerOrigin, defaultMaxDialsPerOrigin)
	limit(&cfg.MaxQueuePerOrigin, defaultMaxQueuePerOrigin)
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = defaultIdleTimeout
	}
	cfg.Breaker = cfg.Breaker.withDefaults()
	cfg.DialBackoff = cfg.DialBackoff.withDefaults()
	return cfg
}

func (b Breaker) withDefaults() Breaker {
	if b.Failures == 0 {
		b.Failures = 5
	}
	if b.Ratio == 0 {
		b.Ratio = 0.5
	}
	if b.MinRequests <= 0 {
		b.MinRequests = 20
	}
	if b.Window <= 0 {
		b.Window = 10 * time.Second
	}
	if b.OpenFor <= 0 {
		b.OpenFor = 5 * time.Second
	}
	if b.Probes <= 0 {
		b.Probes = 1
	}
	return b
}
