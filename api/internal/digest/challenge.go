package digest

import (
	"strings"

	"github.com/seed53b03582/troupe/conn/http1"
)

// What is read of an answer's challenges. Servers offer a handful of schemes with
// up to eight parameters (RFC 7616 §3.3); what goes beyond is left out.
const (
	maxChallenges      = 32
	maxChallengeParams = 32
)

// challenge is one way to authenticate that a server offers (RFC 9110 §11.3).
type challenge struct {
	scheme  string // as the server wrote it; its case means nothing
	token68 string // what some schemes have instead of parameters
	params  []challengeParam
}

type challengeParam struct{ name, value string }

// param finds a parameter, whatever the case of its name. A name may occur only
// once (RFC 9110 §11.2); of several the first counts.
func (c *challenge) param(name string) (value string, ok bool) {
	for _, p := range c.params {
		if strings.EqualFold(p.name, name) {
			return p.value, true
		}
	}
	return "", false
}

// parseChallenges reads the values of WWW-Authenticate or Proxy-Authenticate, in
// their order. It never fails: what it can't read it skips, to the next comma.
// The strings it returns may be parts of the values.
//
// Commas stand between challenges and between their parameters alike (RFC 9110
// §11.6.1). So a name before "=" is a parameter of the challenge last begun,
// which may have been on a line before (§5.3), and any other begins the next.
func parseChallenges(values []string) []challenge {
	var p challengeParser
	for _, v := range values {
		for p.rest = v; p.rest != ""; p.skipElement() {
			p.rest = strings.TrimLeft(p.rest, ", \t") // empty elements mean nothing (§5.6.1)
			p.element()
		}
		if p.full {
			break
		}
	}
	return p.found
}

// parseAuthParams reads the values of Authentication-Info, which has parameters alone (RFC
// 7615 §3), as those of one challenge without a scheme.
func parseAuthParams(values []string) *challenge {
	p := challengeParser{found: []challenge{{}}}
	for _, v := range values {
		for p.rest = v; p.rest != ""; p.skipElement() {
			p.rest = strings.TrimLeft(p.rest, ", \t")
			p.element()
		}
	}
	return &p.found[0]
}

type challengeParser struct {
	rest  string // of the value
	found []challenge
	full  bool // there are more challenges than are read
}

// element reads what stands between two commas: a scheme, a parameter, or a
// scheme with its first. Several parameters there, with the commas forgotten, do
// no harm. A scheme begins only at a comma, or an unquoted value with a space
// would be taken for one.
func (p *challengeParser) element() {
	name := p.token()
	if name == "" {
		return
	}
	if !p.equals() {
		if !p.begin(name) || p.token68() {
			return
		}
		if name = p.token(); name == "" || !p.equals() {
			return
		}
	}
	for p.value(name) {
		if name = p.token(); name == "" || !p.equals() {
			return
		}
	}
}

// token takes a token (RFC 9110 §5.6.2) and the space before it.
func (p *challengeParser) token() string {
	s := strings.TrimLeft(p.rest, " \t")
	n := 0
	for n < len(s) && http1.ValidFieldName(s[n:n+1]) {
		n++
	}
	p.rest = s[n:]
	return s[:n]
}

// equals takes an "=" and the space that may stand around it (RFC 9110 §5.6.3).
func (p *challengeParser) equals() bool {
	s, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " \t"), "=")
	if ok {
		p.rest = strings.TrimLeft(s, " \t")
	}
	return ok
}

// begin starts a challenge, unless the name is only the beginning of something
// unreadable.
func (p *challengeParser) begin(scheme string) bool {
	if p.rest != "" && !strings.ContainsRune(", \t", rune(p.rest[0])) {
		return false
	}
	if len(p.found) == maxChallenges {
		p.full, p.rest = true, ""
		return false
	}
	p.found = append(p.found, challenge{scheme: scheme})
	return true
}

// token68 takes one, if that is all there is before the next comma: it may end
// like a parameter's name and its "=" (RFC 9110 §11.2).
func (p *challengeParser) token68() bool {
	s := strings.TrimLeft(p.rest, " \t")
	rest := strings.TrimLeft(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")
	if len(rest) == len(s) {
		return false
	}
	rest = strings.TrimLeft(rest, "=")
	if after := strings.TrimLeft(rest, " \t"); after != "" && after[0] != ',' {
		return false
	}
	p.found[len(p.found)-1].token68 = s[:len(s)-len(rest)]
	p.rest = rest
	return true
}

// value takes a parameter's value. One without quotes should be a token; some
// servers leave them out around a nonce in base64, too.
func (p *challengeParser) value(name string) bool {
	var value string
	if strings.HasPrefix(p.rest, `"`) {
		var ok bool
		if value, ok = p.quoted(); !ok {
			return false
		}
	} else {
		n := strings.IndexAny(p.rest, ", \t\"")
		if n < 0 {
			n = len(p.rest)
		}
		value, p.rest = p.rest[:n], p.rest[n:]
	}
	if len(p.found) == 0 { // nobody's parameter
		return true
	}
	if c := &p.found[len(p.found)-1]; len(c.params) < maxChallengeParams {
		c.params = append(c.params, challengeParam{name, value})
	}
	return true
}

// quoted takes a quoted string and resolves its escapes (RFC 9110 §5.6.4). One
// that does not end takes all the rest with it.
func (p *challengeParser) quoted() (value string, ok bool) {
	s := p.rest[1:]
	p.rest = ""
	var b strings.Builder
	for {
		n := strings.IndexAny(s, `"\`)
		if n < 0 || s[n] == '\\' && n+1 == len(s) {
			return "", false
		}
		if s[n] == '"' {
			p.rest = s[n+1:]
			if b.Len() == 0 { // as in almost all
				return s[:n], true
			}
			b.WriteString(s[:n])
			return b.String(), true
		}
		b.WriteString(s[:n])
		b.WriteByte(s[n+1])
		s = s[n+2:]
	}
}

// skipElement leaves out what nobody could read, to the next comma that is not
// part of a quoted string.
func (p *challengeParser) skipElement() {
	for p.rest != "" && p.rest[0] != ',' {
		if p.rest[0] == '"' {
			p.quoted()
		} else {
			p.rest = p.rest[1:]
		}
	}
}
