package http1

// class tells in one look what a byte may be part of.
var class = classes()

const (
	isToken  = 1 << iota // RFC 9110 §5.6.2
	isValue              // field value, reason phrase, chunk extension: VCHAR, obs-text, SP, HTAB (RFC 9110 §5.5)
	isTarget             // visible ASCII
)

func classes() (t [256]uint8) {
	for c := range t {
		switch {
		case c > 0x20 && c < 0x7f:
			t[c] = isValue | isTarget
		case c == ' ', c == '\t', c >= 0x80:
			t[c] = isValue
		}
	}
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i := range len(token) {
		t[token[i]] |= isToken
	}
	return t
}

// only reports whether every byte of s is of the class.
func only(s string, want uint8) bool { return prefix(s, want) == len(s) }

// prefix is how many bytes s begins with that are of the class.
func prefix(s string, want uint8) int {
	for i := range len(s) {
		if class[s[i]]&want == 0 {
			return i
		}
	}
	return len(s)
}

// isOWS reports whether c is optional whitespace (RFC 9110 §5.6.3).
func isOWS(c byte) bool { return c == ' ' || c == '\t' }

// trimOWS moves from and to inwards over the whitespace at both ends of b[from:to].
func trimOWS(b []byte, from, to int) (int, int) {
	for from < to && isOWS(b[from]) {
		from++
	}
	for to > from && isOWS(b[to-1]) {
		to--
	}
	return from, to
}

// fold reports whether b and s are alike but for the case of ASCII letters. Unlike bytes.EqualFold it
// never takes a letter beyond ASCII (the Kelvin sign) for one within.
func fold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		d := s[i]
		if c == d {
			continue
		}
		if l := c | 0x20; l != d|0x20 || l < 'a' || l > 'z' {
			return false
		}
	}
	return true
}
