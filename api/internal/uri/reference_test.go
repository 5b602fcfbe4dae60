package uri

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

func mustParse(tb testing.TB, raw string) URL {
	tb.Helper()
	l, err := Parse(raw)
	if err != nil {
		tb.Fatalf("%q: %v", raw, err)
	}
	return l
}

// shownWhole is a URL with what String keeps back.
func shownWhole(l URL) string {
	user, before := "", l.aside()
	if before.user != "" || before.password != "" {
		user = before.user + ":" + before.password + "@"
	}
	return l.Scheme + "://" + user + l.Authority + l.Target + before.fragment
}

// The examples of RFC 3986 §5.4.
func TestResolveExamples(t *testing.T) {
	base := mustParse(t, "http://a/b/c/d;p?q")
	for _, c := range []struct{ ref, want string }{
		// §5.4.1, Normal Examples. "g:h" is among the errors.
		{"g", "http://a/b/c/g"},
		{"./g", "http://a/b/c/g"},
		{"g/", "http://a/b/c/g/"},
		{"/g", "http://a/g"},
		{"//g", "http://g/"}, // an empty path is sent as "/" (RFC 9110 §4.2.3)
		{"?y", "http://a/b/c/d;p?y"},
		{"g?y", "http://a/b/c/g?y"},
		{"#s", "http://a/b/c/d;p?q#s"},
		{"g#s", "http://a/b/c/g#s"},
		{"g?y#s", "http://a/b/c/g?y#s"},
		{";x", "http://a/b/c/;x"},
		{"g;x", "http://a/b/c/g;x"},
		{"g;x?y#s", "http://a/b/c/g;x?y#s"},
		{"", "http://a/b/c/d;p?q"},
		{".", "http://a/b/c/"},
		{"./", "http://a/b/c/"},
		{"..", "http://a/b/"},
		{"../", "http://a/b/"},
		{"../g", "http://a/b/g"},
		{"../..", "http://a/"},
		{"../../", "http://a/"},
		{"../../g", "http://a/g"},

		// §5.4.2, Abnormal Examples. "http:g" is among the errors.
		{"../../../g", "http://a/g"},
		{"../../../../g", "http://a/g"},
		{"/./g", "http://a/g"},
		{"/../g", "http://a/g"},
		{"g.", "http://a/b/c/g."},
		{".g", "http://a/b/c/.g"},
		{"g..", "http://a/b/c/g.."},
		{"..g", "http://a/b/c/..g"},
		{"./../g", "http://a/b/g"},
		{"./g/.", "http://a/b/c/g/"},
		{"g/./h", "http://a/b/c/g/h"},
		{"g/../h", "http://a/b/c/h"},
		{"g;x=1/./y", "http://a/b/c/g;x=1/y"},
		{"g;x=1/../y", "http://a/b/c/y"},
		{"g?y/./x", "http://a/b/c/g?y/./x"},
		{"g?y/../x", "http://a/b/c/g?y/../x"},
		{"g#s/./x", "http://a/b/c/g#s/./x"},
		{"g#s/../x", "http://a/b/c/g#s/../x"},
	} {
		if m, err := base.Resolve(c.ref); err != nil || shownWhole(m) != c.want {
			t.Errorf("%q: got %q, %v, want %q", c.ref, shownWhole(m), err, c.want)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct{ base, ref, want string }{
		// Absolute, and without the scheme.
		{"http://h/", "https://other.example:8443/x", "https://other.example:8443/x"},
		{"https://h/", "//other.example/x", "https://other.example/x"},
		{"https://h/", "//other.example:443?q", "https://other.example/?q"},
		{"http://h/", "HTTP://H:80", "http://h/"},
		{"http://h/", "http://bücher.example/", "http://xn--bcher-kva.example/"},
		{"http://h:81/a", "/b", "http://h:81/b"},
		{"http://h/a?q", "?", "http://h/a?"},
		{"http://h/a?q=/x/y", "b", "http://h/b"},
		{"http://h", "b", "http://h/b"},
		{"http://h/a", "1:b", "http://h/1:b"}, // "1" is no scheme

		// Made valid.
		{"http://h/", "  /a b ", "http://h/a%20b"},
		{"http://h/a/", "ü?ö#ä", "http://h/a/%C3%BC?%C3%B6#%C3%A4"},
		{"http://h/", "/\xfc%zz", "http://h/%FC%25zz"},
		{"http://h/a/b/", "%2e%2E/c", "http://h/a/c"},
		{"http://h/a/b/", "%2e%2E/?/../c", "http://h/a/?/../c"},
		{"http://h/", `\\evil.example/x`, "http://h/%5C%5Cevil.example/x"},
		{"http://h/", `/\evil.example/x`, "http://h/%5Cevil.example/x"},
		{"http://h/a", "/.//b", "http://h//b"},

		// The fragment (RFC 9110 §10.2.2).
		{"http://h/a#f", "b", "http://h/b#f"},
		{"http://h/a#f", "", "http://h/a#f"},
		{"http://h/a#f", "?q", "http://h/a?q#f"},
		{"http://h/a#f", "https://other/", "https://other/#f"},
		{"http://h/a#f", "//other", "http://other/#f"},
		{"http://h/a#f", "b#g", "http://h/b#g"},
		{"http://h/a#f", "https://other/#g", "https://other/#g"},
		{"http://h/a#f", "b#", "http://h/b"},
		{"http://h/a#f", "http://other/#", "http://other/"},

		// User info.
		{"http://u:p@h/", "/b", "http://u:p@h/b"},
		{"http://u:p@h/", "http://h:80/b", "http://u:p@h/b"},
		{"http://u:p@h/", "https://h/b", "https://h/b"},
		{"http://u:p@h/", "http://h:81/b", "http://h:81/b"},
		{"http://u:p@h/", "//i/b", "http://i/b"},
		{"http://u:p@h/", "http://v@h/b", "http://v:@h/b"},
		{"http://u:p@h/", "//v:q@i/b", "http://v:q@i/b"},
		{"http://h/", "/v:q@i/b", "http://h/v:q@i/b"},
	} {
		l := mustParse(t, c.base)
		before := l
		m, err := l.Resolve(c.ref)
		if err != nil || shownWhole(m) != c.want {
			t.Errorf("%q on %q: got %q, %v, want %q", c.ref, c.base, shownWhole(m), err, c.want)
		}
		if l != before {
			t.Errorf("%q on %q: changed the base to %+v", c.ref, c.base, l)
		}
	}
}

// A server knows nothing of the zone it was dialled with.
func TestResolveKeepsZone(t *testing.T) {
	base := mustParse(t, "http://[fe80::1%25eth0]:81/a")
	for ref, want := range map[string]string{
		"/b":                        "fe80::1%eth0",
		"http://[fe80::1]:81/b":     "fe80::1%eth0",
		"https://[FE80:0::1]/b":     "fe80::1%eth0",
		"//[fe80::1%25eth1]/b":      "fe80::1%eth1",
		"http://[fe80::2]:81/b":     "fe80::2",
		"http://fe80.example:81/b":  "fe80.example",
		"http://[::ffff:1.2.3.4]/b": "::ffff:1.2.3.4",
	} {
		m, err := base.Resolve(ref)
		if err != nil || m.Host != want || strings.Contains(m.Authority, "%") {
			t.Errorf("%q: host %q, authority %q, %v; want host %q", ref, m.Host, m.Authority, err, want)
		}
	}
}

func TestResolveErrors(t *testing.T) {
	base := mustParse(t, "http://user:secret@a/b/c/d;p?q")
	for _, c := range []struct{ ref, says string }{
		{"g:h", `has the scheme "g"; only http and https are supported`}, // RFC 3986 §5.4.1
		{"http:g", "has a scheme but no host"},                           // §5.4.2
		{"HTTPS:/g", "has a scheme but no host"},
		{"http:", "has a scheme but no host"},
		{"http:?q", "has a scheme but no host"},
		{`http:\\evil.example`, "has a scheme but no host"},
		{"ftp://h/", `the scheme "ftp"`},
		{"mailto:user:secret@h", `the scheme "mailto"`},
		{"javascript:alert(1)", `the scheme "javascript"`},
		{"localhost:8080/", `the scheme "localhost"`},
		{"///x", "has no host"},
		{"//", "has no host"},
		{"http://", "has no host"},
		{"//h:0/", `from 1 to 65535: "0"`},
		{"http://a b/", `space: "a b"`},
		{`//h\x/`, "backslash"},
		{"//b\xfccher/", "not UTF-8"},
		{"/a\tb", "control character at byte 2"},
		{"  /a\nb", "control character at byte 2"},
		{"http://h/\r\nX: y", "control character"},
		{"//user:secret@h:secret/", "the host or port is not valid"},
		{"http://user:secret@h_ü/", "the host or port is not valid"},
		{"ftp://user:secret@h/", `the scheme "ftp"`},
	} {
		_, err := base.Resolve(c.ref)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: got %v, want it to say %q", c.ref, err, c.says)
			continue
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "user:") {
			t.Errorf("%q: user info shown in %q", c.ref, err)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"http://h/", "http://H:80/a?b#c", true},
		{"http://u:p@h/", "http://h/", true},
		{"https://h/", "https://h:443/", true},
		{"http://bücher.example/", "http://xn--bcher-kva.example/", true},
		{"http://[::1]/", "http://[0:0::1]:80/", true},
		{"http://h/", "https://h/", false},
		{"http://h:443/", "https://h/", false},
		{"http://h/", "http://h:81/", false},
		{"http://h/", "http://h./", false},
		{"http://h.example/", "http://i.h.example/", false},
		{"http://[fe80::1%25a]/", "http://[fe80::1%25b]/", false},
	} {
		a, b := mustParse(t, c.a), mustParse(t, c.b)
		if a.SameOrigin(b) != c.same || b.SameOrigin(a) != c.same {
			t.Errorf("%q and %q: want %v", c.a, c.b, c.same)
		}
	}
}

// What cookie jars and proxy functions are given is what net/url makes of the URL.
func TestNetURL(t *testing.T) {
	for raw, same := range map[string]string{
		"http://h":                          "http://h/",
		"http://h/?":                        "http://h/?",
		"http://h:80/a":                     "http://h/a",
		"https://h:8443/a%20b?c=%20":        "https://h:8443/a%20b?c=%20",
		"http://h/a%2Fb":                    "http://h/a%2Fb",
		"http://h/a[0]%41":                  "http://h/a[0]%41",
		"http://h//a":                       "http://h//a",
		"http://u:p@h/ü#f":                  "http://h/%C3%BC",
		"http://[::1]:81/":                  "http://[::1]:81/",
		"http://[FE80::1%eth0]/":            "http://[fe80::1%25eth0]/",
		"http://[fe80::1%25eth0]:81/a?b":    "http://[fe80::1%25eth0]:81/a?b",
		"http://bücher.example:81/../a?b#c": "http://xn--bcher-kva.example:81/a?b",
	} {
		l := mustParse(t, raw)
		want, err := url.Parse(same)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.NetURL(); !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n got %#v\nwant %#v", raw, got, want)
		} else if got.String() != same {
			t.Errorf("%q: prints as %q, want %q", raw, got, same)
		}
	}
}

func TestNetURLFitsJar(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"http://bücher.example:81/a/", "http://[fe80::1%25eth0]:81/a/", "http://127.0.0.1/a/"} {
		l := mustParse(t, raw)
		jar.SetCookies(l.NetURL(), []*http.Cookie{{Name: "n", Value: "v"}})
		m, err := l.Resolve("b?c")
		if err != nil {
			t.Fatal(err)
		}
		if got := jar.Cookies(m.NetURL()); len(got) != 1 || got[0].Value != "v" {
			t.Errorf("%q: cookies %v", raw, got)
		}
	}
}

// byTheBook is RFC 3986 §5.2.4 word for word.
func byTheBook(in string) string {
	out := ""
	cutLast := func() { out = out[:max(0, strings.LastIndex(out, "/"))] }
	for in != "" {
		switch {
		case strings.HasPrefix(in, "../"): // A
			in = in[3:]
		case strings.HasPrefix(in, "./"):
			in = in[2:]
		case strings.HasPrefix(in, "/./"): // B
			in = in[2:]
		case in == "/.":
			in = "/"
		case strings.HasPrefix(in, "/../"): // C
			in = in[3:]
			cutLast()
		case in == "/..":
			in = "/"
			cutLast()
		case in == ".", in == "..": // D
			in = ""
		default: // E
			n := strings.Index(in[1:], "/") + 1
			if n == 0 {
				n = len(in)
			}
			out, in = out+in[:n], in[n:]
		}
	}
	return out
}

// Invariant: for any path with ordinary dots the outcome is the RFC's, and
// encoded dots make no difference to it.
func FuzzRemoveDots(f *testing.F) {
	for _, s := range []string{"/", "/a/./b/../c", "//a/../b", "/a//../..", "/...", "/.a/..b/c.", "/a/b/..", "/../", "/%2e/x%2E"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		path = "/" + strings.ReplaceAll(strings.ReplaceAll(path, "%2e", "."), "%2E", ".")
		if strings.Contains(path, "%2e") || strings.Contains(path, "%2E") {
			return // one that came of the replacing
		}
		want := byTheBook(path)
		if got := removeDots(path); got != want {
			t.Fatalf("%q: got %q, want %q", path, got, want)
		}
		got := removeDots(strings.ReplaceAll(path, ".", "%2E"))
		if got = strings.ReplaceAll(got, "%2E", "."); got != want {
			t.Fatalf("%q with dots encoded: got %q, want %q", path, got, want)
		}
	})
}

// Invariants: no panic; what is accepted is a URL as Parse gives them,
// with the fragment of the base or the reference; where net/url accepts the
// reference too, both mean the same. Differences that are wanted:
//   - net/url merges slashes at the beginning of a path, RFC 3986 §5.2.4 keeps them
//   - net/url knows no "%2e"; here it is a dot
//   - net/url writes letters beyond ASCII in hosts as %XX and makes no path valid:
//     it is given the reference with the path made valid, and its host goes through IDNA
//   - user info is inherited within the origin, for net/url only where there is no host
func FuzzResolve(f *testing.F) {
	for _, base := range []string{"http://a/b/c/d;p?q", "https://h:8443/x//y/#f", "http://[fe80::1%25eth0]:81/?/a"} {
		for _, ref := range []string{
			"g", "../../g", "?y", "#s", "", "//g/../h?i", "http://u:p@bü.example:80/a/./b", "/a//../b", "/%2e/x", "http:g", "/.//x",
		} {
			f.Add(base, ref)
		}
	}
	f.Fuzz(func(t *testing.T, base, ref string) {
		l, err := Parse(base)
		if err != nil {
			return
		}
		m, err := l.Resolve(ref)
		if err != nil {
			return
		}
		again, err := Parse(m.Whole()) // String masks what looks like user info, be it in the path
		hidden, before := m.aside(), l.aside()
		again.Host, again.more = m.Host, m.more
		if err != nil || again != m {
			t.Fatalf("%q on %q: %+v, then %+v, %v", ref, base, m, again, err)
		}
		if !http1.ValidTarget(m.Target) || hidden.fragment != "" && !http1.ValidTarget(hidden.fragment) {
			t.Fatalf("%q on %q: target %q, fragment %q", ref, base, m.Target, hidden.fragment)
		}
		if !strings.Contains(ref, "#") && hidden.fragment != before.fragment {
			t.Fatalf("%q on %q: fragment %q", ref, base, hidden.fragment)
		}
		if hidden.user == "" && hidden.password == "" && l.SameOrigin(m) && (before.user != "" || before.password != "") {
			t.Fatalf("%q on %q: user info lost", ref, base)
		}
		asNetURLResolves(t, &l, &m, ref)
	})
}

func asNetURLResolves(t *testing.T, l, m *URL, ref string) {
	ref, _, _ = strings.Cut(strings.Trim(ref, " "), "#")
	if at := strings.IndexAny(strings.TrimLeft(ref, "/"), "/?"); at >= 0 {
		at += len(ref) - len(strings.TrimLeft(ref, "/"))
		ref = ref[:at] + escape(ref[at:])
	}
	u, err := url.Parse(ref)
	if err != nil || strings.Contains(strings.ToLower(ref), "%2e") {
		return
	}
	std := l.NetURL().ResolveReference(u)
	want := URL{Scheme: std.Scheme, Port: map[string]string{"http": "80", "https": "443"}[std.Scheme]}
	if err := want.setAuthority(std.Host, false); err != nil {
		t.Fatalf("%q on %q: accepted, yet net/url's host %q is not: %v", ref, l, std.Host, err)
	}
	l.inherit(&want, true) // a zone
	if m.Scheme != want.Scheme || m.Authority != want.Authority || m.Host != want.Host || m.Port != want.Port {
		t.Fatalf("%q on %q: %+v, net/url says %+v", ref, l, m, want)
	}
	if strings.Contains(std.EscapedPath(), "//") || strings.Contains(m.Target, "//") {
		return
	}
	want.setTarget(std.EscapedPath(), "")
	inherits := ref == "" && strings.HasSuffix(l.Target, "?") // an empty query too (RFC 3986 §5.2.2), which net/url forgets
	if std.RawQuery != "" || std.ForceQuery || inherits {
		want.Target += "?" + escape(std.RawQuery)
	}
	if unescape(m.Target) != unescape(want.Target) {
		t.Fatalf("%q on %q: %q, net/url says %q", ref, l, m.Target, want.Target)
	}
	if u.User != nil && u.User.String() != ":" && u.User.String() != "" {
		hidden := m.aside()
		if password, _ := u.User.Password(); hidden.user != u.User.Username() || hidden.password != password {
			t.Fatalf("%q: user info %q %q", ref, hidden.user, hidden.password)
		}
	}
}
