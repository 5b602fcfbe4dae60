package digest

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// User is who a call authenticates as.
type User struct{ Name, Password string }

// Check tells what of u can't be sent, and what to do about it; reason is empty where all of it
// can. Any bytes else may be in a password, which is hashed as it is given: no normalization
// (RFC 7616 §4).
func (u User) Check() (reason, fix string) {
	switch {
	case hasControl(u.Name) || hasControl(u.Password):
		return "user or password has a control character", "take it out"
	case !utf8.ValidString(u.Name):
		return "the user is not valid UTF-8 (RFC 7616 §4)", "convert it"
	}
	return "", ""
}

// hasControl looks for the control characters of ASCII, HTAB among them: it may
// stand in a header, but nobody means it.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// authorization is the answer of RFC 7616 §3.4. What is quoted there and what is
// not is as it says, for there are servers that mind.
func (n *serverNonce) authorization(u User, count uint32, method, target string) string {
	nc := fmt.Sprintf("%08x", count)
	secret := n.sum(u.Name, n.realm, u.Password) // §3.4.2
	if n.session {
		secret = n.sum(secret, n.keyNonce, n.cnonce)
	}
	request := n.sum(method, target) // §3.4.3
	var response string
	if n.qop {
		response = n.sum(secret, n.nonce, nc, n.cnonce, "auth", request)
	} else {
		response = n.sum(secret, n.nonce, request) // RFC 2617 §3.2.2.1
	}

	b := n.appendUser(append(make([]byte, 0, 512), "Digest "...), u.Name)
	b = appendQuotedParam(b, ", realm=", n.realm)
	b = appendQuotedParam(b, ", uri=", target)
	if n.algorithm != "" {
		b = append(append(b, ", algorithm="...), n.algorithm...)
	}
	b = appendQuotedParam(b, ", nonce=", n.nonce)
	if n.qop {
		b = append(append(b, ", nc="...), nc...)
	}
	if n.qop || n.session { // without it nobody could make the key of a -sess
		b = appendQuotedParam(b, ", cnonce=", n.cnonce)
	}
	if n.qop {
		b = append(b, ", qop=auth"...)
	}
	b = appendQuotedParam(b, ", response=", response)
	if n.opaque != nil {
		b = appendQuotedParam(b, ", opaque=", *n.opaque)
	}
	if n.userhash {
		b = append(b, ", userhash=true"...)
	}
	return string(b)
}

// appendUser names the user: hashed where the server wants that (RFC 7616 §3.4.4),
// or as it is. Names beyond ASCII go as username* (§3.4), but to servers that only
// know RFC 2617 as bare UTF-8, as curl and browsers do.
func (n *serverNonce) appendUser(dst []byte, user string) []byte {
	beyond := strings.ContainsFunc(user, func(r rune) bool { return r >= utf8.RuneSelf })
	switch {
	case n.userhash:
		return appendQuotedParam(dst, "username=", n.sum(user, n.realm))
	case beyond && n.modern:
		return appendExtended(append(dst, "username*=UTF-8''"...), user)
	}
	return appendQuotedParam(dst, "username=", user)
}

// sum hashes the parts with colons between them, and writes that as hex.
func (n *serverNonce) sum(parts ...string) string {
	h := n.hash()
	for i, part := range parts {
		if i > 0 {
			io.WriteString(h, ":")
		}
		io.WriteString(h, part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// appendQuotedParam appends a name and a quoted string (RFC 9110 §5.6.4).
func appendQuotedParam(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), '"')
	for i := range len(value) {
		if value[i] == '"' || value[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, value[i])
	}
	return append(dst, '"')
}

const upperHex = "0123456789ABCDEF"

// appendExtended percent-encodes a value as RFC 8187 §3.2.1 has it.
func appendExtended(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', strings.IndexByte("!#$&+-.^_`|~", c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}
