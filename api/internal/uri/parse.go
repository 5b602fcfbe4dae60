package uri

import (
	"errors"
	"strconv"
	"strings"
)

// Parse takes a URL apart. What users paste is made valid where it can be;
// the rest is an *Error that never shows user info.
func Parse(raw string) (URL, error) {
	if u, ok := parsePlain(raw); ok {
		return u, nil
	}
	return parseAny(raw)
}

// parsePlain is for URLs that need no change. They are most of all, and it takes
// them apart without allocating. It gives up where parseAny would have more to
// do than cut.
func parsePlain(raw string) (URL, bool) {
	var u URL
	const scheme = "http"
	rest, ok := strings.CutPrefix(raw, scheme)
	if !ok {
		return u, false
	}
	switch {
	case strings.HasPrefix(rest, "://"):
		u.Scheme, u.Port = raw[:len(scheme)], "80"
	case strings.HasPrefix(rest, "s://"):
		u.Scheme, u.Port = raw[:len(scheme)+1], "443"
	default:
		return u, false
	}
	rest = raw[len(u.Scheme)+len("://"):]

	n := 0
	for n < len(rest) && isHostByte(rest[n]) {
		n++
	}
	u.Host, u.Authority = rest[:n], rest[:n]
	if n == 0 {
		return u, false
	}
	if n < len(rest) && rest[n] == ':' {
		end := n + 1
		for end < len(rest) && '0' <= rest[end] && rest[end] <= '9' {
			end++
		}
		port := rest[n+1 : end]
		if port == "" || port[0] == '0' || len(port) > 5 || len(port) == 5 && port > "65535" {
			return u, false
		}
		if port != u.Port {
			u.Port, u.Authority = port, rest[:end]
		}
		n = end
	}

	u.Target = rest[n:]
	if u.Target == "" {
		u.Target = "/"
		return u, true
	}
	if u.Target[0] != '/' {
		return u, false
	}
	for i := range len(u.Target) {
		switch c := u.Target[i]; {
		case !targetByte[c]:
			return u, false
		case c == '.' && u.Target[i-1] == '/' && strings.IndexByte(u.Target[:i], '?') < 0: // perhaps a dot segment
			return u, false
		}
	}
	return u, true
}

// parseAny takes any URL apart, or says what is wrong with it.
func parseAny(raw string) (URL, error) {
	var u URL
	wrong := func(reason, fix string) (URL, error) {
		return URL{}, &Error{Reason: reason, Fix: fix}
	}
	raw = strings.Trim(raw, " ")
	if raw == "" {
		return wrong("is empty", "give one like http://example.com/path")
	}
	if i := controlByte(raw); i >= 0 {
		return wrong("has a control character at byte "+strconv.Itoa(i), "take it out, or write it as %XX")
	}

	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !isScheme(scheme) {
		return wrong("has no scheme and :// in front", "begin it with http:// or https://")
	}
	switch u.Scheme = strings.ToLower(scheme); u.Scheme {
	case "http":
		u.Port = "80"
	case "https":
		u.Port = "443"
	default:
		return wrong("scheme "+strconv.Quote(u.Scheme)+" is not supported", "use http or https")
	}

	var hidden aside
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	// With an "@" anywhere, what looks like the host may be part of a password
	// with a "/" in it: then nothing of it is quoted.
	secret := strings.Contains(rest, "@")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, password, _ := strings.Cut(authority[:i], ":")
		hidden.user, hidden.password = unescape(user), unescape(password)
		authority = authority[i+1:]
	}
	if fault := u.setAuthority(authority, secret); fault != nil {
		return URL{}, fault
	}
	path, fragment, _ := strings.Cut(path, "#")
	hidden.setFragment(fragment)
	u.setAside(hidden)
	path, query := cutQuery(path)
	u.setTarget(path, query)
	return u, nil
}

// isScheme follows RFC 3986 §3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if ('a' > c || c > 'z') && (i == 0 || (s[i] < '0' || s[i] > '9') && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return s != ""
}

// setAuthority sets Host, Port and authority from host[:port]. Port holds the
// scheme's default. secret forbids to quote the input.
func (u *URL) setAuthority(s string, secret bool) error {
	s, err := asciiHost(s)
	var host, port string
	if err == nil {
		host, port, err = splitHost(s)
	}
	if err == nil {
		u.Host = host
		u.Authority = bracket(host)
		if port != "" && port != u.Port {
			u.Port = port
			u.Authority += ":" + port
		}
		return nil
	}
	if secret {
		return &Error{Reason: "the host or port is not valid", Err: errors.New(err.reason),
			Fix: "if a user name or password has one of /?#@: in it, write that as %XX"}
	}
	return err.shown()
}
