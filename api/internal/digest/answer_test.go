package digest

import (
	"crypto/sha512"
	"fmt"
	"strings"
	"testing"
)

// answerOnce has a fresh session answer a challenge, with the cnonce given.
func answerOnce(t *testing.T, u User, cnonce, method, target string, values ...string) string {
	t.Helper()
	d := Nonces{cnonce: func() string { return cnonce }}
	var try Try
	if again, err := d.Challenged("http://h", u, &try, values); !again || err != nil {
		t.Fatalf("challenged: %v, %v", again, err)
	}
	value, ok := d.Authorization("http://h", u, &try, method, target)
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
		user       User
		cnonce     string
		target     string
		want       string
	}{
		{
			name:       "RFC 7616 §3.9.1 with MD5",
			challenges: []string{fmt.Sprintf(mufasa, "MD5")},
			user:       User{"Mufasa", "Circle of Life"},
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
			user:       User{"Mufasa", "Circle of Life"},
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
			user:       User{"Jäsøn Doe", "Secret, or not?"},
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
			user:       User{"Jäsøn Doe", "Secret, or not?"},
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
			user:       User{"Mufasa", "Circle Of Life"},
			cnonce:     "0a4f113b",
			target:     "/dir/index.html",
			want: `Digest username="Mufasa", realm="testrealm@host.com", uri="/dir/index.html", ` +
				`nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", nc=00000001, cnonce="0a4f113b", qop=auth, ` +
				`response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
		},
		{ // the response of RFC 2069 §2.4 with its errata
			name:       "RFC 2069 §2.4",
			challenges: []string{`Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`},
			user:       User{"Mufasa", "CircleOfLife"},
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

func TestDigestCombinations(t *testing.T) {
	users := []User{
		{"user", "secret"}, {"", ""}, {`DOM\us"er`, `a:"b"\`}, {"Jäsøn Doe", "日本"}, {"Zoë/&100%", "p w"},
	}
	for _, algorithm := range []string{"", "MD5", "MD5-sess", "md5-SESS", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"} {
		for _, qop := range []string{"", "auth", `"auth"`, `"auth-int, auth"`, `"auth-int,future,AUTH"`} {
			for i := range 8 {
				s := &verifier{algorithm: algorithm, qop: qop, userhash: i&1 != 0, charset: i&2 != 0, opaque: i&4 != 0,
					realm: `my "realm"\, here`, nonce: `n/+="\`}
				for _, u := range users {
					if strings.Contains(u.Name, "&") && !s.userhash { // url.PathEscape is not RFC 8187 there
						continue
					}
					var d Nonces
					var try Try
					if again, err := d.Challenged("o", u, &try, []string{s.challenge()}); !again {
						t.Fatalf("%s: %v", s.challenge(), err)
					}
					for n := 1; n <= 2; n++ { // the key of a -sess stays
						value, _ := d.Authorization("o", u, &try, "POST", "/a?b=c")
						fault, nc := s.verify(value, "POST", "/a?b=c", u.Name, u.Password)
						if fault != "" || qop != "" && nc != fmt.Sprintf("%08x", n) {
							t.Errorf("%s\n%s\nuser %q, nc %q: %s", s.challenge(), value, u.Name, nc, fault)
						}
						if fault, _ := s.verify(value, "POST", "/a?b=c", u.Name, u.Password+"x"); fault == "" {
							t.Fatal("the verifier takes any password")
						}
						try = Try{} // the second is of another request
					}
				}
			}
		}
	}
}

func TestDigestUserExtended(t *testing.T) {
	got := answerOnce(t, User{`ä !#$&+-.^_|~'()*%"\/:` + "`", "p"}, "c", "GET", "/", `Digest realm="r", nonce="n", charset=utf-8`)
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
				if got := answerOnce(t, User{"u", "p"}, "c", "GET", "/", values...); !strings.Contains(got, ", algorithm="+c.want+",") {
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
		{"an endless nonce", `Digest realm="r", nonce="` + strings.Repeat("n", maxChallengeSize) + `"`, "longer than 4096 bytes"},
		{"a control character in the nonce", "Digest realm=\"r\", nonce=\"n\r\nX: y\"", "control character"},
		{"a control character in the realm", "Digest realm=\"\x00\", nonce=\"n\"", "control character"},
		{"a tab in opaque", "Digest realm=\"r\", nonce=\"n\", opaque=\"\t\"", "control character"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Nonces
			var try Try
			again, err := d.Challenged("o", User{"u", "secret"}, &try, []string{c.value})
			if again || err == nil || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 200 || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, %v, want %q", again, err, c.says)
			}
			if value, ok := d.Authorization("o", User{"u", "secret"}, &try, "GET", "/"); ok {
				t.Errorf("answered all the same: %s", value)
			}
		})
	}
}

func TestDigestEmptyQop(t *testing.T) {
	got := answerOnce(t, User{"u", "p"}, "c", "GET", "/", `Digest realm="r", nonce="n", qop=" ,"`)
	if strings.Contains(got, "qop") || strings.Contains(got, "nc=") || strings.Contains(got, "cnonce") {
		t.Errorf("got %s", got)
	}
}

func TestDigestEmptyOpaque(t *testing.T) {
	got := answerOnce(t, User{"u", "p"}, "c", "GET", "/", `Digest realm="", nonce="n", opaque=""`)
	if !strings.Contains(got, `realm="", `) || !strings.HasSuffix(got, `, opaque=""`) {
		t.Errorf("got %s", got)
	}
}

func TestDigestUserCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		user User
		says string // empty: accepted
	}{
		{"plain", User{"u", "p"}, ""},
		{"empty", User{}, ""},
		{"quotes, colons, letters beyond ASCII", User{`a"\:ü`, `p:"日`}, ""},
		{"a password in ISO-8859-1", User{"u", "p\xe4"}, ""},
		{"a line end in the user", User{"secret\r\nX: y", "p"}, "control character"},
		{"a tab in the user", User{"secret\t", "p"}, "control character"},
		{"NUL in the password", User{"u", "secret\x00"}, "control character"},
		{"DEL in the password", User{"u", "secret\x7f"}, "control character"},
		{"a user in ISO-8859-1", User{"secret\xe4", "p"}, "not valid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reason, fix := c.user.Check()
			if c.says == "" {
				if reason != "" {
					t.Error(reason)
				}
				return
			}
			if fix == "" || !strings.Contains(reason, c.says) {
				t.Fatalf("got %q, want %q", reason, c.says)
			}
			if strings.Contains(reason+fix, "secret") {
				t.Errorf("shows it: %s, %s", reason, fix)
			}
		})
	}
}
