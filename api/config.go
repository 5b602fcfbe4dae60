package api

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/conn"
)

// Breaker are the thresholds of each origin's circuit breaker. Zero fields mean
// the defaults told in its comments.
type Breaker = actors.Breaker

// Config sets up a Session. NewSession copies it; the zero value is useful.
type Config struct {
	// Driver opens the sockets. nil means TCP. A *net.Dialer or a proxy dialer
	// is one. If it has Start(ctx) error or Stop(ctx) error, the session calls
	// Start before the first dial and Stop when everything is closed.
	Driver conn.Driver

	// TLS are the settings for https where the call brings none of its own. nil
	// means Go's defaults: certificates are verified against the system's roots.
	TLS *tls.Config

	// MaxConns bounds the connections of all origins together, open or being
	// opened. Zero means 4096, negative no bound.
	MaxConns int
	// MaxConnsPerOrigin bounds the connections to one origin, leased ones
	// included. Zero means 128, negative no bound.
	MaxConnsPerOrigin int
	// MaxDialsPerOrigin bounds the dials of one origin under way at once. Zero
	// means 16, negative no bound.
	MaxDialsPerOrigin int
	// MaxQueuePerOrigin bounds the calls that wait for a connection to one
	// origin beyond those for which a dial is under way; one more fails with
	// ErrQueueFull. Zero means 10 000, negative no bound.
	MaxQueuePerOrigin int

	// IdleTimeout ends a connection that was not used for so long. Zero means
	// 90 s, negative never.
	IdleTimeout time.Duration
	// MaxConnAge ends a connection so long after it was opened, give or take a
	// tenth, as soon as no call uses it. Zero and negative mean never.
	MaxConnAge time.Duration
	// DialTimeout bounds name lookup, connect and TLS handshake together. Zero
	// means 10 s, negative no bound of its own.
	DialTimeout time.Duration
	// ResponseHeaderTimeout bounds the wait for an answer's head once the
	// request is written. Zero and negative mean that only the call's context
	// bounds it.
	ResponseHeaderTimeout time.Duration
	// MaxHeaderBytes bounds an answer's head in bytes; a larger one is
	// ErrTooLarge. Zero means 256 KiB, negative no bound.
	MaxHeaderBytes int
	// MaxBodyBytes bounds an answer's body in bytes where it is kept in memory;
	// a larger one is ErrTooLarge. Streams have no bound. Zero means 256 MiB,
	// negative no bound.
	MaxBodyBytes int64

	// Breaker are the thresholds of each origin's circuit breaker.
	Breaker Breaker

	// System is the actor system to live in, to share one between sessions. It
	// is left running at the end. nil means one of the session's own.
	System *actor.ActorSystem

	// Logger hears of breakers that change state (message "circuit breaker",
	// attributes origin, from and to: closed, open or half-open) and of panics
	// inside actors (message "actor failed", attributes actor and error). Both
	// forms are stable. It is never called from inside an actor. nil means silent.
	Logger *slog.Logger
}

const defaultMaxBodyBytes = 256 << 20

// validate refuses what no session can mean.
func (cfg *Config) validate() error {
	b := &cfg.Breaker
	wrong := func(field, reason, fix string) error {
		return &InputError{Field: "Config." + field, Reason: reason, Fix: fix}
	}
	switch {
	case b.Ratio > 1 || b.Ratio != b.Ratio:
		return wrong("Breaker.Ratio", "is a share of all requests and can't pass 1", "give 0 < Ratio <= 1, 0 for the default, or a negative one for never")
	case b.MinRequests < 0:
		return wrong("Breaker.MinRequests", "is negative", "give at least 1, or 0 for the default")
	case b.Window < 0:
		return wrong("Breaker.Window", "is negative", "give a duration, or 0 for the default")
	case b.OpenFor < 0:
		return wrong("Breaker.OpenFor", "is negative", "give a duration, or 0 for the default")
	case b.Probes < 0:
		return wrong("Breaker.Probes", "is negative", "give at least 1, or 0 for the default")
	}
	return nil
}

// scheduler is the part of the settings that the scheduler needs.
func (cfg *Config) scheduler() actors.Config {
	return actors.Config{
		Driver:                cfg.Driver,
		TLS:                   cfg.TLS,
		MaxConns:              cfg.MaxConns,
		MaxConnsPerOrigin:     cfg.MaxConnsPerOrigin,
		MaxDialsPerOrigin:     cfg.MaxDialsPerOrigin,
		MaxQueuePerOrigin:     cfg.MaxQueuePerOrigin,
		IdleTimeout:           cfg.IdleTimeout,
		MaxConnAge:            cfg.MaxConnAge,
		DialTimeout:           cfg.DialTimeout,
		ResponseHeaderTimeout: cfg.ResponseHeaderTimeout,
		MaxHeaderBytes:        cfg.MaxHeaderBytes,
		Breaker:               cfg.Breaker,
		System:                cfg.System,
		Logger:                cfg.Logger,
	}
}

// maxBody is the bound in the scheduler's terms, where 0 means none.
func (cfg *Config) maxBody() int64 {
	switch {
	case cfg.MaxBodyBytes == 0:
		return defaultMaxBodyBytes
	case cfg.MaxBodyBytes < 0:
		return 0
	}
	return cfg.MaxBodyBytes
}
