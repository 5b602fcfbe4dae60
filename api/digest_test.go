package api

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// answerOnce has a fresh session answer a challenge, with the cnonce given.
func answerOnce(t *testing.T, u digestUser, cnonce, method, target string, values ...string) string {
	t.Helper()
	d := digests{cnonce: func() string { return cnonce }}
	var try digestTry
	if again, err := d.challenged("http://h", u, &try, values); !again || err != nil {
		t.Fatalf("challenged: %v, %v", again, err)
	}
	value, ok := d.authorization("http://h", u, &try, method, target)
	if !ok {
		t.Fatal("no value")
	}
	return value
}

func TestDigestExamples(t *testing.T) {
	const (
		mufasa = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%s, ` +
			`nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
		doe = `Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, ` +
			`nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8`
	)
	for _, c := range []struct {
		name       string
		challenges []string
		user       digestUser
		cnonce     string
		target     string
		want       string
	}{
		{
			name:       "RFC 7616 §3.9.1 with MD5",
			challenges: []string{fmt.Sprintf(mufasa, "MD5")},
			user:       digestUser{"Mufasa", "Circle of Life"},
			cnonce:     "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
			target:     "/dir/index.html",
			want: `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5, ` +
				`nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, ` +
				`cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, ` +
				`response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
		},
		{
			name:       "RFC 7616 §3.9.1, both challenges",
			challenges: []string{fmt.Sprintf(mufasa, "SHA-256"), fmt.Sprintf(mufasa, "MD5")},
			user:       digestUser{"Mufasa", "Circle of Life"},
			cnonce:     "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
			target:     "/dir/index.html",
			want: `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256, ` +
				`nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, ` +
				`cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, ` +
				`response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", ` +
				`opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
		},
		{ // username and response as in erratum 4897; see the test below
			name:       "RFC 7616 §3.9.2 with userhash",
			challenges: []string{doe + ", userhash=true"},
			user:       digestUser{"Jäsøn Doe", "Secret, or not?"},
			cnonce:     "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
			target:     "/doe.json",
			want: `Digest username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b", ` +
				`realm="api@example.org", uri="/doe.json", algorithm=SHA-512-256, ` +
				`nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", nc=00000001, ` +
				`cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", qop=auth, ` +
				`response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5", ` +
				`opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", userhash=true`,
		},
		{
			name:       "RFC 7616 §3.9.2 with username*",
			challenges: []string{doe},
			user:       digestUser{"Jäsøn Doe", "Secret, or not?"},
			cnonce:     "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
			target:     "/doe.json",
			want: `Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, realm="api@example.org", uri="/doe.json", algorithm=SHA-512-256, ` +
				`nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", nc=00000001, ` +
				`cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", qop=auth, ` +
				`response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5", ` +
				`opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"`,
		},
		{
			name:       "RFC 2617 §3.5",
			challenges: []string{`Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`},
			user:       digestUser{"Mufasa", "Circle Of Life"},
			cnonce:     "0a4f113b",
			target:     "/dir/index.html",
			want: `Digest username="Mufasa", realm="testrealm@host.com", uri="/dir/index.html", ` +
				`nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", nc=00000001, cnonce="0a4f113b", qop=auth, ` +
				`response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
		},
		{ // the response of RFC 2069 §2.4 with its errata
			name:       "RFC 2069 §2.4",
			challenges: []string{`Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`},
			user:       digestUser{"Mufasa", "CircleOfLife"},
			cnonce:     "0a4f113b",
			target:     "/dir/index.html",
			want: `Digest username="Mufasa", realm="testrealm@host.com", uri="/dir/index.html", ` +
				`nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", ` +
				`response="1949323746fe6a43ef61f9606e7febea", opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := answerOnce(t, c.user, c.cnonce, "GET", c.target, c.challenges...); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// The user in RFC 7616 §3.9.2 as printed is of SHA-512 cut to 256 bits, which is
// not SHA-512/256 (FIPS 180-4 §5.3.6), as erratum 4897 says.
func TestDigestErratum(t *testing.T) {
	const printed = "488869477bf257147b804c45308cd62ac4e25eb717b12b298c79e62dcea254ec"
	if cut := fmt.Sprintf("%x", sha512.Sum512([]byte("Jäsøn Doe:api@example.org"))); cut[:64] != printed {
		t.Errorf("SHA-512 is %s", cut)
	}
}

// digestServer verifies what a client sends, by RFC 7616 §3.4 and written apart
// from the client.
type digestServer struct {
	algorithm, qop  string // as in the challenge, with their quotes; empty: not there
	userhash        bool
	charset, opaque bool
	realm, nonce    string
}

func (s *digestServer) challenge() string {
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

var digestParam = regexp.MustCompile(`^([a-z]+\*?)=(?:"((?:[^"\\]|\\.)*)"|([^", ]+))(?:, |$)`)

// verify returns a complaint, or nothing, and the nonce count.
func (s *digestServer) verify(value, method, target, user, password string) (fault, nc string) {
	rest, ok := strings.CutPrefix(value, "Digest ")
	if !ok {
		return "not Digest", ""
	}
	p := map[string]string{}
	for rest != "" {
		m := digestParam.FindStringSubmatch(rest)
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
		a1 = h(a1) + ":" + s.nonce + ":" + p["cnonce"]
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

func TestDigestCombinations(t *testing.T) {
	users := []digestUser{
		{"user", "secret"}, {"", ""}, {`DOM\us"er`, `a:"b"\`}, {"Jäsøn Doe", "日本"}, {"Zoë/&100%", "p w"},
	}
	for _, algorithm := range []string{"", "MD5", "MD5-sess", "md5-SESS", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"} {
		for _, qop := range []string{"", "auth", `"auth"`, `"auth-int, auth"`, `"auth-int,future,AUTH"`} {
			for i := range 8 {
				s := &digestServer{algorithm: algorithm, qop: qop, userhash: i&1 != 0, charset: i&2 != 0, opaque: i&4 != 0,
					realm: `my "realm"\, here`, nonce: `n/+="\`}
				for _, u := range users {
					if strings.Contains(u.user, "&") && !s.userhash { // url.PathEscape is not RFC 8187 there
						continue
					}
					var d digests
					var try digestTry
					if again, err := d.challenged("o", u, &try, []string{s.challenge()}); !again {
						t.Fatalf("%s: %v", s.challenge(), err)
					}
					for n := 1; n <= 2; n++ { // the key of a -sess stays
						value, _ := d.authorization("o", u, &try, "POST", "/a?b=c")
						fault, nc := s.verify(value, "POST", "/a?b=c", u.user, u.password)
						if fault != "" || qop != "" && nc != fmt.Sprintf("%08x", n) {
							t.Errorf("%s\n%s\nuser %q, nc %q: %s", s.challenge(), value, u.user, nc, fault)
						}
						if fault, _ := s.verify(value, "POST", "/a?b=c", u.user, u.password+"x"); fault == "" {
							t.Fatal("the verifier takes any password")
						}
						try = digestTry{} // the second is of another request
					}
				}
			}
		}
	}
}

func TestDigestUserExtended(t *testing.T) {
	got := answerOnce(t, digestUser{`ä !#$&+-.^_|~'()*%"\/:` + "`", "p"}, "c", "GET", "/", `Digest realm="r", nonce="n", charset=utf-8`)
	want := "Digest username*=UTF-8''%C3%A4%20!#$&+-.^_|~%27%28%29%2A%25%22%5C%2F%3A`, realm="
	if !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDigestBestChallenge(t *testing.T) {
	const rest = `, realm="r", nonce="n"`
	for _, c := range []struct{ name, challenges, want string }{
		{"the strongest, whatever the order", "MD5 SHA-512-256 SHA-256", "SHA-256"},
		{"any before MD5", "MD5 SHA-512-256-sess MD5-sess", "SHA-512-256-sess"},
		{"of equals the first", "MD5 SHA-256-sess SHA-256", "SHA-256-sess"},
		{"what is known", "SHA-1024 MD5 SHA-256-sess-sess", "MD5"},
		{"in small letters", "sha-256 MD5", "sha-256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var values []string
			for a := range strings.FieldsSeq(c.challenges) {
				values = append(values, `Basic realm="r"`, "digest algorithm="+a+rest)
			}
			for _, values := range [][]string{values, {strings.Join(values, ", ")}} {
				if got := answerOnce(t, digestUser{"u", "p"}, "c", "GET", "/", values...); !strings.Contains(got, ", algorithm="+c.want+",") {
					t.Errorf("got %s, want %s", got, c.want)
				}
			}
		})
	}
}

func TestDigestNotAnswered(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"no challenge", ``, "does not offer Digest"},
		{"other schemes", `Basic realm="r", Negotiate, DigestX nonce="n"`, "does not offer Digest"},
		{"only auth-int", `Digest realm="r", nonce="n", qop="auth-int"`, `only auth is supported, not "auth-int"`},
		{"an unknown qop", `Digest realm="r", nonce="n", qop=authx`, `only auth is supported, not "authx"`},
		{"an unknown algorithm", `Digest realm="r", nonce="n", algorithm=SHA-1`, `algorithm "SHA-1" is not supported`},
		{"an endless algorithm", `Digest realm="r", nonce="n", algorithm=` + strings.Repeat("A", 9000), `AAAA" is not supported`},
		{"an empty algorithm", `Digest realm="r", nonce="n", algorithm=""`, `algorithm "" is not supported`},
		{"no realm", `Digest nonce="n"`, "no realm"},
		{"no nonce", `Digest realm="r"`, "no nonce"},
		{"an empty nonce", `Digest realm="r", nonce=""`, "no nonce"},
		{"an endless nonce", `Digest realm="r", nonce="` + strings.Repeat("n", maxDigestChallenge) + `"`, "longer than 4096 bytes"},
		{"a control character in the nonce", "Digest realm=\"r\", nonce=\"n\r\nX: y\"", "control character"},
		{"a control character in the realm", "Digest realm=\"\x00\", nonce=\"n\"", "control character"},
		{"a tab in opaque", "Digest realm=\"r\", nonce=\"n\", opaque=\"\t\"", "control character"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d digests
			var try digestTry
			again, err := d.challenged("o", digestUser{"u", "secret"}, &try, []string{c.value})
			if again || err == nil || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 200 || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, %v, want %q", again, err, c.says)
			}
			if value, ok := d.authorization("o", digestUser{"u", "secret"}, &try, "GET", "/"); ok {
				t.Errorf("answered all the same: %s", value)
			}
		})
	}
}

func TestDigestEmptyQop(t *testing.T) {
	got := answerOnce(t, digestUser{"u", "p"}, "c", "GET", "/", `Digest realm="r", nonce="n", qop=" ,"`)
	if strings.Contains(got, "qop") || strings.Contains(got, "nc=") || strings.Contains(got, "cnonce") {
		t.Errorf("got %s", got)
	}
}

func TestDigestEmptyOpaque(t *testing.T) {
	got := answerOnce(t, digestUser{"u", "p"}, "c", "GET", "/", `Digest realm="", nonce="n", opaque=""`)
	if !strings.Contains(got, `realm="", `) || !strings.HasSuffix(got, `, opaque=""`) {
		t.Errorf("got %s", got)
	}
}

// A conversation is a request after another, each of its own 401s.
func TestDigestTries(t *testing.T) {
	const (
		fresh   = `Digest realm="r", nonce="new", qop=auth`
		stale   = fresh + `, stale=TRUE`
		basic   = `Basic realm="r"`
		refused = "refused user or password"
	)
	for _, c := range []struct {
		name  string
		known bool     // a nonce from earlier
		got   []string // the challenges of the 401s
		end   string   // what the last of them comes to; empty: once more
		keeps bool     // a nonce for the requests to come
	}{
		{"the first 401", false, []string{fresh}, "", true},
		{"wrong password", false, []string{fresh, fresh}, refused, false},
		{"expired without stale", true, []string{fresh}, "", true},
		{"expired with stale", true, []string{stale}, "", true},
		{"wrong password with a nonce from earlier", true, []string{fresh, fresh}, refused, false},
		{"the new nonce is stale too", true, []string{stale, stale}, "", true},
		{"the new nonce is stale, then wrong password", true, []string{fresh, stale, fresh}, refused, false},
		{"stale for ever", false, []string{stale, stale, stale}, "called 2 new nonces stale", false},
		{"Digest no more", true, []string{basic}, "does not offer Digest", false},
		{"Digest no more, behind a new nonce", false, []string{fresh, basic}, "does not offer Digest", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d digests
			u := digestUser{"u", "p"}
			if c.known {
				if again, err := d.challenged("o", u, new(digestTry), []string{`Digest realm="r", nonce="old", qop=auth`}); !again {
					t.Fatal(err)
				}
			}
			var try digestTry
			if _, ok := d.authorization("o", u, &try, "GET", "/"); ok != c.known {
				t.Fatalf("at first: %v", ok)
			}
			for i, challenge := range c.got {
				again, err := d.challenged("o", u, &try, []string{challenge})
				if last := i == len(c.got)-1; last && c.end != "" {
					if again || err == nil || !strings.Contains(err.Error(), c.end) {
						t.Errorf("the last 401: %v, %v, want %q", again, err, c.end)
					}
					break
				}
				if !again || err != nil {
					t.Fatalf("401 number %d: %v, %v", i+1, again, err)
				}
				value, ok := d.authorization("o", u, &try, "GET", "/")
				if !ok || !strings.Contains(value, `nonce="new", nc=00000001,`) {
					t.Fatalf("401 number %d: sends %s", i+1, value)
				}
			}
			if _, ok := d.authorization("o", u, new(digestTry), "GET", "/"); ok != c.keeps {
				t.Errorf("for the next request there is a nonce: %v", ok)
			}
		})
	}
}

// What other calls do between a 401 and its answer does not matter to a call.
func TestDigestKeepsItsOwnNonce(t *testing.T) {
	var d digests
	u := digestUser{"u", "p"}
	challenged := func(try *digestTry, nonce string) {
		if again, err := d.challenged("o", u, try, []string{`Digest realm="r", nonce="` + nonce + `"`}); !again {
			t.Fatal(err)
		}
	}
	nonceFor := func(try *digestTry) string {
		value, _ := d.authorization("o", u, try, "GET", "/")
		_, value, _ = strings.Cut(value, ` nonce="`)
		value, _, _ = strings.Cut(value, `"`)
		return value
	}
	var mine, other digestTry
	challenged(&mine, "a")
	challenged(&other, "b")
	if a, b, next := nonceFor(&mine), nonceFor(&other), nonceFor(new(digestTry)); a != "a" || b != "b" || next != "b" {
		t.Errorf("got %q, %q, then %q", a, b, next)
	}
	refused, err := d.challenged("o", u, &mine, []string{`Digest realm="r", nonce="c"`})
	if refused || err == nil {
		t.Errorf("got %v, %v", refused, err)
	}
	if next := nonceFor(new(digestTry)); next != "b" {
		t.Errorf("the nonce of another call is gone: %q", next)
	}
}

func TestDigestSpaces(t *testing.T) {
	var d digests
	if again, err := d.challenged("http://a", digestUser{"u", "p"}, new(digestTry), []string{`Digest realm="r", nonce="n"`}); !again {
		t.Fatal(err)
	}
	for _, c := range []struct {
		origin string
		user   digestUser
		known  bool
	}{
		{"http://a", digestUser{"u", "p"}, true},
		{"http://a", digestUser{"u", "another password"}, true},
		{"http://a", digestUser{"v", "p"}, false},
		{"http://b", digestUser{"u", "p"}, false},
	} {
		if _, ok := d.authorization(c.origin, c.user, new(digestTry), "GET", "/"); ok != c.known {
			t.Errorf("%s as %q: %v", c.origin, c.user.user, ok)
		}
	}
}

func TestDigestBounded(t *testing.T) {
	var d digests
	u := digestUser{"u", "p"}
	known := func(i int) bool {
		_, ok := d.authorization(fmt.Sprint(i), u, new(digestTry), "GET", "/")
		return ok
	}
	const more = 100
	for i := range maxDigestNonces + more {
		if again, err := d.challenged(fmt.Sprint(i), u, new(digestTry), []string{`Digest realm="r", nonce="n"`}); !again {
			t.Fatal(err)
		}
		known(0) // is in use all the time
	}
	if len(d.known) != maxDigestNonces || d.recent.Len() != maxDigestNonces {
		t.Fatalf("%d known, %d in order", len(d.known), d.recent.Len())
	}
	for i := range maxDigestNonces + more {
		if want := i == 0 || i > more; known(i) != want {
			t.Fatalf("number %d is known: %v", i, !want)
		}
	}
}

func TestDigestCountEnds(t *testing.T) {
	var d digests
	u := digestUser{"u", "p"}
	var try digestTry
	if again, err := d.challenged("o", u, &try, []string{`Digest realm="r", nonce="n", qop=auth`}); !again {
		t.Fatal(err)
	}
	try.nonce.count.Store(math.MaxUint32 - 1)
	if value, ok := d.authorization("o", u, new(digestTry), "GET", "/"); !ok || !strings.Contains(value, "nc=ffffffff,") {
		t.Errorf("the last count: %q", value)
	}
	for _, try := range []*digestTry{&try, {}} {
		if value, ok := d.authorization("o", u, try, "GET", "/"); ok || try.nonce != nil {
			t.Errorf("behind the last count: %q", value)
		}
	}
}

// Many calls share a nonce, and no two its count; meanwhile others get new ones.
func TestDigestConcurrency(t *testing.T) {
	s := &digestServer{algorithm: "SHA-256-sess", qop: "auth", realm: "r", nonce: "n"}
	u := digestUser{"u", "p"}
	var d digests
	if again, err := d.challenged("o", u, new(digestTry), []string{s.challenge()}); !again {
		t.Fatal(err)
	}
	const callers, calls = 16, 50
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range calls {
				value, ok := d.authorization("o", u, new(digestTry), "GET", "/")
				fault, nc := s.verify(value, "GET", "/", u.user, u.password)
				if !ok || fault != "" {
					t.Errorf("%s: %s", value, fault)
				}
				mu.Lock()
				seen[nc] = true
				mu.Unlock()

				elsewhere := fmt.Sprint(i, j)
				var try digestTry
				d.challenged(elsewhere, u, &try, []string{s.challenge()})
				d.authorization(elsewhere, u, &try, "GET", "/")
				d.challenged(elsewhere, u, &try, []string{s.challenge()}) // refused: forgotten
			}
		})
	}
	wg.Wait()
	for i := range callers * calls {
		if nc := fmt.Sprintf("%08x", i+1); !seen[nc] {
			t.Errorf("no request had nc %s", nc)
		}
	}
	if len(d.known) != 1 {
		t.Errorf("%d nonces are kept", len(d.known))
	}
}

func TestDigestCnonceIsRandom(t *testing.T) {
	var d digests
	seen := map[string]bool{}
	for range 100 {
		seen[d.newCnonce()] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d different of 100", len(seen))
	}
}

func TestDigestUserCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		user digestUser
		says string // empty: accepted
	}{
		{"plain", digestUser{"u", "p"}, ""},
		{"empty", digestUser{}, ""},
		{"quotes, colons, letters beyond ASCII", digestUser{`a"\:ü`, `p:"日`}, ""},
		{"a password in ISO-8859-1", digestUser{"u", "p\xe4"}, ""},
		{"a line end in the user", digestUser{"secret\r\nX: y", "p"}, "control character"},
		{"a tab in the user", digestUser{"secret\t", "p"}, "control character"},
		{"NUL in the password", digestUser{"u", "secret\x00"}, "control character"},
		{"DEL in the password", digestUser{"u", "secret\x7f"}, "control character"},
		{"a user in ISO-8859-1", digestUser{"secret\xe4", "p"}, "not valid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.user.check()
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var input *InputError
			if !errors.As(err, &input) || input.Field != "DigestAuth" || input.Fix == "" || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want %q", err, c.says)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("shows it: %v", err)
			}
		})
	}
}
