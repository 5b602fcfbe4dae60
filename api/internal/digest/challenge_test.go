package digest

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

// canonical writes challenges in one way: all values quoted.
func canonical(challenges []challenge) string {
	var b []byte
	for i, c := range challenges {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, c.scheme...)
		if c.token68 != "" {
			b = append(append(b, ' '), c.token68...)
		}
		for j, p := range c.params {
			sep := ", "
			if j == 0 && c.token68 == "" {
				sep = " "
			}
			b = appendQuotedParam(b, sep+p.name+"=", p.value)
		}
	}
	return string(b)
}

func TestChallenges(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"nothing", ``, ``},
		{"only commas", ` ,, ,`, ``},
		{"one", `Digest realm="r", nonce="n"`, `Digest realm="r", nonce="n"`},
		{"RFC 9110 §11.6.1", `Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\""`,
			`Basic realm="simple", Newauth realm="apps", type="1", title="Login to \"apps\""`},
		{"odd commas", `, ,Digest realm="r",,nonce="n" ,	,Basic realm="s",`, `Digest realm="r", nonce="n", Basic realm="s"`},
		{"schemes alone", `Negotiate, NTLM ,Basic realm="r"`, `Negotiate, NTLM, Basic realm="r"`},
		{"space around =", `Digest realm = "r",nonce	=n`, `Digest realm="r", nonce="n"`},
		{"much space", `Digest 	 realm="r"`, `Digest realm="r"`},
		{"token68", `Negotiate YII/a+b~c==, Digest realm="r"`, `Negotiate YII/a+b~c==, Digest realm="r"`},
		{"token68 like a name", `Negotiate abc=, Basic a=b`, `Negotiate abc=, Basic a="b"`},
		{"commas and = in quotes", `Digest qop="auth, auth-int", realm="a=b, Basic realm=x"`, `Digest qop="auth, auth-int", realm="a=b, Basic realm=x"`},
		{"escapes", `Digest realm="\"\\\a"`, `Digest realm="\"\\a"`},
		{"empty values", `Digest realm="", opaque=, nonce=x`, `Digest realm="", opaque="", nonce="x"`},
		{"base64 without quotes", `Digest realm=r, nonce=a/b+c==, qop=auth`, `Digest realm="r", nonce="a/b+c==", qop="auth"`},
		{"forgotten commas", `Digest realm="r" nonce="n"qop=auth`, `Digest realm="r", nonce="n", qop="auth"`},
		{"a space without quotes", `Digest realm=my realm, nonce="n"`, `Digest realm="my", nonce="n"`},
		{"junk between", `Digest realm="r", @, "a, b", /x="y, z", nonce="n"`, `Digest realm="r", nonce="n"`},
		{"junk behind a scheme", `Digest @x, Basic realm="r"`, `Digest, Basic realm="r"`},
		{"a scheme that is none", `Dig/est realm="r", Basic realm="s"`, `Basic realm="s"`},
		{"parameters of nobody", `realm="r", Basic realm="s"`, `Basic realm="s"`},
		{"an open quote", `Basic realm="s", Digest realm="r, nonce="n"`, `Basic realm="s", Digest realm="r, nonce="`},
		{"an open quote at the end", `Digest realm="r", nonce="n`, `Digest realm="r"`},
		{"an open escape", `Digest realm="r", nonce="n\`, `Digest realm="r"`},
		{"a repeated name", `Digest realm="r", Realm="s"`, `Digest realm="r", Realm="s"`},
		{"only =", `=`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := canonical(parseChallenges([]string{c.value})); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.value, got, c.want)
			}
		})
	}
}

// Several lines are one list (RFC 9110 §5.3), but a quote does not reach over.
func TestChallengesOverLines(t *testing.T) {
	got := canonical(parseChallenges([]string{`Basic realm="a`, `Digest realm="b"`, `nonce="n", Negotiate`, `Bearer`}))
	if want := `Basic, Digest realm="b", nonce="n", Negotiate, Bearer`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestChallengeParam(t *testing.T) {
	c := parseChallenges([]string{`DIGEST Realm="r", REALM="s", opaque=""`})[0]
	for name, want := range map[string]string{"realm": "r", "OPAQUE": "", "nonce": "none"} {
		got, ok := c.param(name)
		if !ok {
			got = "none"
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestChallengesAreBounded(t *testing.T) {
	t.Run("schemes", func(t *testing.T) {
		got := parseChallenges([]string{strings.Repeat("A, ", 10*maxChallenges) + `x="y"`, `x="y", B`})
		if len(got) != maxChallenges {
			t.Errorf("got %d, want %d", len(got), maxChallenges)
		}
		if c := got[len(got)-1]; len(c.params) != 0 {
			t.Errorf("the last has the parameters of one left out: %v", c)
		}
	})
	t.Run("parameters", func(t *testing.T) {
		got := parseChallenges([]string{"A " + strings.Repeat("x=y, ", 10*maxChallengeParams) + "B z=1"})
		want := "B z=\"1\""
		if len(got) != 2 || len(got[0].params) != maxChallengeParams || canonical(got[1:]) != want {
			t.Errorf("got %d challenges: %s", len(got), canonical(got))
		}
	})
	// Each of these has something that could be looked for over and over.
	for _, s := range []string{`"`, `\`, ",", "=", " ", "a", "a=", `a="`, `a"`, `"\`, `a=",`, "a b ", "\x00"} {
		t.Run(fmt.Sprintf("%q repeated", s), func(t *testing.T) {
			value := strings.Repeat(s, 1<<20/len(s))
			if got := canonical(parseChallenges([]string{"Digest " + value})); len(got) > 4*len(value) {
				t.Errorf("%d bytes became %d", len(value), len(got))
			}
		})
	}
}

// Invariants: no panic; never more challenges and parameters than the bounds, nor
// more bytes than were given; names are tokens; what was read, written in one way,
// reads the same; a quoted string gives what was quoted; what answers a challenge
// has no control character and gives back realm, nonce, opaque, user and target.
func FuzzChallenges(f *testing.F) {
	for _, s := range []string{
		`Digest realm="r", nonce="n", qop="auth, auth-int", algorithm=SHA-256, opaque="o", userhash=true, charset=UTF-8`,
		`Basic realm="a", Digest realm="r\"\\", nonce=a/b==, stale=TRUE, Negotiate YII=, algorithm=MD5-sess`,
		`, ,Digest realm = r nonce="n`, `a=b, =c, "d`, `Digest realm="",nonce="n",algorithm=sha-512-256-SESS,charset=utf-8`,
	} {
		f.Add(s, "", `Jäsøn "\ Doe`)
	}
	f.Fuzz(func(t *testing.T, first, second, text string) {
		got := parseChallenges([]string{first, second})
		size := 0
		for _, c := range got {
			size += len(c.scheme) + len(c.token68)
			if !http1.ValidFieldName(c.scheme) || len(c.params) > maxChallengeParams {
				t.Fatalf("scheme %q with %d parameters", c.scheme, len(c.params))
			}
			for _, p := range c.params {
				size += len(p.name) + len(p.value)
				if !http1.ValidFieldName(p.name) {
					t.Fatalf("name %q", p.name)
				}
			}
		}
		if len(got) > maxChallenges || size > len(first)+len(second) {
			t.Fatalf("%d challenges of %d bytes", len(got), size)
		}
		if again := parseChallenges([]string{canonical(got)}); !reflect.DeepEqual(again, got) {
			t.Fatalf("%q\n read as %q\n then as %q", []string{first, second}, got, again)
		}
		quoted := parseChallenges([]string{string(appendQuotedParam(nil, "A b=", text)) + ", c=d"})
		if len(quoted) != 1 || len(quoted[0].params) != 2 || quoted[0].params[0].value != text {
			t.Fatalf("%q came back as %q", text, quoted)
		}
		fuzzDigest(t, got, User{text, text})
	})
}

func fuzzDigest(t *testing.T, challenges []challenge, u User) {
	n, err := strongest(challenges)
	if reason, _ := u.Check(); err != nil || reason != "" {
		return
	}
	const target = `/a?b="c\`
	value := n.authorization(u, 1, "GET", target)
	if !http1.ValidFieldValue(value) || hasControl(value) {
		t.Fatalf("not fit for a header: %q", value)
	}
	answers := parseChallenges([]string{value})
	if len(answers) != 1 {
		t.Fatalf("%q reads as %q", value, answers)
	}
	a := answers[0]
	want := map[string]string{"realm": n.realm, "nonce": n.nonce, "uri": target}
	if n.opaque != nil {
		want["opaque"] = *n.opaque
	}
	switch extended, ok := a.param("username*"); {
	case n.userhash:
		want["username"] = n.sum(u.Name, n.realm)
	case ok:
		if name, err := url.PathUnescape(strings.TrimPrefix(extended, "UTF-8''")); err != nil || name != u.Name {
			t.Fatalf("user %q, %v from %q", name, err, value)
		}
	default:
		want["username"] = u.Name
	}
	for name, v := range want {
		if got, ok := a.param(name); !ok || got != v {
			t.Fatalf("%s is %q, want %q, in %q", name, got, v, value)
		}
	}
}
