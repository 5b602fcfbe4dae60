package api

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/net/http/httpproxy"

	"github.com/seed53b03582/troupe/conn"
)

// ProxyFromEnvironment returns a function for Config.Proxy that follows HTTP_PROXY,
// HTTPS_PROXY and NO_PROXY (or, before them, their lower case forms), as curl,
// Requests and net/http read them; nil where they name no proxy. The environment is
// read once, now. Loopback addresses and localhost are always reached directly.
//
// A value that is not a proxy's URL is not passed over: the function then gives an
// error for the URLs that would go through it.
func ProxyFromEnvironment() func(*url.URL) (*url.URL, error) {
	env := httpproxy.FromEnvironment()
	if env.HTTPProxy == "" && env.HTTPSProxy == "" {
		return nil
	}
	faults := map[string]error{}
	check := func(scheme, name string, value *string) {
		if *value == "" {
			return
		}
		u, err := parseProxyURL(*value)
		if err != nil {
			faults[scheme] = fmt.Errorf("%s in the environment: %w", name, err)
			u = &url.URL{Scheme: "http", Host: "unusable.invalid"} // httpproxy would go without, but still says for which URLs it counts
		}
		*value = u.String()
	}
	check("http", "HTTP_PROXY", &env.HTTPProxy)
	check("https", "HTTPS_PROXY", &env.HTTPSProxy)
	choose := env.ProxyFunc()
	return func(target *url.URL) (*url.URL, error) {
		through, err := choose(target)
		if through == nil || err != nil {
			return nil, err
		}
		if err := faults[target.Scheme]; err != nil {
			return nil, err
		}
		return through, nil
	}
}

// ProxyURL returns a function for Config.Proxy that sends everything through one
// proxy, loopback addresses too: scheme://[user[:password]@]host[:port] with the
// scheme http, https (TLS to the proxy), socks5 or socks5h (both leave the name
// lookup to the proxy). No scheme means http, no port 80, 443 or 1080. In user and
// password, /?#@: are written as %XX. What is wrong with it is an *InputError.
func ProxyURL(raw string) (func(*url.URL) (*url.URL, error), error) {
	through, err := parseProxyURL(raw)
	if err != nil {
		return nil, &InputError{Field: "ProxyURL", Reason: "can't be used", Err: err, Fix: "give one like http://proxy.example:3128"}
	}
	return func(*url.URL) (*url.URL, error) { return through, nil }, nil
}

// Direct is a Config.Proxy that sends nothing through a proxy, whatever the
// environment says.
func Direct(*url.URL) (*url.URL, error) { return nil, nil }

const errNotAURL = plainError("it is not a valid URL; if user or password has one of /?#@:% in it, write that as %XX")

// parseProxyURL takes scheme://host:port or host:port. Its errors never show the
// input, which may hold a password anywhere.
func parseProxyURL(raw string) (*url.URL, error) {
	raw = strings.TrimSpace(raw)
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errNotAURL
	}
	if _, err := conn.ParseProxy(u, nil); err != nil {
		return nil, err
	}
	return u, nil
}

// proxies chooses the proxy of each request of a session, and keeps what it made of
// their URLs: the identity of a *conn.Proxy is part of an origin's key, so the same
// URL must give the same one. Any number of goroutines may use it.
type proxies struct {
	choose func(*url.URL) (*url.URL, error) // nil: none
	tls    *tls.Config                      // Config.ProxyTLS

	lenient bool // their answers are read so

	mu    sync.Mutex
	known map[proxyKey]*conn.Proxy
	order []proxyKey // those known, oldest first
}

// proxyKey is what of a proxy's URL makes a difference.
type proxyKey struct {
	scheme, host, user, password string
}

// maxProxies bounds the proxies known to a session. Who rotates among more loses the
// idle connections of the oldest, and nothing else.
const maxProxies = 1024

// newProxies makes the chooser of a session. settings are for TLS to https proxies.
func newProxies(choose func(*url.URL) (*url.URL, error), settings *tls.Config) *proxies {
	return &proxies{choose: choose, tls: settings}
}

// of returns the proxy for a request to target, nil for none.
func (p *proxies) of(target *url.URL) (*conn.Proxy, error) {
	if p.choose == nil {
		return nil, nil
	}
	u, err := p.ask(target)
	if u == nil || err != nil {
		return nil, err
	}
	key := proxyKey{scheme: u.Scheme, host: u.Host, user: u.User.Username()}
	key.password, _ = u.User.Password()
	p.mu.Lock()
	defer p.mu.Unlock()
	if through := p.known[key]; through != nil {
		return through, nil
	}
	through, err := conn.ParseProxy(u, p.tls)
	if err != nil {
		return nil, &InputError{Field: "Config.Proxy", Reason: "it returned what is not a proxy's URL", Err: err, Fix: "return one like http://proxy.example:3128, or nil for none"}
	}
	if p.lenient {
		through.SetLenient()
	}
	p.keep(key, through)
	return through, nil
}

// keep puts a proxy where the next request finds it. The caller holds mu.
func (p *proxies) keep(key proxyKey, through *conn.Proxy) {
	if len(p.order) == maxProxies {
		delete(p.known, p.order[0])
		p.order = append(p.order[:0], p.order[1:]...)
	}
	if p.known == nil {
		p.known = make(map[proxyKey]*conn.Proxy)
	}
	p.known[key] = through
	p.order = append(p.order, key)
}

// ask calls the user's function.
func (p *proxies) ask(target *url.URL) (u *url.URL, err error) {
	fault := guard("Config.Proxy", func() error {
		u, err = p.choose(target)
		return nil
	})
	if fault != nil {
		return nil, &InputError{Field: "Config.Proxy", Reason: "it panicked", Err: &discreet{errors.Unwrap(fault)}, Fix: "correct it"}
	}
	if err != nil {
		return nil, &InputError{Field: "Config.Proxy", Reason: "it failed", Err: &discreet{err}}
	}
	return u, nil
}

// discreet is an error of the user's function, whose text may quote a URL: of a proxy, as
// those of url.Parse do, or of where the function asks.
type discreet struct{ err error }

func (d *discreet) Unwrap() error { return d.err }

func (d *discreet) Error() string {
	text := d.err.Error()
	if strings.Contains(text, "@") || errors.As(d.err, new(*url.Error)) { // that quotes any part of it
		return "its error is not shown, as it may hold a password"
	}
	return conn.MaskText(text)
}
