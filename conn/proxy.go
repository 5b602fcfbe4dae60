package conn

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed53b03582/troupe/conn/http1"
)

// Proxy is where connections go through. In use it never changes; its identity is part
// of an origin's key. A nil one is none.
type Proxy struct {
	scheme   string // one of proxyPorts
	address  string // host:port to dial
	user     string
	password string
	tls      *tls.Config // for https only
	lenient  bool        // its own answers are read so
}

// proxyPorts are the schemes of proxies and their ports where the URL has none
// (for SOCKS the one of RFC 1928 §3). Both forms of SOCKS leave the name lookup to
// the proxy: what the origin's key holds is the name.
var proxyPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// ParseProxy makes a Proxy of scheme://[user[:password]@]host[:port]; the rest of
// the URL means nothing. https is TLS to the proxy, with settings, which may be
// nil; the name to verify is the proxy's host unless they have one. An error never
// shows user or password.
func ParseProxy(u *url.URL, settings *tls.Config) (*Proxy, error) {
	if u == nil {
		return nil, errors.New("the proxy's URL is nil")
	}
	p := &Proxy{scheme: strings.ToLower(u.Scheme)}
	port, known := proxyPorts[p.scheme]
	switch {
	case u.Scheme == "" || u.Opaque != "":
		return nil, errors.New("the proxy's URL has no scheme and :// in front: begin it with http://, https:// or socks5://")
	case !known:
		return nil, fmt.Errorf("the proxy's scheme %.20q is not supported: use http, https, socks5 or socks5h", p.scheme)
	}
	host, zone, zoned := strings.Cut(u.Hostname(), "%")
	if host = strings.ToLower(host); zoned {
		host += "%" + zone // as the interface is called
	}
	if err := checkProxyHost(host); err != nil {
		return nil, err
	}
	if given := u.Port(); given != "" {
		n, err := strconv.ParseUint(given, 10, 16) // takes no sign
		if err != nil || n == 0 {
			return nil, errors.New("the proxy's port is not a number from 1 to 65535")
		}
		port = strconv.FormatUint(n, 10)
	}
	p.address = net.JoinHostPort(host, port)
	if u.User != nil {
		p.user = u.User.Username()
		p.password, _ = u.User.Password()
	}
	if err := p.checkUser(); err != nil {
		return nil, err
	}
	if p.scheme == "https" {
		if settings == nil {
			settings = &tls.Config{}
		}
		p.tls = TLSConfig(settings, host)
	}
	return p, nil
}

// SetLenient has the proxy's own answers read leniently (http1.Limits). It is called before
// the proxy is used.
func (p *Proxy) SetLenient() { p.lenient = true }

// checkProxyHost takes names and IP addresses. It quotes nothing: in a URL put
// together by hand the host may hold a password.
func checkProxyHost(host string) error {
	if host == "" {
		return errors.New("the proxy's URL has no host")
	}
	if strings.Contains(host, ":") {
		if ip, err := netip.ParseAddr(host); err != nil || !http1.ValidTarget(ip.Zone()+"-") {
			return errors.New("the proxy's host is not valid: write an IPv6 address as in [::1]:3128")
		}
		return nil
	}
	for i := range len(host) {
		c := host[i]
		if ('a' > c || c > 'z') && ('0' > c || c > '9') && c != '.' && c != '-' && c != '_' {
			return errors.New("the proxy's host has a character that is not allowed: use letters, digits, '.', '-' and '_' (for other letters, the xn-- form)")
		}
	}
	return nil
}

// checkUser refuses what the proxy's protocol can't carry.
func (p *Proxy) checkUser() error {
	const most = 255 // RFC 1929 §2
	switch {
	case p.socks() && (len(p.user) > most || len(p.password) > most):
		return errors.New("the proxy's user or password is longer than the 255 bytes that SOCKS5 can carry (RFC 1929 §2)")
	case p.socks() && p.user == "" && p.password != "":
		return errors.New("the proxy's password has no user, which SOCKS5 asks for (RFC 1929 §2)")
	case !p.socks() && strings.Contains(p.user, ":"):
		return errors.New("the proxy's user has a colon, which Basic authentication can't carry (RFC 7617 §2)")
	case !http1.ValidFieldValue(p.user) || !http1.ValidFieldValue(p.password):
		return errors.New("the proxy's user or password has a control character (RFC 7617 §2)")
	}
	return nil
}

// String is scheme://host:port, without user and password.
func (p *Proxy) String() string {
	if p == nil {
		return ""
	}
	return p.scheme + "://" + p.address
}

// GoString is String, for %#v.
func (p *Proxy) GoString() string { return p.String() }

func (p *Proxy) socks() bool { return p.scheme == "socks5" || p.scheme == "socks5h" }

// Forwards tells whether requests of that scheme go to the proxy itself, in
// absolute form (RFC 9112 §3.2.2) and with Authorization's value, rather than
// through a tunnel: http through an HTTP proxy.
func (p *Proxy) Forwards(scheme string) bool {
	return p != nil && scheme == "http" && !p.socks()
}

// Authorization is the value for Proxy-Authorization (RFC 7617), empty where the
// proxy has no user or is not an HTTP proxy.
func (p *Proxy) Authorization() string {
	if p == nil || p.socks() || p.user == "" && p.password == "" {
		return ""
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password))
}

// ProxyError tells that a connection through a proxy failed at or before the
// proxy, or that the proxy would not open one. It comes inside an *Error of OpDial.
type ProxyError struct {
	Proxy  string // scheme://host:port
	Phase  string // what was under way: "connecting", "TLS handshake", "CONNECT host:port" or "SOCKS5 host:port"
	Status int    // of the answer to CONNECT, 0 where there is none
	Reason string // that answer's reason phrase
	Fix    string // what to do; may be empty
	Err    error  // the cause; nil where Status is it
}

// Error tells which proxy, what was under way, what happened and what to do.
func (e *ProxyError) Error() string {
	s := "proxy " + e.Proxy + ": " + e.Phase
	if e.Status != 0 {
		s += ": the proxy answered " + strconv.Itoa(e.Status)
		if e.Reason != "" {
			s += " " + e.Reason
		}
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Fix != "" {
		s += "; " + e.Fix
	}
	return s
}

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }
