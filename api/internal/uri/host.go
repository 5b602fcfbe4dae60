package uri

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/seed53b03582/troupe/conn"
)

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

// shown is the fault as an error of this package.
func (f *hostFault) shown() error { return &Error{Reason: f.reason + f.quoted(), Fix: f.fix} }

// Host makes a host[:port] fit for a Host header: letters beyond ASCII are encoded
// (IDNA). What can't be is an *Error, and so is a zone.
func Host(s string) (string, error) {
	s, fault := asciiHost(s)
	if fault == nil {
		_, _, fault = splitHost(s)
	}
	switch {
	case fault != nil:
		return "", fault.shown()
	case strings.Contains(s, "%"):
		return "", &Error{Reason: "has a zone, which means nothing to the server (RFC 6874 §1)", Fix: "give the address without what begins with %"}
	}
	return s, nil
}

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

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-'
}
