package digest

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// verifier verifies what a client sends, by RFC 7616 §3.4 and written apart
// from the client.
type verifier struct {
	algorithm, qop  string // as in the challenge, with their quotes; empty: not there
	userhash        bool
	charset, opaque bool
	realm, nonce    string
	keyNonce        string // of the challenge, where another nonce has followed
}

func (s *verifier) challenge() string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	c := fmt.Sprintf(`Digest realm="%s", nonce="%s"`, escape.Replace(s.realm), escape.Replace(s.nonce))
	add := func(given bool, param string) {
		if given {
			c += ", " + param
		}
	}
	add(s.algorithm != "", "algorithm="+s.algorithm)
	add(s.qop != "", "qop="+s.qop)
	add(s.userhash, "userhash=true")
	add(s.charset, "charset=UTF-8")
	add(s.opaque, `opaque="o\"\\"`)
	return c
}

var sentParam = regexp.MustCompile(`^([a-z]+\*?)=(?:"((?:[^"\\]|\\.)*)"|([^", ]+))(?:, |$)`)

// verify returns a complaint, or nothing, and the nonce count.
func (s *verifier) verify(value, method, target, user, password string) (fault, nc string) {
	rest, ok := strings.CutPrefix(value, "Digest ")
	if !ok {
		return "not Digest", ""
	}
	p := map[string]string{}
	for rest != "" {
		m := sentParam.FindStringSubmatch(rest)
		if m == nil {
			return "can't read " + rest, ""
		}
		name, bare := m[1], m[3] != ""
		if _, twice := p[name]; twice {
			return "twice: " + name, ""
		}
		if slices.Contains([]string{"algorithm", "qop", "nc", "userhash", "username*"}, name) != bare {
			return "wrongly quoted: " + m[0], ""
		}
		p[name] = regexp.MustCompile(`\\(.)`).ReplaceAllString(m[2], "$1") + m[3]
		rest = rest[len(m[0]):]
	}

	algorithm := strings.ToUpper(s.algorithm)
	base, session := strings.TrimSuffix(algorithm, "-SESS"), strings.HasSuffix(algorithm, "-SESS")
	h := func(s string) string {
		switch base {
		case "SHA-256":
			return fmt.Sprintf("%x", sha256.Sum256([]byte(s)))
		case "SHA-512-256":
			return fmt.Sprintf("%x", sha512.Sum512_256([]byte(s)))
		}
		return fmt.Sprintf("%x", md5.Sum([]byte(s)))
	}
	a1 := user + ":" + s.realm + ":" + password
	if session {
		a1 = h(a1) + ":" + cmp.Or(s.keyNonce, s.nonce) + ":" + p["cnonce"]
	}
	a2 := h(method + ":" + target)
	response := h(h(a1) + ":" + s.nonce + ":" + a2)

	want := map[string]string{"realm": s.realm, "nonce": s.nonce, "uri": target}
	if s.qop != "" {
		response = h(h(a1) + ":" + s.nonce + ":" + p["nc"] + ":" + p["cnonce"] + ":auth:" + a2)
		want["qop"], want["nc"] = "auth", p["nc"]
	}
	if s.qop != "" || session {
		if want["cnonce"] = p["cnonce"]; len(p["cnonce"]) < 16 {
			return "cnonce " + p["cnonce"], ""
		}
	}
	want["response"] = response
	if s.algorithm != "" {
		want["algorithm"] = s.algorithm
	}
	if s.opaque {
		want["opaque"] = `o"\`
	}
	modern := s.charset || base != "" && base != "MD5"
	switch {
	case s.userhash:
		want["username"], want["userhash"] = h(user+":"+s.realm), "true"
	case modern && regexp.MustCompile(`[^\x00-\x7f]`).MatchString(user):
		want["username*"] = "UTF-8''" + url.PathEscape(user)
	default:
		want["username"] = user
	}
	if !maps.Equal(p, want) {
		return fmt.Sprintf("\n got %q\nwant %q", p, want), ""
	}
	return "", p["nc"]
}
