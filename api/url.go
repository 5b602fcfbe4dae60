package api

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/seed53b03582/troupe/conn"
)

// parseURL takes a URL apart. What users paste is made valid where it can be;
// the rest is an *InputError that never shows user info.
func parseURL(raw string) (location, error) {
	if l, ok := parsePlain(raw); ok {
		return l, nil
	}
	return parseAny(raw)
}

// parsePlain is for URLs that need no change. They are most of all, and it takes
// them apart without allocating. It gives up where parseAny would have more to
// do than cut.
func parsePlain(raw string) (location, bool) {
	var l location
	const scheme = "http"
	rest, ok := strings.CutPrefix(raw, scheme)
	if !ok {
		return l, false
	}
	switch {
	case strings.HasPrefix(rest, "://"):
		l.Scheme, l.Port = raw[:len(scheme)], "80"
	case strings.HasPrefix(rest, "s://"):
		l.Scheme, l.Port = raw[:len(scheme)+1], "443"
	default:
		return l, false
	}
	rest = raw[len(l.Scheme)+len("://"):]

	n := 0
	for n < len(rest) && isHostByte(rest[n]) {
		n++
	}
	l.Host, l.authority = rest[:n], rest[:n]
	if n == 0 {
		return l, false
	}
	if n < len(rest) && rest[n] == ':' {
		end := n + 1
		for end < len(rest) && '0' <= rest[end] && rest[end] <= '9' {
			end++
		}
		port := rest[n+1 : end]
		if port == "" || port[0] == '0' || len(port) > 5 || len(port) == 5 && port > "65535" {
			return l, false
		}
		if port != l.Port {
			l.Port, l.authority = port, rest[:end]
		}
		n = end
	}

	l.target = rest[n:]
	if l.target == "" {
		l.target = "/"
		return l, true
	}
	if l.target[0] != '/' {
		return l, false
	}
	for i := range len(l.target) {
		switch c := l.target[i]; {
		case !targetByte[c]:
			return l, false
		case c == '.' && l.target[i-1] == '/' && strings.IndexByte(l.target[:i], '?') < 0: // perhaps a dot segment
			return l, false
		}
	}
	return l, true
}

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-'
}

// targetByte are the bytes that stand for themselves in path and query: pchar of
// RFC 3986 §3.3 without "%", "/", "?", and the brackets that so many servers
// take as they are.
var targetByte = func() (t [256]bool) {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" +
		"-._~!$&'()*+,;=:@/?[]"
	for i := range len(safe) {
		t[safe[i]] = true
	}
	return t
}()

// parseAny takes any URL apart, or says what is wrong with it.
func parseAny(raw string) (location, error) {
	var l location
	wrong := func(reason, fix string) (location, error) {
		return location{}, &InputError{Field: "URL", Reason: reason, Fix: fix}
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
	switch l.Scheme = strings.ToLower(scheme); l.Scheme {
	case "http":
		l.Port = "80"
	case "https":
		l.Port = "443"
	default:
		return wrong("scheme "+strconv.Quote(l.Scheme)+" is not supported", "use http or https")
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
	if fault := l.setAuthority(authority, secret); fault != nil {
		return location{}, fault
	}
	path, fragment, _ := strings.Cut(path, "#")
	hidden.setFragment(fragment)
	l.setAside(hidden)
	path, query := cutQuery(path)
	l.setTarget(path, query)
	return l, nil
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
func (l *location) setAuthority(s string, secret bool) error {
	s, err := asciiHost(s)
	var host, port string
	if err == nil {
		host, port, err = splitHost(s)
	}
	if err == nil {
		l.Host = host
		l.authority = bracket(host)
		if port != "" && port != l.Port {
			l.Port = port
			l.authority += ":" + port
		}
		return nil
	}
	if secret {
		return &InputError{Field: "URL", Reason: "the host or port is not valid", Err: err.withoutInput(),
			Fix: "if a user name or password has one of /?#@: in it, write that as %XX"}
	}
	return &InputError{Field: "URL", Reason: err.reason + err.quoted(), Fix: err.fix}
}

// hostFault is what is wrong with a host[:port].
type hostFault struct {
	reason, input, fix string
	cause              error // what IDNA says; it shows parts of the input
}

func badHost(reason, input, fix string) *hostFault {
	return &hostFault{reason: reason, input: input, fix: fix}
}

// quoted is the input, and what IDNA says, as they may be shown.
func (f *hostFault) quoted() string {
	if strings.Contains(f.input, "@") { // user info where none is expected
		return ""
	}
	s := ""
	if f.input != "" {
		s = ": " + strconv.Quote(f.input)
	}
	if f.cause != nil {
		s += " (" + f.cause.Error() + ")"
	}
	return conn.MaskText(s)
}

func (f *hostFault) withoutInput() error { return plainError(f.reason) }

// plainError is a constant text as an error.
type plainError string

func (e plainError) Error() string { return string(e) }

// asciiHost puts the host of host[:port] into its ASCII form where it has letters
// beyond ASCII: mapped by UTS #46 (case, width, full-width dots), then Punycode, as
// browsers do. A host that is ASCII already goes as it is, its "xn--" labels
// unchecked: whether such a name exists, the name servers know.
func asciiHost(s string) (string, *hostFault) {
	host, port := s, ""
	if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i:]
	}
	if isASCII(host) || host[0] == '[' {
		return s, nil
	}
	if !utf8.ValidString(host) { // IDNA would take each wrong byte for a letter
		return "", badHost("the host is not UTF-8", host, "correct it, or give its ASCII form (xn--…)")
	}
	// The profile's STD3 rules matter: without them "℀" becomes "a/c".
	name, err := idna.Lookup.ToASCII(host)
	if err != nil {
		fault := badHost("the host is no name that IDNA allows (UTS #46)", host, "correct it, or give its ASCII form (xn--…)")
		fault.cause = err
		return "", fault
	}
	return name + port, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// splitHost takes host[:port] apart: the host in lower case, an IPv6 literal
// without brackets in its shortest form; the port decimal without zeros in front,
// or empty where none is given.
func splitHost(s string) (host, port string, fault *hostFault) {
	if strings.HasPrefix(s, "[") {
		return splitIPv6(s)
	}
	host, port, hasPort := strings.Cut(s, ":")
	switch {
	case strings.Count(s, ":") > 1:
		return "", "", badHost("the host has too many colons", s, "put an IPv6 address in brackets: [::1]")
	case host == "":
		return "", "", badHost("has no host", "", "write http://host/path")
	}
	for i := range len(host) {
		if fault := hostByteFault(host, i); fault != nil {
			return "", "", fault
		}
	}
	if hasPort {
		port, fault = portNumber(port)
	}
	return strings.ToLower(host), port, fault
}

func hostByteFault(host string, i int) *hostFault {
	switch c := host[i]; {
	case isHostByte(c), 'A' <= c && c <= 'Z', c == '_':
		return nil
	case c >= 0x80:
		return badHost("the host has letters beyond ASCII", host, "give its ASCII form (xn--…)")
	case c == '\\':
		return badHost("the host has a backslash", host, `write "/" between host and path`)
	case c == ' ':
		return badHost("the host has a space", host, "take it out")
	}
	return badHost("the host has a character that is not allowed", host, "use letters, digits, '.', '-' and '_'")
}

// splitIPv6 takes [address]:port apart. A zone may follow a "%25" (RFC 6874) or,
// as people write it, a bare "%".
func splitIPv6(s string) (host, port string, fault *hostFault) {
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return "", "", badHost("the bracket before an IPv6 address is not closed", s, "write [::1] or [::1]:8080")
	}
	literal := s[1:end]
	if address, zone, ok := strings.Cut(literal, "%"); ok {
		zone = unescape(strings.TrimPrefix(zone, "25"))
		if zone == "" || strings.ContainsFunc(zone, notInZone) {
			return "", "", badHost("the zone of the IPv6 address is not valid", literal, "write it as in [fe80::1%25eth0]")
		}
		literal = address + "%" + zone
	}
	address, err := netip.ParseAddr(literal)
	if err != nil || !address.Is6() {
		return "", "", badHost("not an IPv6 address between the brackets", s[1:end], "write one as in [::1]")
	}
	switch rest := s[end+1:]; {
	case rest == "":
	case rest[0] == ':':
		port, fault = portNumber(rest[1:])
	default:
		fault = badHost("something follows the IPv6 address", rest, "write [::1] or [::1]:8080")
	}
	return address.String(), port, fault
}

// notInZone keeps to what interfaces are called: unreserved of RFC 3986 §2.3.
func notInZone(r rune) bool {
	return r >= 0x80 || !isHostByte(byte(r)) && (r < 'A' || 'Z' < r) && r != '_' && r != '~'
}

// portNumber accepts 1 to 65535, and nothing at all, which means the default
// (RFC 3986 §3.2.3).
func portNumber(s string) (string, *hostFault) {
	if s == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(s, 10, 16) // takes no sign
	if err != nil || n == 0 {
		return "", badHost("the port is not a number from 1 to 65535", s, "correct it or leave it out")
	}
	return strconv.FormatUint(n, 10), nil
}

// bracket is a host as it stands in a Host header: an IPv6 address in brackets
// and without its zone, which means nothing to the other side (RFC 6874 §1).
func bracket(host string) string {
	if !strings.Contains(host, ":") {
		return host
	}
	host, _, _ = strings.Cut(host, "%")
	return "[" + host + "]"
}

const upperHex = "0123456789ABCDEF"

// escape makes path, query or fragment valid: what may not stand there becomes
// %XX, a %XX stays, any other "%" becomes %25.
func escape(s string) string {
	n := 0
	for n < len(s) && targetByte[s[n]] {
		n++
	}
	if n == len(s) {
		return s
	}
	out := append(make([]byte, 0, len(s)+16), s[:n]...)
	for i := n; i < len(s); i++ {
		c := s[i]
		if targetByte[c] || c == '%' && isHexPair(s[i+1:]) {
			out = append(out, c)
		} else {
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(out)
}

func isHexPair(s string) bool {
	return len(s) >= 2 && isHex(s[0]) && isHex(s[1])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// unescape resolves each %XX and leaves any other "%" as it is.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && isHexPair(s[i+1:]) {
			one, _ := url.PathUnescape(s[i : i+3]) // can't fail: it is a pair
			b.WriteString(one)
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// addQuery appends an already encoded query to the target's own.
func (l *location) addQuery(encoded []byte) {
	if len(encoded) == 0 {
		return
	}
	sep := "&"
	switch i := strings.IndexByte(l.target, '?'); {
	case i < 0:
		sep = "?"
	case i == len(l.target)-1 || l.target[len(l.target)-1] == '&': // only the first "?" begins the query
		sep = ""
	}
	l.target += sep + string(encoded)
}

// appendQuery appends s as a name or value of a query or a form
// (application/x-www-form-urlencoded: a space becomes "+").
func appendQuery(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}
