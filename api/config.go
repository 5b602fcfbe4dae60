package api

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
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
	// MaxBodyBytes bounds an answer's body in bytes, decoded, where it is kept in
	// memory; a larger one is ErrTooLarge. Streams have no bound. Zero means 256 MiB,
	// negative no bound.
	MaxBodyBytes int64
	// BodyTimeout ends a StreamBody that was not read for so long, closes its
	// connection, and tells the Logger where it was opened. Zero means 60 s,
	// negative never.
	BodyTimeout time.Duration

	// MaxRedirects bounds the redirects that one call follows; one more is
	// ErrTooManyRedirects. Zero means 10; with a negative number none is followed and
	// the 3xx answer returned.
	MaxRedirects int
	// Jar keeps cookies. It hears of every answer's Set-Cookie and is asked for
	// each request; a Cookie header of the caller's stays beside its cookies. It must
	// be safe for concurrent use, as net/http/cookiejar's is. nil keeps none.
	Jar http.CookieJar
	// Proxy names the proxy for a URL, nil for none. Its schemes are http, https,
	// socks5 and socks5h, with user info where the proxy wants that. A nil Proxy
	// means what HTTP_PROXY, HTTPS_PROXY and NO_PROXY said when the session was
	// started, or, where there is a Driver, none. See Direct and ProxyURL.
	Proxy func(target *url.URL) (*url.URL, error)
	// Retry is when a failed call is sent once more.
	Retry Retry

	// Pipeline sends several requests on a connection before the first is answered.
	// The zero value never does.
	Pipeline Pipeline

	// ExpectContinueFrom sends bodies of that many bytes and more, and those of
	// unknown length, only when the server has asked for them, as the option
	// ExpectContinue does. Zero and negative mean only with that option.
	ExpectContinueFrom int64
	// ExpectContinueTimeout is how long a server may take to ask for such a body
	// before it is sent unasked. Zero means 1 s; it must not be negative.
	ExpectContinueTimeout time.Duration

	// Breaker are the thresholds of each origin's circuit breaker.
	Breaker Breaker

	// System is the actor system to live in: the one place where the engine shows.
	// A session takes its own actors out of it at its end, and leaves it running. nil
	// means one that all such sessions of the process share.
	System *actor.ActorSystem

	// Logger hears of breakers that change state (message "circuit breaker",
	// attributes origin, from and to: closed, open or half-open), of panics
	// inside actors (message "actor failed", attributes actor and error), and of
	// bodies that nobody read (message "response body abandoned", attributes url and
	// opened, a place in the code). Where it is enabled for debug, it also gets all
	// that goes over the wire (message "wire", attributes connection, origin, sent
	// and text), with secrets masked, which is slow. These forms are stable. It is
	// never called from inside an actor. nil means silent.
	Logger *slog.Logger
}

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
	case cfg.ExpectContinueTimeout < 0:
		return wrong("ExpectContinueTimeout", "is negative", "give a duration, or 0 for the default")
	}
	if err := cfg.Pipeline.validate(); err != nil {
		return err
	}
	return cfg.Retry.validate()
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
		PipelineDepth:         cfg.Pipeline.Depth,
		Breaker:               cfg.Breaker,
		Budget:                cfg.Retry.withDefaults().budget(),
		System:                cfg.System,
		Logger:                cfg.Logger,
	}
}

// settings are what a session itself minds, with every zero resolved.
type settings struct {
	maxBody      int64         // 0: no bound
	bodyTimeout  time.Duration // <= 0: never
	maxRedirects int           // negative: none is followed
	jar          http.CookieJar
	proxies      *proxies // nil: none is ever used
	retry        Retry
	pipeline     pipeline
	expectFrom   int64 // <= 0: never
	expectWait   time.Duration
}

const (
	defaultMaxBodyBytes = 256 << 20
	defaultBodyTimeout  = time.Minute
	defaultMaxRedirects = 10
	defaultExpectWait   = time.Second // what curl and net/http wait
)

func (cfg *Config) settings() settings {
	s := settings{
		maxBody:      max(0, cmp.Or(cfg.MaxBodyBytes, defaultMaxBodyBytes)),
		bodyTimeout:  cmp.Or(cfg.BodyTimeout, defaultBodyTimeout),
		maxRedirects: cmp.Or(cfg.MaxRedirects, defaultMaxRedirects),
		jar:          cfg.Jar,
		retry:        cfg.Retry.withDefaults(),
		pipeline:     cfg.Pipeline.settings(),
		expectFrom:   cfg.ExpectContinueFrom,
		expectWait:   cmp.Or(cfg.ExpectContinueTimeout, defaultExpectWait),
	}
	choose := cfg.Proxy
	if choose == nil && cfg.Driver == nil {
		choose = ProxyFromEnvironment()
	}
	if choose != nil {
		s.proxies = newProxies(choose, cfg.TLS)
	}
	return s
}
