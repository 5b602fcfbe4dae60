package api

import (
	"net/url"
	"strings"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/conn"
)

// location is a URL taken apart into what a request needs of it.
type location struct {
	// Origin is what is dialled; its TLS and Proxy are the request's to set. The Host
	// is ASCII; an IPv6 address has its zone.
	actors.Origin
	authority string // for the Host header: brackets, no zone, no default port (RFC 9110 §7.2)
	target    string // path and query, beginning with "/", without dot segments (RFC 9112 §3.2.1)
	more      *aside // nil for most
}

// aside is what a URL may have beside what is sent.
type aside struct {
	fragment string // with its "#"; only shown by Response.URL
	user     string // decoded; never shown
	password string // decoded; never shown
}

func (l *location) aside() aside {
	if l.more == nil {
		return aside{}
	}
	return *l.more
}

func (l *location) setAside(a aside) {
	l.more = nil
	if a != (aside{}) {
		kept := a // only here it is memory of the heap's
		l.more = &kept
	}
}

// String is the URL to be shown: no user info, no fragment, as that may be a secret
// too, and nothing that stands in the query under the name of one.
func (l *location) String() string { return conn.MaskURL(l.whole()) }

// whole is the URL as it is sent.
func (l *location) whole() string { return l.Scheme + "://" + l.authority + l.target }

// is tells whether raw is the URL as whole gives it.
func (l *location) is(raw string) bool {
	at := len(l.Scheme) + len("://") + len(l.authority)
	return len(raw) == at+len(l.target) && raw[at:] == l.target &&
		raw[at-len(l.authority):at] == l.authority && strings.HasPrefix(raw, l.Scheme) &&
		raw[len(l.Scheme):at-len(l.authority)] == "://"
}

// sameOrigin tells whether credentials for l may go to m (RFC 6454 §4).
func (l *location) sameOrigin(m *location) bool {
	return l.Scheme == m.Scheme && l.Host == m.Host && l.Port == m.Port
}

// url is l for cookie jars and proxy functions: as url.Parse would give it, with
// the zone of an IPv6 address, without user info, default port and fragment.
func (l *location) url() *url.URL {
	path, query := cutQuery(l.target)
	u := &url.URL{Scheme: l.Scheme, Host: l.authority, Path: unescape(path)}
	if _, zone, ok := strings.Cut(l.Host, "%"); ok {
		u.Host = strings.Replace(l.authority, "]", "%"+zone+"]", 1)
	}
	if u.EscapedPath() != path { // net/url would write it in another way
		u.RawPath = path
	}
	if query != "" {
		u.RawQuery, u.ForceQuery = query[1:], query == "?"
	}
	return u
}
