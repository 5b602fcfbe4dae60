package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed53b03582/troupe/api"
	"github.com/seed53b03582/troupe/conn"
)

// secure starts a server with TLS and gives the settings that trust it. Its certificate
// is for 127.0.0.1 and example.com.
func secure(f http.HandlerFunc, change ...func(*tls.Config)) (*httptest.Server, *tls.Config) {
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{}
	for _, c := range change {
		c(server.TLS)
	}
	server.StartTLS()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server, &tls.Config{RootCAs: roots}
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "hello over TLS %s", map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}[r.TLS.Version])
}

func ExampleTLS() {
	server, roots := secure(hello)
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	show(session.Get(context.Background(), server.URL, api.TLS(roots)))
	// Output: 200 hello over TLS 1.3
}

// The error tells the host, the certificate that came, and what may help.
func ExampleHTTPConnectionError_certificate() {
	server, _ := secure(hello)
	defer server.Close()
	session := newSession(api.Config{}) // trusts the system's roots, and the server has none of them
	defer session.Close()

	_, err := session.Get(context.Background(), server.URL)
	var connect *api.HTTPConnectionError
	var handshake *conn.TLSError
	if errors.As(err, &connect) && errors.As(err, &handshake) {
		fmt.Println(connect.Op, handshake.Host, handshake.Certificate.Subject, errors.As(err, new(x509.UnknownAuthorityError)))
	}
	// Output: tls 127.0.0.1 O=Acme Co true
}

// TLS 1.2 is the least unless the settings say otherwise.
func ExampleTLS_minVersion() {
	server, roots := secure(hello, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()
	ctx := context.Background()

	show(session.Get(ctx, server.URL, api.TLS(roots)))
	strict := roots.Clone()
	strict.MinVersion = tls.VersionTLS13
	_, err := session.Get(ctx, server.URL, api.TLS(strict))
	var connect *api.HTTPConnectionError
	fmt.Println(errors.As(err, &connect) && connect.Op == api.OpTLS)
	// Output:
	// 200 hello over TLS 1.2
	// true
}

// issue makes a certificate that a client shows.
func issue(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

func ExampleTLS_clientCertificate() {
	certificate, err := issue("ada") // else from files: tls.LoadX509KeyPair
	if err != nil {
		fmt.Println(err)
		return
	}
	server, roots := secure(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello ", r.TLS.PeerCertificates[0].Subject.CommonName)
	}, func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(certificate.Leaf)
	})
	defer server.Close()

	settings := &tls.Config{RootCAs: roots.RootCAs, Certificates: []tls.Certificate{certificate}}
	session := newSession(api.Config{TLS: settings})
	defer session.Close()
	show(session.Get(context.Background(), server.URL))
	// Output: 200 hello ada
}

func ExamplePinKeys() {
	server, roots := secure(hello)
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()
	ctx := context.Background()

	pin := api.PublicKeyPin(server.Certificate())
	const spare = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	pinned, err := api.PinKeys(roots, pin, spare) // make it once, as all TLS settings
	if err != nil {
		fmt.Println(err)
		return
	}
	show(session.Get(ctx, server.URL, api.TLS(pinned)))

	other, err := api.PinKeys(roots, spare)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = session.Get(ctx, server.URL, api.TLS(other))
	var refused *api.PinError
	fmt.Println(errors.As(err, &refused) && refused.Came[0] == pin)
	// Output:
	// 200 hello over TLS 1.3
	// true
}
