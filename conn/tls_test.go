package conn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTLSConfig(t *testing.T) {
	cache := tls.NewLRUClientSessionCache(1)
	roots := x509.NewCertPool()
	for name, tc := range map[string]struct {
		base    *tls.Config
		server  string
		version uint16
	}{
		"zero":           {&tls.Config{}, "example.com", tls.VersionTLS12},
		"own name":       {&tls.Config{ServerName: "other.example"}, "other.example", tls.VersionTLS12},
		"own version":    {&tls.Config{MinVersion: tls.VersionTLS13}, "example.com", tls.VersionTLS13},
		"own protocols":  {&tls.Config{NextProtos: []string{"h2"}}, "example.com", tls.VersionTLS12},
		"own cache":      {&tls.Config{ClientSessionCache: cache}, "example.com", tls.VersionTLS12},
		"own roots":      {&tls.Config{RootCAs: roots}, "example.com", tls.VersionTLS12},
		"not verifying":  {&tls.Config{InsecureSkipVerify: true}, "example.com", tls.VersionTLS12},
		"an old version": {&tls.Config{MinVersion: tls.VersionTLS10}, "example.com", tls.VersionTLS10},
	} {
		t.Run(name, func(t *testing.T) {
			before := tc.base.Clone()
			cfg := TLSConfig(tc.base, "example.com")
			if cfg.ServerName != tc.server || cfg.MinVersion != tc.version {
				t.Errorf("name %q, version %x", cfg.ServerName, cfg.MinVersion)
			}
			if !slices.Equal(cfg.NextProtos, []string{"http/1.1"}) {
				t.Errorf("protocols %q", cfg.NextProtos)
			}
			if cfg.RootCAs != tc.base.RootCAs || cfg.InsecureSkipVerify != tc.base.InsecureSkipVerify {
				t.Error("what verifies is not the base's")
			}
			if cfg.ClientSessionCache == nil || tc.base.ClientSessionCache != nil && cfg.ClientSessionCache != tc.base.ClientSessionCache {
				t.Error("no session cache, or not the base's")
			}
			if b := tc.base; b.ServerName != before.ServerName || b.MinVersion != before.MinVersion ||
				!slices.Equal(b.NextProtos, before.NextProtos) || b.ClientSessionCache != before.ClientSessionCache {
				t.Error("the base was changed")
			}
		})
	}
	one, other := TLSConfig(&tls.Config{}, "a"), TLSConfig(&tls.Config{}, "b")
	if one.ClientSessionCache == other.ClientSessionCache {
		t.Error("two origins share a session cache")
	}
}

// An IPv6 address is verified, and known to the server, without its zone.
func TestTLSConfigHasNoZone(t *testing.T) {
	for _, tc := range []struct{ host, own, want string }{
		{"fe80::1%eth0", "", "fe80::1"},
		{"fe80::1%25", "", "fe80::1"},
		{"::ffff:192.0.2.1%1", "", "::ffff:192.0.2.1"},
		{"fe80::1", "", "fe80::1"},
		{"192.0.2.1", "", "192.0.2.1"},
		{"example.com", "", "example.com"},
		{"example.com", "fe80::2%eth0", "fe80::2"},
		{"fe80::1%eth0", "example.com", "example.com"},
	} {
		if got := TLSConfig(&tls.Config{ServerName: tc.own}, tc.host).ServerName; got != tc.want {
			t.Errorf("%q, %q: %q, want %q", tc.host, tc.own, got, tc.want)
		}
	}
}

// What is offered is HTTP/1.1, whatever a base that serves others says.
func TestSecureNegotiates(t *testing.T) {
	c, p := overTLS.meet(t)
	theirs := p.Conn.(*tls.Conn).ConnectionState()
	if theirs.NegotiatedProtocol != "http/1.1" || theirs.ServerName != "example.com" {
		t.Errorf("protocol %q for %q", theirs.NegotiatedProtocol, theirs.ServerName)
	}
	if ours := c.nc.(*tls.Conn).ConnectionState(); len(ours.VerifiedChains) == 0 {
		t.Error("not verified")
	}
}

// closing tells whether a conn was closed.
type closing struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func newClosing(nc net.Conn) *closing { return &closing{Conn: nc, closed: make(chan struct{})} }

func (c *closing) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// A failed handshake names its phase and closes the socket.
func TestSecureFails(t *testing.T) {
	_, roots := selfMade()
	handshake := func(nc net.Conn) { tls.Server(nc, serverTLS()).Handshake() }
	var unverified *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	for name, tc := range map[string]struct {
		cfg    *tls.Config
		server func(nc net.Conn)
		as     any
		is     error
	}{
		"unknown authority": {TLSConfig(&tls.Config{RootCAs: x509.NewCertPool()}, "example.com"), handshake, &unverified, nil},
		"wrong name":        {TLSConfig(&tls.Config{RootCAs: roots}, "example.org"), handshake, &unverified, nil},
		"not TLS": {clientTLS(), func(nc net.Conn) {
			nc.Read(make([]byte, 1<<16))
			io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
			io.Copy(io.Discard, nc)
		}, &noTLS, nil},
		"closed": {clientTLS(), func(nc net.Conn) { nc.Read(make([]byte, 1<<16)) }, nil, io.EOF},
		"too old": {clientTLS(), func(nc net.Conn) {
			cfg := serverTLS()
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			tls.Server(nc, cfg).Handshake()
		}, nil, nil},
		"no common protocol": {clientTLS(), func(nc net.Conn) {
			cfg := serverTLS()
			cfg.NextProtos = []string{"imap"}
			tls.Server(nc, cfg).Handshake()
		}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := tcpPair(t)
			var work sync.WaitGroup
			work.Go(func() {
				tc.server(server)
				server.Close()
			})
			watch := newClosing(client)
			c := New(watch, &Buffers{})
			err := c.Secure(t.Context(), tc.cfg)
			e := wantOp(t, err, OpTLS)
			if e.RemoteAddr == nil || e.RemoteAddr.String() != server.LocalAddr().String() {
				t.Errorf("remote address %v", e.RemoteAddr)
			}
			if tc.as != nil && !errors.As(err, tc.as) {
				t.Errorf("error %v, want a %T", err, tc.as)
			}
			if tc.is != nil {
				wantError(t, err, tc.is)
			}
			<-watch.closed
			work.Wait()
		})
	}
}

// The end of the context ends a handshake that the server stalls, and is the
// error, not what it did to the socket.
func TestSecureContext(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(ctx context.Context) (context.Context, context.CancelFunc)
		want error
		when time.Duration
	}{
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, context.DeadlineExceeded, time.Minute},
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled, time.Second},
		"ended before": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}, context.Canceled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			selfMade() // its key must not be made in the bubble
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				go io.Copy(io.Discard, server) // and never a word
				watch := newClosing(client)
				ctx, cancel := tc.end(t.Context())
				defer cancel()
				began := time.Now()
				err := New(watch, &Buffers{}).Secure(ctx, clientTLS())
				wantOp(t, err, OpTLS)
				wantError(t, err, tc.want)
				if waited := time.Since(began); waited != tc.when {
					t.Errorf("waited %v", waited)
				}
				<-watch.closed
				server.Close()
			})
		})
	}
}

// The second handshake with an origin is a resumption, whether the first
// connection was used or only looked at.
func TestSecureResumes(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, use := range map[string]func(t *testing.T, c *Conn, p *peer){
			"used": func(t *testing.T, c *Conn, p *peer) {
				p.answers(okLength)
				if got := exchange(c, "GET"); got.err != nil {
					t.Fatal(got.err)
				}
			},
			"looked at": func(t *testing.T, c *Conn, _ *peer) {
				if !c.Alive(time.Hour) {
					t.Fatal("not alive")
				}
			},
		} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				client, server := clientTLS(), serverTLS()
				client.MaxVersion = version
				for again := range 3 {
					c, p := secured(t, client, server)
					if got := c.nc.(*tls.Conn).ConnectionState(); got.DidResume != (again > 0) || got.Version != version {
						t.Errorf("handshake %d: resumed %t, %s", again, got.DidResume, tls.VersionName(got.Version))
					}
					use(t, c, p)
				}
			})
		}
	}
}

// secured is a TLS connection with these settings on its ends.
func secured(t *testing.T, client, server *tls.Config) (*Conn, *peer) {
	t.Helper()
	ours, theirs := tcpPair(t)
	c, p := overTCP.over(t, ours, theirs)
	secured := tls.Server(theirs, server)
	p.work.Go(func() { secured.Handshake() })
	if err := c.Secure(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	p.work.Wait()
	p.Conn = secured
	p.br.Reset(secured)
	return c, p
}
