package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// crossServer is two TLS servers in one: a.test redirects what has a "to" in its query to there,
// and both tell which client certificate they were shown and under what name they were called.
// The session reaches it under any name.
func crossServer(t *testing.T) (client tls.Certificate, driver dialFunc) {
	t.Helper()
	party := pinIssue(t, "ada", nil)
	client = tls.Certificate{PrivateKey: party.key, Certificate: [][]byte{party.cert.Raw}}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		shown := "nobody"
		if certs := r.TLS.PeerCertificates; len(certs) > 0 {
			shown = certs[0].Subject.CommonName
		}
		fmt.Fprintf(w, "%s asks %s", shown, r.TLS.ServerName)
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = discard()
	s.StartTLS()
	t.Cleanup(s.Close)
	return client, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// The TLS option's client certificate and name are for the origin that was called. Others
// that a redirect leads to get the certificate if the caller says so, and never the name.
func TestTLSAcrossOrigins(t *testing.T) {
	certificate, driver := crossServer(t)
	static := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate}, ServerName: "name.test"}
	called := &tls.Config{InsecureSkipVerify: true, ServerName: "name.test",
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }}
	const back = "https://b.test/?to=https://a.test/"
	for _, c := range []struct {
		name, url string
		opts      []Option
		want      string
	}{
		{"no redirect", "https://a.test/", nil, "ada asks name.test"},
		{"within the origin", "https://a.test/?to=/x", nil, "ada asks name.test"},
		{"another host", "https://a.test/?to=https://b.test/", nil, "nobody asks b.test"},
		{"another port", "https://a.test/?to=https://a.test:8443/", nil, "nobody asks name.test"},
		{"and back", "https://a.test/?to=" + strings.NewReplacer("?", "%3F", "=", "%3D").Replace(back), nil, "nobody asks a.test"},
		{"as the caller says", "https://a.test/?to=https://b.test/", []Option{CertificateAcrossOrigins()}, "ada asks b.test"},
		{"as the caller says, another port", "https://a.test/?to=https://a.test:8443/", []Option{CertificateAcrossOrigins()}, "ada asks name.test"},
	} {
		for kind, settings := range map[string]*tls.Config{"given": static, "asked for": called} {
			t.Run(c.name+", "+kind, func(t *testing.T) {
				s := newSession(t, Config{Driver: driver})
				for range 2 {
					resp, err := s.Get(t.Context(), c.url, append(c.opts, TLS(settings))...)
					if err != nil {
						t.Fatal(err)
					}
					if resp.Text() != c.want {
						t.Errorf("%s, want %s", resp.Text(), c.want)
					}
				}
				for _, o := range s.Snapshot().Origins {
					if o.Dials != 1 {
						t.Errorf("%s was dialled %d times: what is made of the same settings is not the same", o.Origin, o.Dials)
					}
				}
			})
		}
	}
	if static.ServerName != "name.test" || len(static.Certificates) != 1 {
		t.Error("the caller's settings were changed")
	}
}

// The session's settings are for every origin.
func TestSessionTLSAcrossOrigins(t *testing.T) {
	certificate, driver := crossServer(t)
	s := newSession(t, Config{Driver: driver, TLS: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate}}})
	resp, err := s.Get(t.Context(), "https://a.test/?to=https://b.test/")
	if err != nil || resp.Text() != "ada asks b.test" {
		t.Errorf("%v, %v", resp, err)
	}
}

// Pins, roots and the lack of verification go along.
func TestPinsAcrossOrigins(t *testing.T) {
	_, driver := crossServer(t)
	s := newSession(t, Config{Driver: driver})
	pinned, err := PinKeys(&tls.Config{InsecureSkipVerify: true, ServerName: "name.test"}, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	if err != nil {
		t.Fatal(err)
	}
	loose := &tls.Config{InsecureSkipVerify: true}
	loc := crossing{settings: loose, host: true}
	if s.crossings.of(loc) != loose {
		t.Error("settings with nothing of one origin's were copied")
	}
	other := s.crossings.of(crossing{settings: pinned, host: true})
	var no *PinError
	if _, err := s.Get(t.Context(), "https://b.test/", TLS(other)); !errors.As(err, &no) {
		t.Errorf("the pins did not come along: %v", err)
	}
}

// No more is kept of settings than its bound, however many come.
func TestCrossingsAreBounded(t *testing.T) {
	var x crossings
	for range 3 * maxCrossings {
		x.of(crossing{settings: &tls.Config{ServerName: "a"}, host: true})
	}
	if len(x.known) != maxCrossings || len(x.order) != maxCrossings {
		t.Errorf("%d and %d are kept", len(x.known), len(x.order))
	}
}
