package uri

import (
	"net/url"
	"strings"
)

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

// AppendPair appends a name with its value to the query or form in dst, behind an "&"
// where that is not empty (application/x-www-form-urlencoded).
func AppendPair(dst []byte, name, value string) []byte {
	if len(dst) > 0 {
		dst = append(dst, '&')
	}
	dst = append(appendWord(dst, name), '=')
	return appendWord(dst, value)
}

// appendWord appends a name or a value; a space becomes "+".
func appendWord(dst []byte, s string) []byte {
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
