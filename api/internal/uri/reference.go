package uri

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Resolve is where a Location header sends the request for u (RFC 9110 §10.2.2,
// RFC 3986 §5.2). The reference is made valid as a user's URL is; what can't be
// is an error that never shows user info.
//
// The fragment and, within the origin, the user info of u are inherited where
// the reference has none.
func (u URL) Resolve(ref string) (URL, error) {
	ref = strings.Trim(ref, " ")
	if i := controlByte(ref); i >= 0 {
		return URL{}, badLocation("has a control character at byte " + strconv.Itoa(i))
	}
	var m URL
	var err error
	switch scheme, rest, ok := cutScheme(ref); {
	case ok:
		m, err = absolute(scheme, rest, ref)
	case strings.HasPrefix(ref, "//"):
		m, err = absolute(u.Scheme, ref, u.Scheme+":"+ref)
	default:
		m = u.within(ref)
	}
	if err != nil {
		return URL{}, err
	}
	u.inherit(&m, strings.Contains(ref, "#"))
	return m, nil
}

func badLocation(reason string) error {
	return errors.New("the Location header can't be followed: it " + reason)
}

// cutScheme cuts at the colon behind a scheme. A colon further on belongs to
// what it stands in (RFC 3986 §4.2).
func cutScheme(ref string) (scheme, rest string, ok bool) {
	if i := strings.IndexAny(ref, ":/?#"); i > 0 && ref[i] == ':' && isScheme(ref[:i]) {
		return ref[:i], ref[i+1:], true
	}
	return "", ref, false
}

// absolute takes a reference with a host apart. One with a scheme and no host,
// like http:g or http:/g, clients read in different ways: it is to be refused
// (RFC 9110 §4.2.1).
func absolute(scheme, rest, raw string) (URL, error) {
	switch {
	case !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https"):
		return URL{}, badLocation("has the scheme " + strconv.Quote(strings.ToLower(scheme)) + "; only http and https are supported")
	case !strings.HasPrefix(rest, "//"):
		return URL{}, badLocation("has a scheme but no host")
	}
	m, err := Parse(raw)
	if err == nil {
		return m, nil
	}
	var fault *Error
	if errors.As(err, &fault) { // it always is one; its Fix is not for who gets the answer
		return URL{}, badLocation("has a URL that is not valid: " + fault.Reason)
	}
	return URL{}, err
}

// within resolves a reference without a host (RFC 3986 §5.2.2 and §5.2.3).
func (u URL) within(ref string) URL {
	m := u
	ref, fragment, _ := strings.Cut(ref, "#")
	hidden := aside{}
	hidden.setFragment(fragment)
	m.setAside(hidden)
	path, query := cutQuery(ref)
	base, baseQuery := cutQuery(u.Target)
	switch {
	case path == "" && query == "":
		query = baseQuery
		fallthrough
	case path == "":
		path = base
	case path[0] != '/':
		path = base[:strings.LastIndexByte(base, '/')+1] + path
	}
	m.setTarget(path, query)
	return m
}

// inherit gives m what a redirect from u keeps.
func (u URL) inherit(m *URL, hasFragment bool) {
	// A server makes the Location of the Host header, where the zone of a
	// link-local address is not sent. Without it that can't be dialled.
	if !strings.Contains(m.Host, "%") && bracket(m.Host) == bracket(u.Host) {
		m.Host = u.Host
	}
	from, to := u.aside(), m.aside()
	if to.user == "" && to.password == "" && u.SameOrigin(*m) {
		to.user, to.password = from.user, from.password
	}
	if !hasFragment {
		to.fragment = from.fragment
	}
	m.setAside(to)
}

// controlByte is where the first control character is, or -1.
func controlByte(s string) int {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return i
		}
	}
	return -1
}

// cutQuery is strings.Cut at the first "?", which stays with the query: a query
// that is empty is another one than none (RFC 3986 §6.2.3).
func cutQuery(s string) (path, query string) {
	if i := strings.IndexByte(s, '?'); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// setTarget makes path and query valid. The path is empty or begins with "/".
func (r *Rest) setTarget(path, query string) {
	if path == "" {
		path = "/"
	}
	r.Target = removeDots(escape(path)) + escape(query)
}

func (a *aside) setFragment(fragment string) {
	a.fragment = ""
	if fragment != "" {
		a.fragment = "#" + escape(fragment)
	}
}

// removeDots takes the dot segments out of a path that begins with "/" (RFC 3986
// §5.2.4). A "%2e" counts as a dot, since it means the same (RFC 3986 §6.2.2.2)
// and the server would find it so: what it sees is then what was checked here.
func removeDots(path string) string {
	if !strings.Contains(path, "/.") && !strings.Contains(path, "/%2") {
		return path
	}
	out := make([]byte, 0, len(path))
	for more := true; more; {
		var segment string
		segment, path, more = nextSegment(path)
		dots := countDots(segment)
		if dots == 2 {
			out = out[:max(0, bytes.LastIndexByte(out, '/'))]
		}
		switch {
		case dots != 1 && dots != 2:
			out = append(append(out, '/'), segment...)
		case !more: // what it points to is a directory
			out = append(out, '/')
		}
	}
	return string(out)
}

// nextSegment cuts off the "/" in front and what stands between it and the next.
func nextSegment(path string) (segment, rest string, more bool) {
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:], true
	}
	return path, "", false
}

// countDots is the number of dots a segment consists of, 0 if there is anything else.
func countDots(segment string) int {
	n := 0
	for ; segment != ""; n++ {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case len(segment) >= 3 && strings.EqualFold(segment[:3], "%2e"):
			segment = segment[3:]
		default:
			return 0
		}
	}
	return n
}
