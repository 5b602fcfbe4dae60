package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// Dial opens a socket to address through d. What a connection of a driver's own type
// needs, k gives; k may be nil. A failure is an *Error of OpDial.
func Dial(ctx context.Context, d Driver, address string, k *Keeper) (net.Conn, error) {
	nc, err := d.DialContext(ctx, "tcp", address)
	switch {
	case err != nil:
		probe(err)
	case isNil(nc):
		err = errNoConn
	default:
		nc, err = adopt(nc, k)
	}
	if err != nil {
		return nil, &Error{Op: OpDial, Err: err}
	}
	return nc, nil
}

var errNoConn = errors.New("the net driver returned neither a connection nor an error: its DialContext gave a nil connection")

// TLSConfig derives from base what an origin's connections use: the name to
// verify unless base has one, ALPN http/1.1 (RFC 7301), and a session cache so
// that the second handshake is short. base is not changed. The zone of an IPv6
// address is this machine's alone (RFC 6874 §1): no certificate has one.
func TLSConfig(base *tls.Config, host string) *tls.Config {
	cfg := base.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	if ip, err := netip.ParseAddr(cfg.ServerName); err == nil {
		cfg.ServerName = ip.WithZone("").String()
	}
	cfg.NextProtos = []string{"http/1.1"}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if cfg.ClientSessionCache == nil {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(sessionsPerOrigin)
	}
	return cfg
}

// sessionsPerOrigin is how many resumable TLS sessions an origin keeps. TLS 1.3
// tickets are for one use each; servers commonly send two a connection.
const sessionsPerOrigin = 16

// Secure runs the TLS handshake over the socket. A failure is an *Error of OpTLS,
// with a *TLSError in it unless the context's end or an interruption brought it
// about; the socket is closed then.
func (c *Conn) Secure(ctx context.Context, cfg *tls.Config) error {
	t := tls.Client(&c.sock, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		c.sock.Close()
		if ctx.Err() != nil {
			err = ctx.Err() // not the socket error that its end brought about
		} else {
			err = tlsError(cfg.ServerName, t, err)
		}
		return &Error{Op: OpTLS, RemoteAddr: c.remote, Err: c.sock.why(err)}
	}
	c.nc, c.secure = t, true
	return nil
}

// Local tells whether err is this machine's fault: out of file descriptors,
// ports or memory, or a driver that is not started. It says nothing about the
// origin.
func Local(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL,
		syscall.ENOMEM, syscall.ENOBUFS, ErrDriverNotStarted,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
