package api

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn/memory"
)

// zoned is a Driver whose every address leads to one TLS server, for fe80::1, or to a proxy
// in front of it.
type zoned struct {
	tls *tls.Config

	mu    sync.Mutex
	dials []string
	hosts []string // of the requests
	asked []string // of the proxy
	names []string // that TLS asked for (SNI)
	conns sync.WaitGroup
}

func (z *zoned) note(list *[]string, s string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	*list = append(*list, s)
}

func (z *zoned) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	z.note(&z.dials, address)
	client, server := memory.Pipe(memory.Link{}) // it buffers: TLS writes on both sides at once
	z.conns.Go(func() {
		defer server.Close()
		z.serve(server)
	})
	return client, nil
}

func (z *zoned) serve(c net.Conn) {
	br := bufio.NewReader(c)
	if first, err := br.Peek(1); err != nil || first[0] == 'C' {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		z.note(&z.asked, req.RequestURI)
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return
		}
	}
	secured := tls.Server(&buffered{c, br}, z.tls)
	z.serveTLS(secured)
}

func (z *zoned) serveTLS(c net.Conn) {
	br := bufio.NewReader(c)
	for {
		req := readRequest(br)
		if req == nil {
			return
		}
		z.note(&z.hosts, req.Host)
		answer := okAnswer
		if req.URL.Path == "/from" {
			answer = "HTTP/1.1 302 Found\r\nLocation: https://[fe80::1%25eth1]:8443/to\r\nContent-Length: 0\r\n\r\n"
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// buffered reads what was read ahead first.
type buffered struct {
	net.Conn
	br *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.br.Read(p) }

// zonedParty is a certificate for the address fe80::1.
func zonedParty(t *testing.T) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP("fe80::1")}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, leaf
}

// An address is dialled with its zone; its certificate, what TLS asks for, the Host header
// and what a proxy is asked for have none: the zone is this machine's alone.
func TestZoneIsNotVerified(t *testing.T) {
	certificate, leaf := zonedParty(t)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	pinned, err := PinKeys(&tls.Config{RootCAs: roots}, PublicKeyPin(leaf))
	if err != nil {
		t.Fatal(err)
	}
	through := func(proxy string) func(*url.URL) (*url.URL, error) {
		return func(*url.URL) (*url.URL, error) { return url.Parse(proxy) }
	}
	const zone, bare = "https://[fe80::1%25eth0]", "[fe80::1]"
	for name, tc := range map[string]struct {
		url                 string
		cfg                 Config
		dials, hosts, asked []string
	}{
		"plain":      {zone + "/", Config{TLS: &tls.Config{RootCAs: roots}}, []string{"[fe80::1%eth0]:443"}, []string{bare}, nil},
		"port":       {zone + ":8443/", Config{TLS: &tls.Config{RootCAs: roots}}, []string{"[fe80::1%eth0]:8443"}, []string{bare + ":8443"}, nil},
		"no zone":    {"https://[fe80::1]/", Config{TLS: &tls.Config{RootCAs: roots}}, []string{"[fe80::1]:443"}, []string{bare}, nil},
		"a bare %":   {"https://[fe80::1%eth0]/", Config{TLS: &tls.Config{RootCAs: roots}}, []string{"[fe80::1%eth0]:443"}, []string{bare}, nil},
		"pins":       {zone + "/", Config{TLS: pinned}, []string{"[fe80::1%eth0]:443"}, []string{bare}, nil},
		"own name":   {zone + "/", Config{TLS: &tls.Config{RootCAs: roots, ServerName: "fe80::1%lo"}}, []string{"[fe80::1%eth0]:443"}, []string{bare}, nil},
		"redirected": {zone + "/from", Config{TLS: &tls.Config{RootCAs: roots}}, []string{"[fe80::1%eth0]:443", "[fe80::1%eth1]:8443"}, []string{bare, bare + ":8443"}, nil},
		"a proxy": {zone + "/", Config{TLS: &tls.Config{RootCAs: roots}, Proxy: through("http://proxy.example:3128")},
			[]string{"proxy.example:3128"}, []string{bare}, []string{"[fe80::1]:443"}},
	} {
		t.Run(name, func(t *testing.T) {
			z := &zoned{tls: &tls.Config{Certificates: []tls.Certificate{certificate}}}
			z.tls.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				z.note(&z.names, hello.ServerName)
				return nil, nil
			}
			cfg := tc.cfg
			cfg.Driver = z
			s := newSession(t, cfg)
			resp, err := s.Get(t.Context(), tc.url)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			z.conns.Wait()
			if resp.Text() != "ok" || !slices.Equal(z.dials, tc.dials) || !slices.Equal(z.hosts, tc.hosts) || !slices.Equal(z.asked, tc.asked) {
				t.Errorf("%q; dialled %q, Host %q, the proxy was asked for %q", resp.Text(), z.dials, z.hosts, z.asked)
			}
			for _, name := range z.names {
				if name != "" {
					t.Errorf("TLS asked for %q", name)
				}
			}
		})
	}
}
