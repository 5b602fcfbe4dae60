package conn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
)

// parseProxy makes a proxy of a URL that must be fine. https ones are trusted.
func parseProxy(t testing.TB, raw string) *Proxy {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	_, roots := selfMade()
	p, err := ParseProxy(u, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseProxy(t *testing.T) {
	const basic = "Basic dTpw" // u:p
	for _, tc := range []struct {
		url, want     string
		authorization string
		forwards      bool // http
		user          string
	}{
		{"http://proxy", "http://proxy:80", "", true, ""},
		{"http://Proxy.Example:3128/", "http://proxy.example:3128", "", true, ""},
		{"HTTP://proxy:03128", "http://proxy:3128", "", true, ""},
		{"http://u:p@proxy", "http://proxy:80", basic, true, "u"},
		{"http://u@proxy", "http://proxy:80", "Basic dTo=", true, "u"},
		{"http://:p@proxy", "http://proxy:80", "Basic OnA=", true, ""},
		{"http://a%40b:p%3A%2F@proxy", "http://proxy:80", "Basic YUBiOnA6Lw==", true, "a@b"},
		{"http://@proxy", "http://proxy:80", "", true, ""},
		{"https://u:p@proxy", "https://proxy:443", basic, true, "u"},
		{"socks5://proxy", "socks5://proxy:1080", "", false, ""},
		{"socks5h://u:p@proxy:1", "socks5h://proxy:1", "", false, "u"},
		{"http://[::1]", "http://[::1]:80", "", true, ""},
		{"http://[fe80::1%25eth0]:8080", "http://[fe80::1%eth0]:8080", "", true, ""},
		{"http://[FE80::1%25Eth0]:8080", "http://[fe80::1%Eth0]:8080", "", true, ""},
		{"http://127.0.0.1:8080/path?query#fragment", "http://127.0.0.1:8080", "", true, ""},
		{"http://my_proxy-1.example.", "http://my_proxy-1.example.:80", "", true, ""},
	} {
		p := parseProxy(t, tc.url)
		if got := p.String(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.url, got, tc.want)
		}
		if got := p.Authorization(); got != tc.authorization {
			t.Errorf("%s: authorization %q, want %q", tc.url, got, tc.authorization)
		}
		if got := p.Forwards("http"); got != tc.forwards {
			t.Errorf("%s: forwards http: %t", tc.url, got)
		}
		if p.Forwards("https") {
			t.Errorf("%s forwards https", tc.url)
		}
		if p.user != tc.user {
			t.Errorf("%s: user %q, want %q", tc.url, p.user, tc.user)
		}
	}
	var none *Proxy
	if none.String() != "" || none.Forwards("http") || none.Authorization() != "" {
		t.Error("a nil proxy is one")
	}
}

func TestParseProxyTLS(t *testing.T) {
	u := &url.URL{Scheme: "https", Host: "proxy.example"}
	p, err := ParseProxy(u, nil)
	if err != nil || p.tls.ServerName != "proxy.example" || p.tls.MinVersion != tls.VersionTLS12 {
		t.Errorf("%+v, %v", p, err)
	}
	settings := &tls.Config{ServerName: "other.example"}
	p, err = ParseProxy(u, settings)
	if err != nil || p.tls.ServerName != "other.example" || p.tls == settings {
		t.Errorf("%+v, %v", p, err)
	}
}

// What is wrong is said, and who logs in is not.
func TestParseProxyRefuses(t *testing.T) {
	secret := url.UserPassword("mallory", "s3cret")
	long := strings.Repeat("x", 256)
	for name, tc := range map[string]struct {
		u    *url.URL
		says string
	}{
		"nil":                    {nil, "nil"},
		"no scheme":              {&url.URL{Host: "proxy", User: secret}, "no scheme"},
		"opaque":                 {&url.URL{Scheme: "http", Opaque: "mallory:s3cret@proxy"}, "no scheme"},
		"other scheme":           {&url.URL{Scheme: "ftp", Host: "proxy", User: secret}, `"ftp" is not supported`},
		"socks4":                 {&url.URL{Scheme: "socks4", Host: "proxy", User: secret}, "use http, https, socks5 or socks5h"},
		"no host":                {&url.URL{Scheme: "http", Host: ":80", User: secret}, "no host"},
		"empty host":             {&url.URL{Scheme: "http", User: secret}, "no host"},
		"user info in the host":  {&url.URL{Scheme: "http", Host: "mallory:s3cret@proxy"}, "not valid"},
		"user in the host":       {&url.URL{Scheme: "http", Host: "s3cret@proxy"}, "not allowed"},
		"space":                  {&url.URL{Scheme: "http", Host: "a proxy", User: secret}, "not allowed"},
		"line end":               {&url.URL{Scheme: "http", Host: "proxy\r\nX: y", User: secret}, "not valid"},
		"line end in a zone":     {&url.URL{Scheme: "http", Host: "[fe80::1%a\r\nb]", User: secret}, "not valid"},
		"letters beyond ASCII":   {&url.URL{Scheme: "http", Host: "prüfung", User: secret}, "xn--"},
		"bare IPv6":              {&url.URL{Scheme: "http", Host: "::zz", User: secret}, "[::1]"},
		"port 0":                 {&url.URL{Scheme: "http", Host: "proxy:0", User: secret}, "1 to 65535"},
		"port 65536":             {&url.URL{Scheme: "http", Host: "proxy:65536", User: secret}, "1 to 65535"},
		"colon in the user":      {&url.URL{Scheme: "http", Host: "proxy", User: url.UserPassword("mal:lory", "s3cret")}, "colon"},
		"control character":      {&url.URL{Scheme: "http", Host: "proxy", User: url.UserPassword("mallory", "s3cret\n")}, "control"},
		"control character, too": {&url.URL{Scheme: "socks5", Host: "proxy", User: url.UserPassword("mallory\x00", "s3cret")}, "control"},
		"long user":              {&url.URL{Scheme: "socks5", Host: "proxy", User: url.UserPassword(long, "s3cret")}, "255"},
		"long password":          {&url.URL{Scheme: "socks5h", Host: "proxy", User: url.UserPassword("mallory", "s3cret"+long)}, "255"},
		"password alone":         {&url.URL{Scheme: "socks5", Host: "proxy", User: url.UserPassword("", "s3cret")}, "no user"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ParseProxy(tc.u, nil)
			if p != nil || err == nil {
				t.Fatalf("%v, %v", p, err)
			}
			text := err.Error()
			if !strings.Contains(text, tc.says) {
				t.Errorf("%q does not say %q", text, tc.says)
			}
			for _, secret := range []string{"mal", "s3cret"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q tells %q", text, secret)
				}
			}
		})
	}
}

func TestProxyError(t *testing.T) {
	cause := errors.New("cause")
	for _, tc := range []struct {
		err  *ProxyError
		want string
	}{
		{&ProxyError{Proxy: "http://p:80", Phase: "connecting", Err: cause}, "proxy http://p:80: connecting: cause"},
		{&ProxyError{Proxy: "http://p:80", Phase: "CONNECT a:443", Status: 407, Reason: "Who", Fix: "log in"},
			"proxy http://p:80: CONNECT a:443: the proxy answered 407 Who; log in"},
		{&ProxyError{Proxy: "http://p:80", Phase: "CONNECT a:443", Status: 500}, "proxy http://p:80: CONNECT a:443: the proxy answered 500"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
		if got := tc.err.Unwrap(); got != tc.err.Err {
			t.Errorf("wraps %v", got)
		}
	}
}

// Whatever the URL: user and password are nowhere but in Authorization, and what is
// dialled is a host and a port.
func FuzzParseProxy(f *testing.F) {
	for _, s := range []string{"http://proxy:3128", "https://[::1%25a]", "socks5://127.0.0.1:1", "proxy:80", "http://a@b@c:1:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil || strings.Contains(strings.ToLower(raw), "s3cret") {
			return
		}
		u.User = url.UserPassword("us3cret", "ps3cret")
		p, err := ParseProxy(u, nil)
		if err != nil {
			if strings.Contains(err.Error(), "s3cret") || strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("the error tells too much: %q", err)
			}
			return
		}
		text := fmt.Sprintf("%v %+v %s", p, p, p)
		if strings.Contains(text, "s3cret") || strings.ContainsAny(text, "\r\n") {
			t.Fatalf("it tells too much: %q", text)
		}
		host, port, err := net.SplitHostPort(p.address)
		if err != nil || host == "" || port == "" || p.String() != p.scheme+"://"+p.address {
			t.Fatalf("address %q of %q: %v", p.address, p, err)
		}
	})
}
