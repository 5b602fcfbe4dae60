package api

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/seed53b03582/troupe/conn"
)

func mustURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// setProxyEnv is an environment with these proxy settings and no others.
func setProxyEnv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"} {
		t.Setenv(name, env[name])
	}
}

func TestProxyFromEnvironment(t *testing.T) {
	for name, tc := range map[string]struct {
		env    map[string]string
		target string
		want   string // "": direct
		says   string // in the error
	}{
		"http":                  {map[string]string{"HTTP_PROXY": "http://p:3128"}, "http://example.com/", "http://p:3128", ""},
		"http for https":        {map[string]string{"HTTP_PROXY": "http://p:3128"}, "https://example.com/", "", ""},
		"https":                 {map[string]string{"HTTPS_PROXY": "socks5://p"}, "https://example.com/", "socks5://p", ""},
		"lower case first":      {map[string]string{"HTTP_PROXY": "http://p", "http_proxy": "http://q"}, "http://example.com/", "http://q", ""},
		"without a scheme":      {map[string]string{"HTTP_PROXY": "p:3128"}, "http://example.com/", "http://p:3128", ""},
		"spaces around it":      {map[string]string{"HTTP_PROXY": " http://p:3128 "}, "http://example.com/", "http://p:3128", ""},
		"user info":             {map[string]string{"HTTP_PROXY": "http://u:s3cret%40@p"}, "http://example.com/", "http://u:s3cret%40@p", ""},
		"excepted":              {map[string]string{"HTTP_PROXY": "http://p", "NO_PROXY": "example.com"}, "http://www.example.com/", "", ""},
		"not excepted":          {map[string]string{"HTTP_PROXY": "http://p", "NO_PROXY": "example.com"}, "http://example.org/", "http://p", ""},
		"all excepted":          {map[string]string{"HTTP_PROXY": "http://p", "no_proxy": "*"}, "http://example.org/", "", ""},
		"loopback":              {map[string]string{"HTTP_PROXY": "http://p"}, "http://127.0.0.1:8080/", "", ""},
		"CGI":                   {map[string]string{"HTTP_PROXY": "http://p", "REQUEST_METHOD": "GET"}, "http://example.com/", "", "CGI"},
		"bad":                   {map[string]string{"HTTP_PROXY": "ftp://mallory:s3cret@p"}, "http://example.com/", "", "HTTP_PROXY in the environment"},
		"no URL":                {map[string]string{"HTTPS_PROXY": "http://mallory:s3c/ret@p"}, "https://example.com/", "", "HTTPS_PROXY in the environment"},
		"bad, but excepted":     {map[string]string{"HTTP_PROXY": "ftp://p", "NO_PROXY": "example.com"}, "http://example.com/", "", ""},
		"bad for others":        {map[string]string{"HTTP_PROXY": "ftp://p", "HTTPS_PROXY": "http://p"}, "https://example.com/", "http://p", ""},
		"bad, and for loopback": {map[string]string{"HTTP_PROXY": "ftp://p"}, "http://localhost/", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			setProxyEnv(t, tc.env)
			choose := ProxyFromEnvironment()
			if choose == nil {
				t.Fatal("none")
			}
			setProxyEnv(t, nil) // it was read
			got, err := choose(mustURL(t, tc.target))
			switch {
			case tc.says != "":
				if err == nil || got != nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "s3c") {
					t.Errorf("%v, %v", got, err)
				}
			case err != nil || (got == nil) != (tc.want == "") || got != nil && got.String() != tc.want:
				t.Errorf("%v, %v, want %s", got, err, tc.want)
			}
		})
	}
	setProxyEnv(t, map[string]string{"NO_PROXY": "example.com"})
	if ProxyFromEnvironment() != nil {
		t.Error("a function, while the environment names no proxy")
	}
}

func TestProxyURL(t *testing.T) {
	for raw, want := range map[string]string{
		"http://p:3128":         "http://p:3128",
		"p:3128":                "http://p:3128",
		"127.0.0.1:3128":        "http://127.0.0.1:3128",
		"[::1]:3128":            "http://[::1]:3128",
		" socks5h://u:p@p:1 ":   "socks5h://u:p@p:1",
		"https://u:%2F%3F@p":    "https://u:%2F%3F@p",
		"mallory:s3cret@p:3128": "http://mallory:s3cret@p:3128",
	} {
		choose, err := ProxyURL(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		got, err := choose(mustURL(t, "http://127.0.0.1/"))
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", " ", "http://", "ftp://mallory:s3cret@p", "http://mallory:s3cret@p:0", "http://mallory:s3/cret@p", "http://mallory:s3cret#@p",
		"mallory:s3cret%@p", "http://mallory:s3cret@p q", "http://mal:s3cret\n@p", "socks5://:s3cret@p", "http://p:99999", "//s3cret",
	} {
		choose, err := ProxyURL(raw)
		e, ok := err.(*InputError)
		if !ok || choose != nil || e.Field != "ProxyURL" || e.Fix == "" {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if text := err.Error(); strings.Contains(text, "s3") || strings.Contains(text, "mal") || strings.Contains(text, "\n") {
			t.Errorf("%q tells too much", text)
		}
	}
}

func TestDirect(t *testing.T) {
	setProxyEnv(t, map[string]string{"HTTP_PROXY": "http://p"})
	if got, err := Direct(mustURL(t, "http://example.com/")); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// The same URL gives the same proxy, as its identity is part of an origin's key.
func TestProxiesIdentity(t *testing.T) {
	var next string
	p := newProxies(func(*url.URL) (*url.URL, error) { return url.Parse(next) }, nil)
	get := func(raw string) *conn.Proxy {
		next = raw
		got, err := p.of(mustURL(t, "http://example.com/"))
		if err != nil || got == nil {
			t.Fatalf("%s: %v, %v", raw, got, err)
		}
		return got
	}
	one := get("http://u:p@proxy:80")
	if again := get("http://u:p@proxy:80/other"); again != one {
		t.Error("two proxies of one URL")
	}
	for _, raw := range []string{"https://u:p@proxy:80", "http://u:p@proxy:81", "http://v:p@proxy:80", "http://u:q@proxy:80", "http://proxy:80"} {
		if get(raw) == one {
			t.Errorf("%s is the same proxy", raw)
		}
	}
	if get("http://u:p@proxy:80") != one {
		t.Error("forgotten")
	}
}

// What is known stays within bounds; the oldest goes first.
func TestProxiesBounded(t *testing.T) {
	port := 0
	p := newProxies(func(*url.URL) (*url.URL, error) {
		return &url.URL{Scheme: "http", Host: fmt.Sprintf("proxy:%d", port)}, nil
	}, nil)
	get := func(n int) *conn.Proxy {
		port = n
		got, err := p.of(mustURL(t, "http://example.com/"))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first, second := get(1), get(2)
	for n := 3; n <= maxProxies+1; n++ {
		get(n)
	}
	if len(p.known) != maxProxies || len(p.order) != maxProxies {
		t.Errorf("%d known, %d in order", len(p.known), len(p.order))
	}
	if get(2) != second {
		t.Error("the second went")
	}
	if get(1) == first {
		t.Error("the first stayed")
	}
}

func TestProxiesConcurrent(t *testing.T) {
	p := newProxies(func(target *url.URL) (*url.URL, error) {
		return &url.URL{Scheme: "http", Host: target.Host}, nil
	}, nil)
	var work sync.WaitGroup
	got := make([]*conn.Proxy, 16)
	for i := range got {
		work.Go(func() {
			for range 100 {
				got[i], _ = p.of(&url.URL{Scheme: "http", Host: fmt.Sprintf("p%d", i%2)})
			}
		})
	}
	work.Wait()
	for i := range got {
		if got[i] == nil || got[i] != got[i%2] {
			t.Errorf("%d: %v", i, got[i])
		}
	}
}

func TestProxiesNone(t *testing.T) {
	for _, choose := range []func(*url.URL) (*url.URL, error){nil, Direct} {
		if got, err := newProxies(choose, nil).of(mustURL(t, "http://example.com/")); got != nil || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// What is wrong with a Config.Proxy is an error of the call's that keeps secrets.
func TestProxiesFail(t *testing.T) {
	own := errors.New("the user's own")
	invalid := "http://mallory:s3/cret@p"
	for name, tc := range map[string]struct {
		choose func(*url.URL) (*url.URL, error)
		says   string
		is     error
	}{
		"bad URL":              {func(*url.URL) (*url.URL, error) { return url.Parse("ftp://mallory:s3cret@p") }, "not a proxy's URL", nil},
		"empty URL":            {func(*url.URL) (*url.URL, error) { return &url.URL{}, nil }, "not a proxy's URL", nil},
		"error":                {func(*url.URL) (*url.URL, error) { return nil, own }, "it failed: the user's own", own},
		"error beside a URL":   {func(*url.URL) (*url.URL, error) { return &url.URL{Scheme: "http", Host: "p"}, own }, "it failed", own},
		"error of the library": {func(*url.URL) (*url.URL, error) { return url.Parse(invalid) }, "it failed", nil},
		"error with a secret":  {func(*url.URL) (*url.URL, error) { return nil, fmt.Errorf("%w: mallory:s3cret@p", own) }, "not shown", own},
		"panic":                {func(*url.URL) (*url.URL, error) { panic("the user's own") }, "it panicked: the user's own", nil},
		"panic with an error":  {func(*url.URL) (*url.URL, error) { panic(own) }, "it panicked", own},
		"panic with a secret":  {func(*url.URL) (*url.URL, error) { panic("http://mallory:s3cret@p") }, "it panicked", nil},
		"panic of the runtime": {func(*url.URL) (*url.URL, error) { var none *url.URL; return &url.URL{Host: none.Host}, nil }, "it panicked", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newProxies(tc.choose, nil).of(mustURL(t, "http://example.com/"))
			e, ok := err.(*InputError)
			if !ok || got != nil || e.Field != "Config.Proxy" {
				t.Fatalf("%v, %v", got, err)
			}
			text := err.Error()
			if !strings.Contains(text, tc.says) || strings.Contains(text, "s3") || strings.Contains(text, "mallory") {
				t.Errorf("%q does not say %q, or says too much", text, tc.says)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v does not wrap %v", err, tc.is)
			}
		})
	}
}

// An https proxy is spoken to by ProxyTLS, and by nothing of the settings for origins.
func TestProxyTLS(t *testing.T) {
	proxy, origin := pinIssue(t, "proxy", nil), pinIssue(t, "origin", nil)
	proxyPool, originPool := x509.NewCertPool(), x509.NewCertPool()
	proxyPool.AddCert(proxy.cert)
	originPool.AddCert(origin.cert)
	shown := make(chan int, 1) // certificates that the proxy was shown
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- len(r.TLS.PeerCertificates)
		fmt.Fprint(w, "by the proxy")
	}))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{{PrivateKey: proxy.key, Certificate: [][]byte{proxy.cert.Raw}}},
		ClientAuth:   tls.RequestClientCert,
	}
	server.Config.ErrorLog = discard()
	server.StartTLS()
	t.Cleanup(server.Close)
	through, err := ProxyURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	mine := tls.Certificate{PrivateKey: origin.key, Certificate: [][]byte{origin.cert.Raw}}
	pinned, err := PinKeys(&tls.Config{RootCAs: originPool, Certificates: []tls.Certificate{mine}, ServerName: "origin.test"}, PublicKeyPin(origin.cert))
	if err != nil {
		t.Fatal(err)
	}

	s := newSession(t, Config{Proxy: through, TLS: pinned, ProxyTLS: &tls.Config{RootCAs: proxyPool, ServerName: "example.com"}})
	resp, err := s.Get(t.Context(), "http://origin.test/")
	if err != nil || resp.Text() != "by the proxy" {
		t.Fatalf("%v, %v", resp, err)
	}
	if n := <-shown; n != 0 {
		t.Error("the proxy was shown the origins' client certificate")
	}
	s = newSession(t, Config{Proxy: through, ProxyTLS: &tls.Config{RootCAs: proxyPool, ServerName: "example.com", Certificates: []tls.Certificate{mine}}})
	if _, err := s.Get(t.Context(), "http://origin.test/"); err != nil {
		t.Fatal(err)
	}
	if n := <-shown; n != 1 {
		t.Error("the proxy was not shown its own client certificate")
	}
	s = newSession(t, Config{Proxy: through, TLS: &tls.Config{InsecureSkipVerify: true}})
	var no *conn.ProxyError
	if _, err := s.Get(t.Context(), "http://origin.test/"); !errors.As(err, &no) {
		t.Errorf("a proxy that nothing vouches for: %v", err)
	}
}
