package conn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// selfMade is a certificate for example.com and 127.0.0.1 that signs itself, and
// the roots that trust it.
var selfMade = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "example.com"},
		NotBefore:             time.Unix(0, 0),
		NotAfter:              time.Now().AddDate(100, 0, 0),
		DNSNames:              []string{"example.com"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
})

func serverTLS() *tls.Config {
	cert, _ := selfMade()
	return &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
}

func clientTLS() *tls.Config {
	_, roots := selfMade()
	return TLSConfig(&tls.Config{RootCAs: roots}, "example.com")
}

// tcpPair is both ends of a loopback connection.
func tcpPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = Dial(t.Context(), TCP(), l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// issued is a certificate with its chain behind it.
type issued struct {
	tls.Certificate
	leaf *x509.Certificate
}

// issue makes a certificate, signed by parent or, without one, by itself. change
// makes it other than a good one for example.com.
func issue(t *testing.T, name string, parent *issued, change func(*x509.Certificate)) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(2),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		DNSNames:              []string{"example.com"},
		BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	by, signer := template, any(key)
	if parent != nil {
		by, signer = parent.leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c := &issued{Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	if c.leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if parent != nil {
		c.Certificate.Certificate = append(c.Certificate.Certificate, parent.Certificate.Certificate...)
	}
	return c
}

func (c *issued) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.leaf)
	return pool
}

func authority(c *x509.Certificate) { c.IsCA, c.DNSNames = true, nil }

// handshake meets a server, and gives what came of it on both sides.
func handshake(t *testing.T, client *tls.Config, serve func(nc net.Conn)) (*Conn, error) {
	t.Helper()
	ours, theirs := tcpPair(t)
	var work sync.WaitGroup
	work.Go(func() {
		serve(theirs)
		theirs.Close()
	})
	c := New(ours, &Buffers{})
	t.Cleanup(func() {
		c.Close()
		work.Wait()
	})
	return c, c.Secure(t.Context(), client)
}

// shakes is a server that does no more than the handshake.
func shakes(change func(*tls.Config)) func(nc net.Conn) {
	cfg := serverTLS()
	if change != nil {
		change(cfg)
	}
	return func(nc net.Conn) { tls.Server(nc, cfg).Handshake() }
}

// presents is a server with that certificate.
func presents(c *issued) func(nc net.Conn) {
	return shakes(func(cfg *tls.Config) { cfg.Certificates = []tls.Certificate{c.Certificate} })
}

// A failed handshake tells for which host it was, which certificate came, why it
// was refused, and what to do; and the libraries' own errors are found in it.
func TestTLSError(t *testing.T) {
	root := issue(t, "the root", nil, authority)
	intermediate := issue(t, "in between", root, authority)
	good, self := issue(t, "leaf", root, nil), issue(t, "self", nil, nil)
	clients := issue(t, "leaf", root, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	alone := issue(t, "alone", intermediate, nil)
	alone.Certificate.Certificate = alone.Certificate.Certificate[:1]
	trusting := func() *tls.Config { return TLSConfig(&tls.Config{RootCAs: root.roots()}, "example.com") }
	own := errors.New("the user's own")

	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	for name, tc := range map[string]struct {
		client func(*tls.Config)
		serve  func(nc net.Conn)
		cert   *issued // nil: none came
		as     []any
		is     error
		says   []string
	}{
		"other host": {func(cfg *tls.Config) { cfg.ServerName = "example.org" }, presents(good), good, []any{&verification, &hostname}, nil,
			[]string{"example.org: ", "valid for example.com, not example.org", `subject "CN=leaf", issuer "CN=the root", for example.com, valid from`, "set ServerName"}},
		"signed by itself": {nil, presents(self), self, []any{&verification, &unknown}, nil,
			[]string{"unknown authority", "names itself as its issuer", "RootCAs"}},
		"unknown authority": {func(cfg *tls.Config) { cfg.RootCAs = x509.NewCertPool() }, presents(good), good, []any{&verification, &unknown}, nil,
			[]string{"unknown authority", `issuer "CN=the root"`, "the issuer's root in RootCAs"}},
		"intermediate left out": {nil, presents(alone), alone, []any{&unknown}, nil, []string{"leave out an intermediate"}},
		"expired": {func(cfg *tls.Config) { cfg.Time = func() time.Time { return time.Now().Add(2 * time.Hour) } }, presents(good), good, []any{&verification, &invalid}, nil,
			[]string{"expired", "valid from", "this machine's clock"}},
		"not valid yet": {func(cfg *tls.Config) { cfg.Time = func() time.Time { return time.Now().Add(-2 * time.Hour) } }, presents(good), good, []any{&invalid}, nil,
			[]string{"not yet valid", "this machine's clock"}},
		"not for servers": {nil, presents(clients), clients, []any{&invalid}, nil, []string{"incompatible key usage"}},
		"refused by the user": {func(cfg *tls.Config) { cfg.VerifyConnection = func(tls.ConnectionState) error { return own } }, presents(good), good, nil, own,
			[]string{"the user's own", `subject "CN=leaf"`}},
		"plain HTTP": {nil, func(nc net.Conn) {
			nc.Read(make([]byte, 1<<16))
			io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}, nil, []any{&record}, nil, []string{"example.com: ", "speaks plain HTTP on this port", "http://"}},
		"no TLS": {nil, func(nc net.Conn) {
			nc.Read(make([]byte, 1<<16))
			io.WriteString(nc, "SSH-2.0-OpenSSH_9.6\r\n")
		}, nil, []any{&record}, nil, []string{"does not speak TLS on this port"}},
		"closed": {nil, func(nc net.Conn) { nc.Read(make([]byte, 1<<16)) }, nil, nil, io.EOF, []string{"closed the connection in the middle of the handshake"}},
		"client certificate missing": {nil, shakes(func(cfg *tls.Config) {
			cfg.Certificates = []tls.Certificate{good.Certificate}
			cfg.ClientAuth, cfg.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}), good, nil, nil, []string{"asks for a client certificate", "Certificates"}},
		"client certificate refused": {func(cfg *tls.Config) { cfg.Certificates = []tls.Certificate{root.Certificate} }, shakes(func(cfg *tls.Config) {
			cfg.Certificates = []tls.Certificate{good.Certificate}
			cfg.ClientAuth, cfg.MaxVersion, cfg.ClientCAs = tls.RequireAndVerifyClientCert, tls.VersionTLS12, good.roots()
		}), good, nil, nil, []string{"client certificate", "Certificates"}},
		"old server": {nil, shakes(func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), nil, nil, nil,
			[]string{"protocol version not supported", "MinVersion (1.2 unless set)"}},
		"no certificate for the host": {nil, shakes(func(cfg *tls.Config) {
			cfg.Certificates = nil
			cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, own }
		}), nil, nil, nil, []string{"may have no certificate for this host"}},
		"no common protocol": {nil, shakes(func(cfg *tls.Config) { cfg.NextProtos = []string{"imap"} }), nil, nil, nil, []string{"does not offer http/1.1"}},
		"alert without advice": {nil, func(nc net.Conn) {
			nc.Read(make([]byte, 1<<16))
			nc.Write([]byte{21, 3, 3, 0, 2, 2, 90})
		}, nil, nil, nil, []string{"user canceled"}},
	} {
		t.Run(name, func(t *testing.T) {
			client := trusting()
			if tc.client != nil {
				tc.client(client)
			}
			_, err := handshake(t, client, tc.serve)
			wantOp(t, err, OpTLS)
			var e *TLSError
			if !errors.As(err, &e) {
				t.Fatalf("error %v without a *TLSError", err)
			}
			if e.Host != client.ServerName {
				t.Errorf("host %q", e.Host)
			}
			if tc.cert != nil && (e.Certificate == nil || !e.Certificate.Equal(tc.cert.leaf)) {
				t.Errorf("certificate %v", e.Certificate)
			}
			for _, as := range tc.as {
				if !errors.As(err, as) {
					t.Errorf("%v: no %T", err, as)
				}
			}
			if tc.is != nil {
				wantError(t, err, tc.is)
			}
			text := err.Error()
			for _, s := range tc.says {
				if !strings.Contains(text, s) {
					t.Errorf("%q does not say %q", text, s)
				}
			}
			if came := e.Certificate != nil; came != strings.Contains(text, "subject") || came != (tc.cert != nil) {
				t.Errorf("certificate came %t, text %q", came, text)
			}
		})
	}
}

// What a server writes into its certificate stays on one line and within bounds.
func TestTLSErrorPrintable(t *testing.T) {
	c := issue(t, "a\nlog line\x1b[2J\"", nil, func(c *x509.Certificate) {
		c.Subject.Organization = []string{strings.Repeat("x", 5000)}
		c.DNSNames = []string{"evil\r\nname"}
		for range 50 {
			c.DNSNames = append(c.DNSNames, strings.Repeat("y", 200)+".example")
		}
	})
	_, err := handshake(t, TLSConfig(&tls.Config{RootCAs: c.roots()}, "example.com"), presents(c))
	wantOp(t, err, OpTLS)
	text := err.Error()
	if strings.ContainsAny(text, "\r\n\x1b") || len(text) > 3000 {
		t.Errorf("%d bytes: %q", len(text), text)
	}
	if !strings.Contains(text, "evil??name") || !strings.Contains(text, "and 43 more") {
		t.Errorf("%q", text)
	}
}

// Neither the context's end nor an interruption is a fault of the handshake: see
// TestSecureContext and TestInterruptHandshake.
func TestSecureContextPlain(t *testing.T) {
	for name, end := range map[string]func(c *Conn, cancel func()){
		"cancelled":   func(_ *Conn, cancel func()) { cancel() },
		"interrupted": func(c *Conn, _ func()) { c.Interrupt(context.Canceled) },
	} {
		t.Run(name, func(t *testing.T) {
			client, server := net.Pipe()
			defer server.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := New(client, &Buffers{})
			ended := make(chan error)
			go func() { ended <- c.Secure(ctx, clientTLS()) }()
			server.Read(make([]byte, 1))
			end(c, cancel)
			if e := wantOp(t, <-ended, OpTLS); e.Err != context.Canceled {
				t.Errorf("error %#v", e.Err)
			}
		})
	}
}

// TLS 1.1 is refused unless asked for.
func TestMinVersion(t *testing.T) {
	old := func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }
	for name, tc := range map[string]struct {
		asked uint16
		serve func(*tls.Config)
		want  uint16 // 0: refused
	}{
		"1.1 by default":      {0, old, 0},
		"1.1 asked for":       {tls.VersionTLS11, old, tls.VersionTLS11},
		"1.0 asked for":       {tls.VersionTLS10, func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, tls.VersionTLS10},
		"1.2 by default":      {0, func(cfg *tls.Config) { cfg.MaxVersion = tls.VersionTLS12 }, tls.VersionTLS12},
		"1.3 by default":      {0, nil, tls.VersionTLS13},
		"1.2, but 1.3 wanted": {tls.VersionTLS13, func(cfg *tls.Config) { cfg.MaxVersion = tls.VersionTLS12 }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, roots := selfMade()
			client := TLSConfig(&tls.Config{RootCAs: roots, MinVersion: tc.asked}, "example.com")
			c, err := handshake(t, client, shakes(tc.serve))
			if tc.want == 0 {
				wantOp(t, err, OpTLS)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.nc.(*tls.Conn).ConnectionState().Version; got != tc.want {
				t.Errorf("version %s", tls.VersionName(got))
			}
		})
	}
}

// Roots of one's own trust what they signed, through intermediates too, and nothing
// else does.
func TestCustomRoots(t *testing.T) {
	root := issue(t, "the root", nil, authority)
	intermediate := issue(t, "in between", root, authority)
	other := issue(t, "another root", nil, authority)
	leaf, deep := issue(t, "leaf", root, nil), issue(t, "deep", intermediate, nil)
	for name, tc := range map[string]struct {
		roots  *x509.CertPool
		server *issued
		ok     bool
	}{
		"signed":                    {root.roots(), leaf, true},
		"through an intermediate":   {root.roots(), deep, true},
		"the intermediate as root":  {intermediate.roots(), deep, true},
		"another root":              {other.roots(), leaf, false},
		"the system's roots":        {nil, leaf, false},
		"the leaf itself":           {leaf.roots(), leaf, true},
		"another leaf of that root": {leaf.roots(), deep, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := handshake(t, TLSConfig(&tls.Config{RootCAs: tc.roots}, "example.com"), presents(tc.server))
			if (err == nil) != tc.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A client certificate is shown to a server that asks for one.
func TestClientCertificate(t *testing.T) {
	ca := issue(t, "clients' root", nil, authority)
	client := issue(t, "the client", ca, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, tc := range map[string]struct {
			certificates []tls.Certificate
			auth         tls.ClientAuthType
			want         string // the name the server verified
			says         string
		}{
			"asked for":             {[]tls.Certificate{client.Certificate}, tls.RequireAndVerifyClientCert, "the client", ""},
			"not asked for":         {[]tls.Certificate{client.Certificate}, tls.NoClientCert, "", ""},
			"asked for and missing": {nil, tls.RequireAndVerifyClientCert, "", "certificate"},
		} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				_, roots := selfMade()
				cfg := serverTLS()
				cfg.ClientAuth, cfg.ClientCAs, cfg.MaxVersion = tc.auth, ca.roots(), version
				seen := make(chan string, 1)
				c, err := handshake(t, TLSConfig(&tls.Config{RootCAs: roots, Certificates: tc.certificates}, "example.com"), func(nc net.Conn) {
					s := tls.Server(nc, cfg)
					if s.Handshake() != nil {
						seen <- ""
						return
					}
					if chains := s.ConnectionState().VerifiedChains; len(chains) > 0 {
						seen <- chains[0][0].Subject.CommonName
					} else {
						seen <- ""
					}
					s.Read(make([]byte, 1<<10))
					io.WriteString(s, okLength)
				})
				if err == nil { // in TLS 1.3 the server's refusal comes when the handshake is over
					err = exchange(c, "GET").err
				}
				if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error %v", err)
				}
				if got := <-seen; got != tc.want {
					t.Errorf("the server saw %q, want %q", got, tc.want)
				}
			})
		}
	}
}
