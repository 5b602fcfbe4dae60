package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/proxy"

	"github.com/seed53b03582/troupe/conn/http1"
)

const (
	// maxTunnelHead bounds one head of a proxy's answer to CONNECT: ten times what
	// proxies send with a login page's cookies.
	maxTunnelHead = 64 << 10
	firstHead     = 4 << 10 // most are shorter

	phaseConnecting = "connecting"
	phaseHandshake  = "TLS handshake"
)

// DialThrough opens a connection through p to address, host:port, for requests of
// that scheme. Where p forwards them it is a connection to p itself, else a tunnel.
// The name in address is looked up by the proxy.
//
// A failure is an *Error of OpDial with a *ProxyError in it, also in the TLS
// handshake with the proxy: OpTLS is the origin's. The end of ctx closes the socket
// at once and is the error. k is Dial's.
func DialThrough(ctx context.Context, d Driver, p *Proxy, scheme, address string, k *Keeper) (through net.Conn, err error) {
	nc, err := Dial(ctx, d, p.address, k)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // not what its end made of the driver's
		} else if e, ok := err.(*Error); ok {
			err = e.Err
		}
		return nil, &Error{Op: OpDial, Err: &ProxyError{Proxy: p.String(), Phase: phaseConnecting, Err: err}}
	}
	s := &socket{}
	s.open(nc)
	unwatch := s.endWith(ctx)
	fault := &ProxyError{Proxy: p.String(), Phase: phaseHandshake}
	defer func() {
		cut := unwatch()
		if through != nil && !cut {
			return
		}
		through = nil
		s.Close()
		if cut {
			fault.Status, fault.Reason, fault.Fix, fault.Err = 0, "", "", ctx.Err()
		}
		err = &Error{Op: OpDial, RemoteAddr: nc.RemoteAddr(), Err: fault}
	}()
	through = p.open(ctx, s, scheme, address, fault)
	return through, nil
}

// endWith closes the socket when ctx ends. The function it returns stops that,
// waits for it where it has begun, and tells whether it had.
func (s *socket) endWith(ctx context.Context) (stop func() bool) {
	done := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(done)
		s.interrupt(ctx.Err())
	})
	return func() bool {
		if unwatch() {
			return false
		}
		<-done
		return true
	}
}

// open makes of a socket to the proxy what is to be returned, or tells in fault
// what went wrong.
func (p *Proxy) open(ctx context.Context, s *socket, scheme, address string, fault *ProxyError) net.Conn {
	through, rw := s.Conn, net.Conn(s)
	if p.scheme == "https" {
		t := tls.Client(s, p.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			fault.Err = tlsError(p.tls.ServerName, t, err)
			return nil
		}
		through = &proxyTLS{Conn: t, under: s}
		rw = through
	}
	if p.Forwards(scheme) {
		return through
	}
	address = withoutZone(address)
	if p.socks() {
		fault.Phase = "SOCKS5 " + address
		fault.Err = p.socks5(rw, address)
	} else {
		fault.Phase = "CONNECT " + address
		p.connect(rw, address, fault)
	}
	if fault.Err != nil || fault.Status != 0 {
		return nil
	}
	return through
}

// withoutZone drops the zone of an IPv6 address, which means nothing to another
// machine (RFC 6874 §1).
func withoutZone(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !strings.Contains(host, ":") {
		return address
	}
	host, _, _ = strings.Cut(host, "%")
	return net.JoinHostPort(host, port)
}

// socks5 asks for the tunnel (RFC 1928). The library gets the open socket and no
// context: the one watch over it is endWith's, which calls nothing of the driver's
// where its panic would end the program.
func (p *Proxy) socks5(rw net.Conn, address string) error {
	var auth *proxy.Auth
	if p.user != "" {
		auth = &proxy.Auth{User: p.user, Password: p.password}
	}
	d, err := proxy.SOCKS5("tcp", p.address, auth, opened{rw})
	if err == nil {
		_, err = d.(proxy.ContextDialer).DialContext(context.Background(), "tcp", address)
	}
	var op *net.OpError
	if errors.As(err, &op) && strings.HasPrefix(op.Op, "socks") {
		err = op.Err // the addresses are told already
	}
	if err == nil {
		return nil
	}
	if refusal, ok := strings.CutPrefix(err.Error(), "unknown error "); ok { // as the library calls each of them
		return errors.New("the proxy refused: " + refusal)
	}
	return proxyEnd(err)
}

// opened is a forward dialer whose socket is open already. Closing that is
// DialThrough's.
type opened struct{ nc net.Conn }

func (o opened) Dial(string, string) (net.Conn, error) { return o.nc, nil }

func (o opened) DialContext(context.Context, string, string) (net.Conn, error) { return o.nc, nil }

// proxyEnd puts in words that the proxy closed the connection, in whatever way.
func proxyEnd(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF || err == errIncompleteClose {
		return errProxyClosed
	}
	return err
}

var errProxyClosed = fmt.Errorf("the proxy closed the connection before its answer was whole: %w", io.ErrUnexpectedEOF)

// connect asks for the tunnel (RFC 9110 §9.3.6).
func (p *Proxy) connect(rw io.ReadWriter, address string, fault *ProxyError) {
	ask, err := http1.AppendRequestLine(nil, "CONNECT", address)
	if err != nil {
		fault.Err = errors.New("the host has a space, control character or letter beyond ASCII")
		return
	}
	ask = append(ask, "Host: "+address+"\r\nUser-Agent: troupe\r\n"...)
	if a := p.Authorization(); a != "" {
		ask = append(ask, "Proxy-Authorization: "+a+"\r\n"...)
	}
	if _, err := rw.Write(http1.AppendEnd(ask)); err != nil {
		fault.Err = err
		return
	}
	var h http1.Head
	head, rest, err := readTunnelHead(rw, &h, p.lenient)
	switch {
	case err != nil:
		fault.Err = err
	case h.Status()/100 != 2:
		fault.Status = h.Status()
		fault.Reason = printable(string(h.Reason(head)), maxNameShown)
		fault.Fix = p.refusalAdvice(&h, head)
	case rest > 0: // a 2xx has no body, whatever its fields say
		fault.Err = errEarly
	}
}

var errEarly = errors.New("bytes came behind the head of the proxy's answer: in TLS the server never speaks first, so they are not the server's")

// readTunnelHead reads up to the final head; rest bytes came behind it.
func readTunnelHead(r io.Reader, h *http1.Head, lenient bool) (head []byte, rest int, err error) {
	buf := make([]byte, 0, firstHead)
	heads := http1.Heads{Upgrade: true} // 101 was not asked for: a refusal, with its status
	for {
		n, final, err := heads.Next(h, buf, http1.Limits{Bytes: maxTunnelHead, Lenient: lenient, Secret: SecretField})
		switch {
		case err == http1.ErrNeedMore:
			if buf, err = readMore(r, buf); err != nil {
				return nil, 0, err
			}
		case err == http1.ErrHeadTooLarge:
			return nil, 0, fmt.Errorf("the head of the proxy's answer passes %d KiB: %w", maxTunnelHead>>10, err)
		case err != nil:
			return nil, 0, fmt.Errorf("the proxy's answer is not valid HTTP/1: %w", err)
		case final:
			return buf[:n], len(buf) - n, nil
		default:
			buf = buf[:copy(buf, buf[n:])]
			h.Reset()
		}
	}
}

// readMore appends what one Read gives.
func readMore(r io.Reader, buf []byte) ([]byte, error) {
	if len(buf) == cap(buf) {
		buf = slices.Grow(buf, len(buf)) // doubles; the head is bounded
	}
	n, err := r.Read(buf[len(buf):cap(buf)])
	if n > 0 {
		err = nil // it comes again
	}
	return buf[:len(buf)+n], proxyEnd(err)
}

// refusalAdvice is what to do about an answer other than 2xx.
func (p *Proxy) refusalAdvice(h *http1.Head, head []byte) string {
	switch {
	case h.Status() == 407 && p.Authorization() == "":
		return "it asks for " + challenges(h, head) + ": put user and password into the proxy's URL, as in http://user:password@host:port"
	case h.Status() == 407:
		return "it asks for " + challenges(h, head) + " and does not take the user and password in the proxy's URL, which are sent as Basic: correct them"
	case h.Status() == 403:
		return "the proxy does not allow tunnels to this host or port: change its rules, or go without it (NO_PROXY)"
	case h.Status() == 405 || h.Status() == 501:
		return "it does not know CONNECT, so it may be no proxy: check its host and port"
	}
	return ""
}

// challenges are the schemes of Proxy-Authenticate (RFC 9110 §11.7.1), without
// what follows them.
func challenges(h *http1.Head, head []byte) string {
	var schemes []string
	for i := range h.Len() {
		name, value := h.Field(head, i)
		if !strings.EqualFold(string(name), "Proxy-Authenticate") {
			continue
		}
		scheme, _, _ := strings.Cut(string(value), " ")
		if scheme = printable(scheme, maxNameShown); scheme != "" && len(schemes) < maxNames && !slices.Contains(schemes, scheme) {
			schemes = append(schemes, scheme)
		}
	}
	if len(schemes) == 0 {
		return "a login"
	}
	return strings.Join(schemes, " or ") + " authentication"
}

// proxyTLS is the TLS connection to a proxy, as a connection for others to use.
type proxyTLS struct {
	*tls.Conn
	under *socket
}

// Read tells a FIN without a close_notify from a proper end: it may have cut short
// a body that lasts until close (RFC 9112 §9.8).
func (t *proxyTLS) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if err == io.EOF && t.under.sawEOF {
		err = errIncompleteClose
	}
	return n, err
}

// Close says so to the proxy where that takes no time.
func (t *proxyTLS) Close() error {
	enough := time.AfterFunc(closeGrace, func() { t.under.interrupt(ErrClosed) })
	defer enough.Stop()
	return t.Conn.Close()
}
