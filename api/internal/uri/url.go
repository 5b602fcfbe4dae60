package uri

import (
	"net/url"
	"strings"

	"github.com/seed53b03582/troupe/conn"
)

// URL is a URL taken apart into what a request needs of it.
type URL struct {
	Scheme string // "http" or "https"
	Host   string // what is dialled: ASCII, lower case; an IPv6 address with its zone, without brackets
	Port   string // decimal, never empty
	Rest
}

// Rest is a URL but for what is dialled, for who keeps that in another form.
type Rest struct {
	Authority string // for the Host header: brackets, no zone, no default port (RFC 9110 §7.2)
	Target    string // path and query, beginning with "/", without dot segments (RFC 9112 §3.2.1)
	more      *aside // nil for most
}

// aside is what a URL may have beside what is sent.
type aside struct {
	fragment string // with its "#"; only shown by Response.URL
	user     string // decoded; never shown
	password string // decoded; never shown
}

func (r *Rest) aside() aside {
	if r.more == nil {
		return aside{}
	}
	return *r.more
}

// UserInfo is the URL's user and password, decoded; both are empty for most.
func (r *Rest) UserInfo() (user, password string) {
	if r.more == nil {
		return "", ""
	}
	return r.more.user, r.more.password
}

// Fragment is the URL's fragment with its "#", for a URL that is shown to who gave it;
// empty for most.
func (r *Rest) Fragment() string { return r.aside().fragment }

// IsOrigin tells whether the URL has nothing but a scheme, a host and a port.
func (r *Rest) IsOrigin() bool { return r.Target == "/" && r.more == nil }

func (r *Rest) setAside(a aside) {
	r.more = nil
	if a != (aside{}) {
		kept := a // only here it is memory of the heap's
		r.more = &kept
	}
}

// String is the URL to be shown: no user info, no fragment, as that may be a secret
// too, and nothing that stands in the query under the name of one.
func (u URL) String() string { return conn.MaskURL(u.Whole()) }

// Whole is the URL as it is sent.
func (u URL) Whole() string { return u.Scheme + "://" + u.Authority + u.Target }

// Is tells whether raw is the URL as Whole gives it.
func (u URL) Is(raw string) bool {
	at := len(u.Scheme) + len("://") + len(u.Authority)
	return len(raw) == at+len(u.Target) && raw[at:] == u.Target &&
		raw[at-len(u.Authority):at] == u.Authority && strings.HasPrefix(raw, u.Scheme) &&
		raw[len(u.Scheme):at-len(u.Authority)] == "://"
}

// SameOrigin tells whether credentials for u may go to m (RFC 6454 §4).
func (u URL) SameOrigin(m URL) bool {
	return u.Scheme == m.Scheme && u.Host == m.Host && u.Port == m.Port
}

// NetURL is the URL for cookie jars and proxy functions: as url.Parse would give it, with
// the zone of an IPv6 address, without user info, default port and fragment.
func (u URL) NetURL() *url.URL {
	path, query := cutQuery(u.Target)
	n := &url.URL{Scheme: u.Scheme, Host: u.Authority, Path: unescape(path)}
	if _, zone, ok := strings.Cut(u.Host, "%"); ok {
		n.Host = strings.Replace(u.Authority, "]", "%"+zone+"]", 1)
	}
	if n.EscapedPath() != path { // net/url would write it in another way
		n.RawPath = path
	}
	if query != "" {
		n.RawQuery, n.ForceQuery = query[1:], query == "?"
	}
	return n
}

// AddQuery appends an already encoded query to the target's own.
func (r *Rest) AddQuery(encoded []byte) {
	if len(encoded) == 0 {
		return
	}
	sep := "&"
	switch i := strings.IndexByte(r.Target, '?'); {
	case i < 0:
		sep = "?"
	case i == len(r.Target)-1 || r.Target[len(r.Target)-1] == '&': // only the first "?" begins the query
		sep = ""
	}
	r.Target += sep + string(encoded)
}
