package conn

import (
	"context"
	"net"
	"time"
)

// Driver opens the sockets. A *net.Dialer is one, and so is any proxy dialer.
//
// DialContext must return soon after its context ends: a session's Close waits
// for it. It may be called from many goroutines at once. network is always
// "tcp", address is host:port (an IPv6 literal in brackets). It returns a
// connection or an error; a nil pointer as a connection is an error.
//
// A *net.TCPConn or *net.UnixConn is used as a socket. Of any other type, *tls.Conn
// included, only Read, Write, Close and, once, RemoteAddr are called, each on a goroutine
// of the session's: it may wrap or embed another and needs no deadlines. Its Read must be
// allowed beside a Write, and its Close must end both. One that panics in a method or ends
// its goroutine is closed. One that blocks in Close keeps its slot of the limits for 3 s;
// a Close that failed, or takes longer than 100 ms, is followed by one SetDeadline in
// the past.
type Driver interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Starter is the optional first half of a Driver's life: a session calls Start
// once, before any dial, and NewSession returns its error.
type Starter interface {
	Start(ctx context.Context) error
}

// Stopper is the optional second half: a session calls Stop once, after the
// last dial has returned and every connection is closed, or after it has given up
// waiting for that. ctx ends when the session's Close is about to give up on Stop too:
// 0.5 to 5 s after the call.
type Stopper interface {
	Stop(ctx context.Context) error
}

// TCP returns the default driver: net.Dialer with keep-alive probes and, as
// Go's default, TCP_NODELAY. It tries IPv6 and IPv4 side by side (RFC 8305)
// the way net.Dialer does.
func TCP() Driver {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true,
			// A peer that vanished is noticed within a minute: 15 s of
			// silence, then three probes 15 s apart.
			Idle:     15 * time.Second,
			Interval: 15 * time.Second,
			Count:    3,
		},
	}
}
