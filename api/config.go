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

// Config sets up a Session. NewSession copies it; the zero value is useful. A duration may
// be as long as there is, math.MaxInt64.
type Config struct {
	// Driver opens the sockets. nil means TCP. A *net.Dialer or a proxy dialer
	// is one. If it has Start(ctx) error or Stop(ctx) error, the session calls
	// Start before the first dial and Stop when everything is closed.
	Driver conn.Driver

	// TLS are the settings for https where the call brings none of its own. nil
	// means Go's defaults: certificates are verified against the system's roots. They
	// are for every origin of the session, those that redirects lead to included: a
	// client certificate for some origins alone belongs into the option TLS.
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
	// origin beyond those for which a dial is under way, those that wait for it to take
	// calls again included (see Retry); one more fails with ErrQueueFull. Zero means
	// 10 000, negative no bound.
	MaxQueuePerOrigin int

	// IdleTimeout ends a connection that was not used for so long. Zero means
	// 90 s, negative never.
	IdleTimeout time.Duration
	// MaxConnAge ends a connection so long after it was opened, give or take a
	// tenth, as soon as no call uses it. Zero and negative mean never.
	MaxConnAge time.Duration
	// DialTimeout bounds name lookup, connect and TLS handshake together. Zero
	// means 10 s, negative no bound of its own. A call does not wait for one dial alone
	// that takes unusually long: after 250 ms, or four times what is usual for the
	// origin, it starts another, within the limits.
	DialTimeout time.Duration
	// ResponseHeaderTimeout bounds the wait for an answer's head once the
	// request is written. Zero and negative mean that only the call's context
	// bounds it.
	ResponseHeaderTimeout time.Duration
	// MaxHeaderBytes bounds an answer's head in bytes; a larger one is
	// ErrTooLarge. Zero means 256 KiB, negative no bound.
	MaxHeaderBytes int
	// Lenient takes answers that browsers take though they break the grammar, where that
	// can't change how long a body is: lines among the headers without a valid name are
	// left out, with those that continue them; blanks may stand before a header's colon,
	// behind a chunk's size, and several before the status; Transfer-Encoding: identity
	// alone, beside one Content-Length at most, counts as none. A line that resembles
	// Content-Length, Transfer-Encoding, Connection, Trailer or Upgrade gets no leniency: it
	// stays a *ProtocolError (RFC 9112 §6.3, §11.1), as do NUL and bare CR. A proxy's answers
	// to CONNECT are read so too. The zero value is strict.
	Lenient bool
	// MaxBodyBytes bounds what a call keeps of bodies in memory, in bytes, decoded: an
	// answer's that is larger is ErrTooLarge. The redirects in its History count; each
	// is cut to 64 KiB, and to what the others have left. Streams have no bound. Zero
	// means 256 MiB, negative no bound.
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
	// ProxyTLS are the settings for TLS to proxies with the scheme https. nil means Go's
	// defaults. Neither TLS nor the option TLS are shown to a proxy: a private root, a
	// client certificate or pins for it belong here. Without a ServerName the proxy's
	// host is verified.
	ProxyTLS *tls.Config
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
	// DialBackoff delays the dials of an origin after one has failed. Calls that need a
	// new connection wait for it in the queue, or are refused: see Retry.
	DialBackoff DialBackoff

	// System is the actor system to live in: the one place where the engine shows.
	// A session takes its own actors out of it at its end, and leaves it running. nil
	// means one that all such sessions of the process share.
	System *actor.ActorSystem

	// Logger hears of breakers that change state (message "circuit breaker",
	// attributes origin, from and to: closed, open or half-open), of panics
	// inside actors (message "actor failed", attributes actor and error), of panics
	// in the Close of a Body (message "closing a request body failed", attribute error), and of
	// bodies that nobody read (message "response body abandoned", attributes url and
	// opened, a place in the code). It never gets what goes over the wire: see WireLog.
	// These forms are stable. The secrets that Response.Curl masks are masked in all of
	// them. It is called on a goroutine of the session's, one line after the other: a
	// handler that blocks, panics or exits holds nobody up. Up to 4096 lines wait for it;
	// what comes beyond is left out and counted (message "log lines left out", attribute
	// count). nil means silent.
	Logger *slog.Logger
	// WireLog gets all that goes over the wire, above TLS and behind a proxy's tunnel, at
	// level Info: message "wire", attributes connection, origin, sent (true for requests)
	// and text. Heads come whole, bodies in pieces, without their framing; secrets are
	// masked as in Response.Curl, wherever a read or write has cut them. Of a compressed
	// body only the size is told. It is slow, and files and large bodies then take no
	// short ways through the kernel. It is called as Logger is; up to 4096 lines and 8 MiB
	// of text wait for it. nil means that nothing is logged, and costs nothing.
	WireLog *slog.Logger
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
	case cfg.DialBackoff.Initial < 0:
		return wrong("DialBackoff.Initial", "is negative", "give a duration, or 0 for the default; Disabled turns the delay off")
	case cfg.DialBackoff.Max < 0:
		return wrong("DialBackoff.Max", "is negative", "give a duration, or 0 for the default; Disabled turns the delay off")
	case cfg.DialBackoff.Max > 0 && cfg.DialBackoff.Max < cfg.DialBackoff.Initial:
		return wrong("DialBackoff.Max", "is below Initial", "give at least Initial, or 0 for the default")
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
	retry := cfg.Retry.withDefaults()
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
		Lenient:               cfg.Lenient,
		PipelineDepth:         cfg.Pipeline.Depth,
		Breaker:               actors.Breaker(cfg.Breaker),
		DialBackoff:           actors.DialBackoff(cfg.DialBackoff),
		Budget:                retry.budget(),
		LeasePatience:         retry.patience(),
		System:                cfg.System,
		Logger:                cfg.Logger,
		WireLog:               cfg.WireLog,
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
	patience     time.Duration // actors.Request.Patience
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
	s.patience = s.retry.patience()
	choose := cfg.Proxy
	if choose == nil && cfg.Driver == nil {
		choose = ProxyFromEnvironment()
	}
	if choose != nil {
		s.proxies = newProxies(choose, cfg.ProxyTLS)
		s.proxies.lenient = cfg.Lenient
	}
	return s
}
