package servers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

var tlsVersions = []struct {
	name    string
	version uint16
}{{"TLSv1.2", tls.VersionTLS12}, {"TLSv1.3", tls.VersionTLS13}}

// With each version, with each client certificate policy, many requests over few
// connections: tickets and close-notifies must not get in the way.
func TestNginxTLSVersions(t *testing.T) {
	for _, v := range tlsVersions {
		t.Run(v.name, func(t *testing.T) {
			n := startNginx(t, nginxConf{
				http:   "keepalive_requests 7; ssl_protocols " + v.name + ";",
				server: "location /version { return 200 $ssl_protocol; }"})
			s := newSession(t, api.Config{TLS: n.certs.trust(), MaxConnsPerOrigin: 8})
			if err := callers(16, func(int) error {
				for range 10 {
					resp, err := s.Get(soon(t), n.Secure+"/version")
					if err := want(200, resp, err); err != nil {
						return err
					}
					if resp.Text() != v.name {
						return fmt.Errorf("spoke %s", resp.Text())
					}
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A server that requires a client's certificate answers 400 without one
// (ssl_verify_client on is nginx's, not the handshake's, to refuse).
func TestNginxClientCertificate(t *testing.T) {
	for _, v := range tlsVersions {
		t.Run(v.name, func(t *testing.T) {
			n := startNginx(t, nginxConf{
				http: "ssl_protocols " + v.name + ";",
				server: `ssl_verify_client on; ssl_client_certificate tls/ca.pem;
					location /who { return 200 "$ssl_client_s_dn $ssl_client_verify"; }`})
			s := newSession(t, api.Config{})
			resp := must(t, 200)(s.Get(soon(t), n.Secure+"/who", api.TLS(n.certs.identify())))
			if resp.Text() != "CN=a client SUCCESS" {
				t.Errorf("the server saw %q", resp.Text())
			}
			resp = must(t, 400)(s.Get(soon(t), n.Secure+"/who", api.TLS(n.certs.trust())))
			if !strings.Contains(resp.Text(), "No required SSL certificate was sent") {
				t.Errorf("%.300q", resp.Text())
			}
			stranger := newCerts(t, t.TempDir())
			resp, err := s.Get(soon(t), n.Secure+"/who", api.TLS(&tls.Config{RootCAs: n.certs.pool, Certificates: []tls.Certificate{stranger.client}}))
			if err == nil && resp.Status() != 400 {
				t.Errorf("a stranger's certificate: %d %s", resp.Status(), resp.Text())
			}
		})
	}
}

// Handshakes that must fail say which host, and why.
func TestNginxTLSRefused(t *testing.T) {
	n := startNginx(t, nginxConf{http: "ssl_protocols TLSv1.2;"})
	s := newSession(t, api.Config{Breaker: noBreaker})
	for name, c := range map[string]struct {
		cfg *tls.Config
		is  func(error) bool
	}{
		"unknown authority": {&tls.Config{RootCAs: x509.NewCertPool()}, func(err error) bool {
			_, ok := asError[x509.UnknownAuthorityError](err)
			return ok
		}},
		"another name": {&tls.Config{RootCAs: n.certs.pool, ServerName: "elsewhere.test"}, func(err error) bool {
			_, ok := asError[x509.HostnameError](err)
			return ok
		}},
		"newer version": {&tls.Config{RootCAs: n.certs.pool, MinVersion: tls.VersionTLS13}, func(err error) bool {
			return strings.Contains(err.Error(), "protocol version")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Get(soon(t), n.Secure+"/", api.TLS(c.cfg))
			e, ok := asError[*api.HTTPConnectionError](err)
			if !ok || e.Op != api.OpTLS || e.Sent != api.SentNothing || !c.is(err) {
				t.Errorf("%v", err)
			}
			if !strings.Contains(fmt.Sprint(err), strings.TrimPrefix(n.Secure, "https://")) {
				t.Errorf("does not name the host: %v", err)
			}
		})
	}
	if _, err := s.Get(soon(t), "https://"+n.addr+"/", api.TLS(n.certs.trust())); !errors.As(err, new(*api.HTTPConnectionError)) {
		t.Errorf("TLS to a plain port: %v", err)
	}
	must(t, 400)(s.Get(soon(t), strings.Replace(n.Secure, "https", "http", 1)+"/"))
}
