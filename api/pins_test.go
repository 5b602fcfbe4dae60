package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// pinParty is a certificate with its key.
type pinParty struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// pinIssue makes a certificate for 127.0.0.1, signed by parent or by itself.
func pinIssue(t *testing.T, name string, parent *pinParty) *pinParty {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"example.com"}, IsCA: parent == nil, BasicConstraintsValid: true,
	}
	by := &pinParty{template, key}
	if parent != nil {
		by = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pinParty{cert, key}
}

// pinServer answers 200 over TLS with p's certificate and others behind it.
func pinServer(t *testing.T, p *pinParty, behind ...*pinParty) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	chain := tls.Certificate{PrivateKey: p.key, Certificate: [][]byte{p.cert.Raw}}
	for _, b := range behind {
		chain.Certificate = append(chain.Certificate, b.cert.Raw)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{chain}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestPinKeys(t *testing.T) {
	root, other := pinIssue(t, "root", nil), pinIssue(t, "other", nil)
	leaf := pinIssue(t, "leaf", root)
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	verifying := func() *tls.Config { return &tls.Config{RootCAs: roots, ServerName: "example.com"} }
	trusting := func() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
	own := errors.New("the user's own")
	hpkp := strings.Replace(PublicKeyPin(leaf.cert), "//", "/", 1)

	var unverified *tls.CertificateVerificationError
	var unpinned *PinError
	for name, tc := range map[string]struct {
		settings *tls.Config
		pins     []string
		as       any // nil: accepted
		is       error
	}{
		"the server's key":              {verifying(), []string{PublicKeyPin(leaf.cert)}, nil, nil},
		"the server's key, other form":  {verifying(), []string{hpkp}, nil, nil},
		"the root's key":                {verifying(), []string{PublicKeyPin(root.cert)}, nil, nil},
		"one of two":                    {verifying(), []string{PublicKeyPin(other.cert), PublicKeyPin(leaf.cert)}, nil, nil},
		"another key":                   {verifying(), []string{PublicKeyPin(other.cert)}, &unpinned, nil},
		"the key, but not verified":     {nil, []string{PublicKeyPin(leaf.cert)}, &unverified, nil},
		"not verifying, server's key":   {trusting(), []string{PublicKeyPin(leaf.cert)}, nil, nil},
		"not verifying, the root's key": {trusting(), []string{PublicKeyPin(root.cert)}, &unpinned, nil}, // sent along, vouched for by nobody
		"not verifying, another key":    {trusting(), []string{PublicKeyPin(other.cert)}, &unpinned, nil},
		"the user's own check": {&tls.Config{RootCAs: roots, ServerName: "example.com", VerifyConnection: func(tls.ConnectionState) error { return own }},
			[]string{PublicKeyPin(leaf.cert)}, nil, own},
	} {
		t.Run(name, func(t *testing.T) {
			server := pinServer(t, leaf, root, other)
			settings, err := PinKeys(tc.settings, tc.pins...)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := newSession(t, Config{TLS: settings}).Get(t.Context(), server.URL)
			if tc.as == nil && tc.is == nil {
				if err != nil || resp.Status() != 200 {
					t.Fatal(err)
				}
				return
			}
			var failed *HTTPConnectionError
			if !errors.As(err, &failed) || failed.Op != OpTLS {
				t.Fatalf("error %v", err)
			}
			if tc.as != nil && !errors.As(err, tc.as) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("error %v, want a %T or %v", err, tc.as, tc.is)
			}
		})
	}
}

// The error tells the pins that came, for the user to compare.
func TestPinErrorText(t *testing.T) {
	root := pinIssue(t, "root", nil)
	leaf := pinIssue(t, "leaf", root)
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	settings, err := PinKeys(&tls.Config{RootCAs: roots, ServerName: "example.com"}, PublicKeyPin(pinIssue(t, "other", nil).cert))
	if err != nil {
		t.Fatal(err)
	}
	_, err = newSession(t, Config{TLS: settings}).Get(t.Context(), pinServer(t, leaf, root).URL)
	if err == nil || !strings.Contains(err.Error(), PublicKeyPin(leaf.cert)+", "+PublicKeyPin(root.cert)) {
		t.Errorf("error %v", err)
	}
	if text := (&PinError{Came: make([]string, 10)}).Error(); !strings.Contains(text, "and 2 more") {
		t.Errorf("%q", text)
	}
}

// A fingerprint is no secret, whatever its letters spell.
func TestPinErrorHidesNoFingerprint(t *testing.T) {
	const pin = "sha256/uCEcTO5YSSpMi4g4h6VwRSawPwGylz6I6DvjtHH6VOE=" // PwGylz6I6DvjtHH6VOE=
	err := &HTTPConnectionError{URL: "https://h/?token=geheim", Op: OpTLS, Err: &PinError{Came: []string{pin, pin}}}
	if text := err.Error(); !strings.Contains(text, pin+", "+pin+":") || strings.Contains(text, "geheim") {
		t.Errorf("%s", text)
	}
}

// A resumed session is checked like a fresh one, in both versions.
func TestPinKeysResumed(t *testing.T) {
	root := pinIssue(t, "root", nil)
	leaf := pinIssue(t, "leaf", root)
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server := pinServer(t, leaf, root)
			resumed := false
			plain := &tls.Config{
				RootCAs: roots, ServerName: "example.com", MaxVersion: version,
				ClientSessionCache: tls.NewLRUClientSessionCache(4),
				VerifyConnection:   func(state tls.ConnectionState) error { resumed = state.DidResume; return nil },
			}
			good, err := PinKeys(plain, PublicKeyPin(root.cert))
			if err != nil {
				t.Fatal(err)
			}
			bad, err := PinKeys(plain, PublicKeyPin(pinIssue(t, "other", nil).cert))
			if err != nil {
				t.Fatal(err)
			}
			session := newSession(t, Config{})
			get := func(settings *tls.Config) error {
				_, err := session.Get(t.Context(), server.URL, TLS(settings), Headers{"Connection": "close"})
				return err
			}
			if err := get(plain); err != nil || resumed {
				t.Fatalf("%v, resumed %t", err, resumed)
			}
			if err := get(good); err != nil || !resumed {
				t.Errorf("%v, resumed %t", err, resumed)
			}
			if err := get(bad); !errors.As(err, new(*PinError)) || !resumed {
				t.Errorf("%v, resumed %t", err, resumed)
			}
		})
	}
}

func TestPinKeysCopies(t *testing.T) {
	pin := PublicKeyPin(pinIssue(t, "a", nil).cert)
	base := &tls.Config{ServerName: "example.com"}
	cfg, err := PinKeys(base, pin)
	if err != nil || cfg == base || cfg.ServerName != "example.com" || base.VerifyConnection != nil {
		t.Errorf("%v, %v", cfg, err)
	}
	if cfg, err = PinKeys(nil, pin); err != nil || cfg == nil {
		t.Errorf("%v, %v", cfg, err)
	}
}

func TestPinKeysRefuses(t *testing.T) {
	good := PublicKeyPin(pinIssue(t, "a", nil).cert)
	b64 := strings.TrimPrefix(good, "sha256//")
	zeros := base64.StdEncoding.EncodeToString(make([]byte, 31))
	for name, pins := range map[string][]string{
		"none":             nil,
		"empty":            {""},
		"second is bad":    {good, "x"},
		"bare":             {b64},
		"other hash":       {"sha1//" + b64},
		"upper case":       {"SHA256//" + b64},
		"three slashes":    {"sha256///" + b64},
		"too short":        {"sha256//" + zeros},
		"too long":         {"sha256//" + base64.StdEncoding.EncodeToString(make([]byte, 33))},
		"no padding":       {strings.TrimRight(good, "=")},
		"two in one":       {good + ";" + good},
		"space":            {good + " "},
		"line end":         {good + "\n"},
		"line end within":  {good[:20] + "\n" + good[20:]},
		"stray bits":       {"sha256//" + strings.Repeat("A", 42) + "B="},
		"hexadecimal":      {"sha256//" + strings.Repeat("0f", 32)},
		"URL's BASE64":     {"sha256//" + strings.Repeat("_", 43) + "="},
		"slash in BASE64":  {"sha256//" + strings.Repeat("/", 44)},
		"of another field": {"pin-sha256=\"" + b64 + "\""},
	} {
		cfg, err := PinKeys(nil, pins...)
		if e, ok := err.(*InputError); !ok || cfg != nil || e.Field != "PinKeys" || e.Fix == "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v", name, cfg, err)
		}
	}
}

// A BASE64 that begins with a slash is not taken for curl's form, nor the other way
// round.
func TestParsePinSlash(t *testing.T) {
	want := [sha256.Size]byte{0xfc} // "/AAA…"
	encoded := base64.StdEncoding.EncodeToString(want[:])
	if encoded[0] != '/' {
		t.Fatal(encoded)
	}
	for _, pin := range []string{"sha256/" + encoded, "sha256//" + encoded} {
		if got, ok := parsePin(pin); !ok || got != want {
			t.Errorf("%s: %x, %t", pin, got, ok)
		}
	}
}

func TestPublicKeyPin(t *testing.T) {
	if got := PublicKeyPin(nil); got != "" {
		t.Errorf("%q for no certificate", got)
	}
	// As curl's documentation makes it: openssl x509 -pubkey | openssl pkey -pubin
	// -outform der | openssl dgst -sha256 -binary | openssl enc -base64.
	cert := pinIssue(t, "a", nil).cert
	der, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	if got, want := PublicKeyPin(cert), "sha256//"+base64.StdEncoding.EncodeToString(sum[:]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Every pin that is accepted is one that PublicKeyPin could have made, in one of the
// two forms.
func FuzzParsePin(f *testing.F) {
	f.Add("sha256//" + strings.Repeat("A", 43) + "=")
	f.Add("sha256/" + strings.Repeat("/", 42) + "8=")
	f.Add("sha256//")
	f.Fuzz(func(t *testing.T, pin string) {
		key, ok := parsePin(pin)
		encoded := base64.StdEncoding.EncodeToString(key[:])
		if ok != (pin == "sha256/"+encoded || pin == "sha256//"+encoded) {
			t.Fatalf("%q: %x, %t", pin, key, ok)
		}
	})
}
