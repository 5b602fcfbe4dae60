package actors

import (
	"crypto/tls"
	"log/slog"
	"math"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/seed53b03582/troupe/actors/pool"
	"github.com/seed53b03582/troupe/conn"
)

// Config are the limits and parts of one Scheduler. Start copies it; the zero
// value is useful. In every limit zero means the default named in its comment
// and a negative value means without bound.
type Config struct {
	// Driver opens sockets; nil means conn.TCP.
	Driver conn.Driver

	// TLS are the settings of https origins whose call brings none of its own.
	// nil means Go's defaults. It is cloned for each origin; its identity is
	// part of the origin.
	TLS *tls.Config

	// MaxConns bounds connections in all, being dialled or open (default 4096).
	MaxConns int
	// MaxConnsPerOrigin bounds connections to one origin (default 128).
	MaxConnsPerOrigin int
	// MaxDialsPerOrigin bounds dials of one origin under way at once (default 16).
	MaxDialsPerOrigin int
	// MaxQueuePerOrigin bounds the calls of one origin that wait for a
	// connection beyond those a dial is under way for (default 10 000).
	MaxQueuePerOrigin int

	// IdleTimeout ends a connection that nobody has used for so long (default
	// 90 s; negative: never).
	IdleTimeout time.Duration
	// MaxConnAge ends a connection this long after it was opened, give or take
	// a tenth, as soon as it is idle (zero and negative: never).
	MaxConnAge time.Duration
	// DialTimeout bounds name lookup, connect and TLS handshake together
	// (default 10 s; negative: only the session's end bounds them).
	DialTimeout time.Duration
	// ResponseHeaderTimeout bounds the wait for an answer's head once the
	// request is written (zero and negative: only the call's context does).
	ResponseHeaderTimeout time.Duration
	// CloseTimeout bounds Close, however many things do not end when they are told to
	// (default 5 s).
	CloseTimeout time.Duration
	// MaxHeaderBytes bounds an answer's head (default 256 KiB; negative:
	// without bound).
	MaxHeaderBytes int
	// Lenient has answers read as browsers do, where that can't change how long they
	// are (http1.Limits).
	Lenient bool

	// PipelineDepth bounds the unanswered requests on one connection where a call
	// allows that it is shared (Request.Pipeline); 0 and 1: none is.
	PipelineDepth int

	// Breaker are the thresholds of each origin's circuit breaker.
	Breaker Breaker
	// DialBackoff delays the dials of an origin after one has failed.
	DialBackoff DialBackoff
	// LeasePatience is the Patience of Lease.
	LeasePatience time.Duration
	// Budget bounds the retries of each origin (zero: none is kept).
	Budget Budget

	// System is the actor system to live in; nil means one that all such schedulers of
	// the process share.
	System *actor.ActorSystem

	// Logger hears of breakers changing state and panics in actors, never from
	// inside an actor. nil means silent.
	Logger *slog.Logger
	// WireLog gets what goes over the wire, secrets masked, never from inside an
	// actor. nil means nothing is logged.
	WireLog *slog.Logger

	// Fresh gives every call that is pinned to no connection a new one, which
	// afterwards belongs to that caller alone: the one-shot mode. There is no
	// dial back-off then.
	Fresh bool
}

// The defaults, where they live once.
const (
	defaultDialTimeout    = 10 * time.Second
	defaultMaxHeaderBytes = 256 << 10

	// unbounded stands for a negative limit: more than any machine can hold,
	// and far from overflow.
	unbounded = math.MaxInt32
)

// withDefaults resolves the fields that the pool does not.
func (cfg Config) withDefaults() Config {
	switch {
	case cfg.MaxHeaderBytes == 0:
		cfg.MaxHeaderBytes = defaultMaxHeaderBytes
	case cfg.MaxHeaderBytes < 0:
		cfg.MaxHeaderBytes = unbounded
	}
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = defaultDialTimeout
	}
	switch {
	case cfg.CloseTimeout == 0:
		cfg.CloseTimeout = patience
	case cfg.CloseTimeout < 0:
		cfg.CloseTimeout = math.MaxInt64
	}
	if cfg.Driver == nil {
		cfg.Driver = conn.TCP()
	}
	if cfg.TLS == nil {
		cfg.TLS = &tls.Config{}
	}
	return cfg
}

// pool is the part that the pool decides by.
func (cfg *Config) pool() pool.Config {
	return pool.Config{
		MaxConns: cfg.MaxConns, MaxConnsPerOrigin: cfg.MaxConnsPerOrigin,
		MaxDialsPerOrigin: cfg.MaxDialsPerOrigin, MaxQueuePerOrigin: cfg.MaxQueuePerOrigin,
		IdleTimeout: cfg.IdleTimeout, MaxConnAge: cfg.MaxConnAge, PipelineDepth: cfg.PipelineDepth,
		Breaker: cfg.Breaker, DialBackoff: cfg.DialBackoff, Budget: cfg.Budget, Fresh: cfg.Fresh,
	}
}
