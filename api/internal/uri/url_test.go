package uri

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

func TestURL(t *testing.T) {
	for _, c := range []struct {
		raw, scheme, host, port, authority, target string
	}{
		// As they are.
		{"http://example.com/", "http", "example.com", "80", "example.com", "/"},
		{"http://example.com", "http", "example.com", "80", "example.com", "/"},
		{"https://example.com/a/b?c=d&e", "https", "example.com", "443", "example.com", "/a/b?c=d&e"},
		{"http://127.0.0.1:8080/x", "http", "127.0.0.1", "8080", "127.0.0.1:8080", "/x"},
		{"http://h/a%20b?q=%C3%A4", "http", "h", "80", "h", "/a%20b?q=%C3%A4"},
		{"http://h/a[0]?b[]=1", "http", "h", "80", "h", "/a[0]?b[]=1"},
		{"http://my_service:81/", "http", "my_service", "81", "my_service:81", "/"},
		{"http://example.com./", "http", "example.com.", "80", "example.com.", "/"},

		// The default port is not said; an empty one means it.
		{"http://h:80/", "http", "h", "80", "h", "/"},
		{"https://h:443/", "https", "h", "443", "h", "/"},
		{"https://h:80/", "https", "h", "80", "h:80", "/"},
		{"http://h:/", "http", "h", "80", "h", "/"},
		{"http://h:0080/", "http", "h", "80", "h", "/"},
		{"http://h:65535/", "http", "h", "65535", "h:65535", "/"},

		// Made valid.
		{"HTTP://EXAMPLE.com/Path", "http", "example.com", "80", "example.com", "/Path"},
		{"  http://h/ ", "http", "h", "80", "h", "/"},
		{"http://h?q", "http", "h", "80", "h", "/?q"},
		{"http://h#f", "http", "h", "80", "h", "/"},
		{"http://h/a#frag?no=query", "http", "h", "80", "h", "/a"},
		{"http://h/a b?c d", "http", "h", "80", "h", "/a%20b?c%20d"},
		{"http://h/ä?ö=日", "http", "h", "80", "h", "/%C3%A4?%C3%B6=%E6%97%A5"},
		{"http://h/100%", "http", "h", "80", "h", "/100%25"},
		{"http://h/%zz%4", "http", "h", "80", "h", "/%25zz%254"},
		{`http://h/"<>\^{|}` + "`", "http", "h", "80", "h", "/%22%3C%3E%5C%5E%7B%7C%7D%60"},
		{"http://h/\xff", "http", "h", "80", "h", "/%FF"},
		{"http://h/a|b", "http", "h", "80", "h", "/a%7Cb"},
		{"http://h/?", "http", "h", "80", "h", "/?"},

		// Dot segments.
		{"http://h/.", "http", "h", "80", "h", "/"},
		{"http://h/..", "http", "h", "80", "h", "/"},
		{"http://h/a/..", "http", "h", "80", "h", "/"},
		{"http://h/a/./b/../c", "http", "h", "80", "h", "/a/c"},
		{"http://h/a/../../../b", "http", "h", "80", "h", "/b"},
		{"http://h//a/../b", "http", "h", "80", "h", "//b"},
		{"http://h/a//../b", "http", "h", "80", "h", "/a/b"},
		{"http://h/a/../?q", "http", "h", "80", "h", "/?q"},
		{"http://h/a/..#f", "http", "h", "80", "h", "/"},
		{"http://h/%2e%2E/a/%2e/b/.%2e/c%2e", "http", "h", "80", "h", "/a/c%2e"},
		{"http://h/a/..\\b", "http", "h", "80", "h", "/a/..%5Cb"},

		// What only looks like one.
		{"http://h/a/../b?/../c/.", "http", "h", "80", "h", "/b?/../c/."},
		{"http://h/?/../b", "http", "h", "80", "h", "/?/../b"},
		{"http://h/.well-known/x", "http", "h", "80", "h", "/.well-known/x"},
		{"http://h/.../..a/b./%2f", "http", "h", "80", "h", "/.../..a/b./%2f"},
		{"http://h/%252e%252e/a", "http", "h", "80", "h", "/%252e%252e/a"},
		{"http://h/a%2F..%2Fb", "http", "h", "80", "h", "/a%2F..%2Fb"},

		// Hosts with letters beyond ASCII.
		{"http://bücher.example/", "http", "xn--bcher-kva.example", "80", "xn--bcher-kva.example", "/"},
		{"http://BÜCHER.example:81/ü", "http", "xn--bcher-kva.example", "81", "xn--bcher-kva.example:81", "/%C3%BC"},
		{"http://straße.example/", "http", "xn--strae-oqa.example", "80", "xn--strae-oqa.example", "/"},
		{"http://例え。テスト./", "http", "xn--r8jz45g.xn--zckzah.", "80", "xn--r8jz45g.xn--zckzah.", "/"},
		{"http://ｅｘａｍｐｌｅ．ｃｏｍ/", "http", "example.com", "80", "example.com", "/"},
		{"http://１２７.0.0.１:8080/", "http", "127.0.0.1", "8080", "127.0.0.1:8080", "/"},
		{"http://XN--BCHER-KVA.example/", "http", "xn--bcher-kva.example", "80", "xn--bcher-kva.example", "/"},
		{"http://xn--a/", "http", "xn--a", "80", "xn--a", "/"}, // no Punycode, but ASCII

		// IPv6.
		{"http://[::1]/", "http", "::1", "80", "[::1]", "/"},
		{"http://[::1]:8080/", "http", "::1", "8080", "[::1]:8080", "/"},
		{"http://[0:0::0001]:80/", "http", "::1", "80", "[::1]", "/"},
		{"http://[FE80::1%25eth0]:81/", "http", "fe80::1%eth0", "81", "[fe80::1]:81", "/"},
		{"http://[fe80::1%eth0]/", "http", "fe80::1%eth0", "80", "[fe80::1]", "/"},
		{"http://[fe80::1%25Eth0.1]/", "http", "fe80::1%Eth0.1", "80", "[fe80::1]", "/"},
		{"http://[fe80::1%eth%30]/", "http", "fe80::1%eth0", "80", "[fe80::1]", "/"},
		{"http://[fe80::1%253]:81/", "http", "fe80::1%3", "81", "[fe80::1]:81", "/"},
		{"http://[::FFFF:102:304]:81/", "http", "::ffff:1.2.3.4", "81", "[::ffff:1.2.3.4]:81", "/"},
		{"http://[2001:DB8:0:0:1::]:/", "http", "2001:db8:0:0:1::", "80", "[2001:db8:0:0:1::]", "/"},

		// User info goes elsewhere.
		{"http://user:secret@h/", "http", "h", "80", "h", "/"},
		{"http://user:se@cret@h:81/", "http", "h", "81", "h:81", "/"},
		{"http://@h/", "http", "h", "80", "h", "/"},
	} {
		l, err := Parse(c.raw)
		if err != nil {
			t.Errorf("%q: %v", c.raw, err)
			continue
		}
		if l.Scheme != c.scheme || l.Host != c.host || l.Port != c.port || l.Authority != c.authority || l.Target != c.target {
			t.Errorf("%q:\n got %q %q %q %q %q\nwant %q %q %q %q %q", c.raw,
				l.Scheme, l.Host, l.Port, l.Authority, l.Target, c.scheme, c.host, c.port, c.authority, c.target)
		}
	}
}

// A host that is to be sent as it was given is ASCII, or is made so first.
func TestASCIIHost(t *testing.T) {
	for given, want := range map[string]string{
		"": "", "H:81": "H:81", ":81": ":81", "h:": "h:", "[::1]:81": "[::1]:81", "[::ü]": "[::ü]", "a:ü": "a:ü",
		"bücher.example": "xn--bcher-kva.example", "Ü:81": "xn--tda:81", "ü:": "xn--tda:", "\u00ad:81": ":81",
	} {
		if got, fault := asciiHost(given); fault != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", given, got, fault, want)
		}
	}
	for _, host := range []string{"ü", "ü:81", "h:ü", "[::ü]"} {
		if _, _, fault := splitHost(host); fault == nil {
			t.Errorf("%q was taken apart as it is", host)
		}
	}
}

func TestURLUserInfo(t *testing.T) {
	for _, c := range []struct{ raw, user, password string }{
		{"http://h/", "", ""},
		{"http://u@h/", "u", ""},
		{"http://u:p@h/", "u", "p"},
		{"http://:p@h/", "", "p"},
		{"http://u%40x:p%3A%2f@h/", "u@x", "p:/"},
		{"http://u:100%@h/", "u", "100%"},
		{"http://u:p:q@h/", "u", "p:q"},
	} {
		l, err := Parse(c.raw)
		if u := l.aside(); err != nil || u.user != c.user || u.password != c.password {
			t.Errorf("%q: got %q %q %v, want %q %q", c.raw, u.user, u.password, err, c.user, c.password)
		}
	}
}

func TestURLErrors(t *testing.T) {
	for _, c := range []struct{ raw, says string }{
		{"", "is empty"},
		{"   ", "is empty"},
		{"example.com/x", "begin it with http://"},
		{"localhost:8080", "begin it with http://"},
		{"//example.com/", "begin it with http://"},
		{"/path", "begin it with http://"},
		{"://h", "begin it with http://"},
		{"http:/h", "begin it with http://"},
		{"mailto:a@b", "begin it with http://"},
		{"ftp://h/", `scheme "ftp" is not supported; use http or https`},
		{"FILE:///etc/passwd", `scheme "file"`},
		{"http://", "has no host"},
		{"http:///path", "has no host"},
		{"http://:80/", "has no host"},
		{"http://?q", "has no host"},
		{"http://h:0/", `from 1 to 65535: "0"`},
		{"http://h:65536/", `from 1 to 65535: "65536"`},
		{"http://h:99999999999999999999/", "from 1 to 65535"},
		{"http://h:+80/", "from 1 to 65535"},
		{"http://h:-1/", "from 1 to 65535"},
		{"http://h:http/", "from 1 to 65535"},
		{"http://h/\r\nX: y", "control character at byte 9"},
		{"http://h/\n", "control character"},
		{"http://h/\x00", "control character"},
		{"http://h/\x7f", "control character"},
		{"\thttp://h/", "control character at byte 0"},
		{`http://h\x/`, "backslash"},
		{"http://a b/", "space"},
		{"http://h%41/", "not allowed"},
		{"http://<h>/", "not allowed"},
		{"http://h%C3%BC/", "not allowed"},
		{"http://b_ü.example/", "no name that IDNA allows (UTS #46): \"b_ü.example\" (idna: disallowed rune U+005F); correct it, or give its ASCII form (xn--…)"},
		{"http://ü℀/", "disallowed rune U+2100"},
		{"http://ü／/", "disallowed rune U+FF0F"},
		{"http://h：80/", "disallowed rune U+FF1A"},
		{"http://-ü/", "IDNA"},
		{"http://xn--a.ü/", "IDNA"},
		{"http://ü\xff/", "not UTF-8"},
		{"http://b\xfccher/", "not UTF-8"}, // Latin-1
		{"http://\u00ad/", "has no host"},
		{"http://\u00ad:80/", "has no host"},
		{"http://ü:８0/", "from 1 to 65535"},
		{"http://[::１]/", "not an IPv6 address"},
		{"http://[ü]/", "not an IPv6 address"},
		{"http://[fe80::1%ü]/", "zone"},
		{"http://::1/", "brackets"},
		{"http://a:1:2/", "too many colons"},
		{"http://[::1/", "not closed"},
		{"http://[::1]x/", "something follows"},
		{"http://[1.2.3.4]/", "not an IPv6 address"},
		{"http://[h]/", "not an IPv6 address"},
		{"http://[]/", "not an IPv6 address"},
		{"http://[fe80::1%25]/", "zone"},
		{"http://[fe80::1%25a/b]/", "not closed"},
		{"http://[fe80::1%25a%0d]/", "zone"},
		{"http://[::1]:0/", "from 1 to 65535"},
	} {
		_, err := Parse(c.raw)
		var input *Error
		if !errors.As(err, &input) || !strings.Contains(err.Error(), c.says) || input.Fix == "" {
			t.Errorf("%q: got %v, want it to say %q", c.raw, err, c.says)
		}
	}
}

func TestURLErrorsHideUserInfo(t *testing.T) {
	for _, raw := range []string{
		"http://user:secret@",
		"http://user:secret@h:0/",
		"http://user:secret@h:secret/",
		"http://user:secret@b ad/",
		"http://user:secret@[::1/",
		"http://user:secret@[secret]/",
		"http://user:secret@b_ü.example/",
		"http://user:secretü/x@h/",
		"http://user:x@ü_secret/",
		"http://üsecret_/x@h/",
		"http://user:secret/x@h/",
		"http://user:secret?x@h/",
		"http://user:secret#x@h/",
		"http://user:sec ret@h@/",
		"http://user:secret@h/\n",
		"ftp://user:secret@h/",
		"user:secret@h/",
		"//user:secret@h/",
		"user:secret://h/",
	} {
		_, err := Parse(raw)
		if err == nil {
			t.Errorf("%q was accepted", raw)
			continue
		}
		if s := err.Error(); strings.Contains(s, "secret") || strings.Contains(s, "sec ret") || strings.Contains(s, "user:") {
			t.Errorf("%q: shown in %q", raw, s)
		}
	}
}

// A URL is kept as it was given only where that is what was sent.
func TestURLKeptAsGiven(t *testing.T) {
	for raw, kept := range map[string]bool{
		"http://h/": true, "https://h:8443/a?b": true, "http://h": false, "http://h:80/": false,
		"HTTP://h/": false, "http://H/": false, "http://h/ä": false, "http://h/#f": false,
		"http://u:p@h/": false, "http://abc@h/%": false, "http://h/a/../b": false, "http://h/.a": true, "http://ü/": false,
	} {
		l, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if l.Is(raw) != kept {
			t.Errorf("%q, sent as %q: kept is %v", raw, &l, !kept)
		}
	}
}

// What needs no change takes no memory, a host in the ASCII form of IDNA included.
func TestURLAllocations(t *testing.T) {
	for _, raw := range []string{
		"http://example.com:8080/a.b/c?d=/../e", "https://xn--bcher-kva.example/a./b..c/",
	} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := Parse(raw); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%q: %v allocations", raw, n)
		}
	}
}

// Invariants: no panic; where the plain way accepts, the other gives the same;
// the target of what is accepted is fit for a request line and has neither a
// fragment nor dot segments; the host is ASCII.
func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"http://example.com/", "https://a.b-c:8443/x/y?z=1&w", "http://h", "http://h:/", "http://h:080/a",
		"http://bü。x/../%2e/a?/..", "http://u:p@h/", "HTTP://[fe80::1%25eth0]:81/ä b%zz#f", "http://h?x", "http://h\\x/", "ftp://x", "http://[::]:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		plain, quick := parsePlain(raw)
		l, err := parseAny(raw)
		if quick && (err != nil || plain != l) {
			t.Fatalf("%q: the plain way gives %+v, the other %+v, %v", raw, plain, l, err)
		}
		if err != nil {
			return
		}
		if !http1.ValidTarget(l.Target) || strings.Contains(l.Target, "#") || l.Target[0] != '/' {
			t.Fatalf("%q: target %q", raw, l.Target)
		}
		if path, _ := cutQuery(l.Target); removeDots(path) != path {
			t.Fatalf("%q: dot segments in %q", raw, l.Target)
		}
		if !http1.ValidTarget(l.Authority) || !isASCII(l.Host) || l.Port == "" || l.Host == "" {
			t.Fatalf("%q: authority %q, host %q, port %q", raw, l.Authority, l.Host, l.Port)
		}
		// What comes out is a URL to net/url too, and comes out as it is again.
		std, err := url.Parse(l.Whole())
		if err != nil || std.Host != l.Authority || std.RequestURI() != l.Target && !strings.HasPrefix(l.Target, "//") {
			t.Fatalf("%q: net/url takes %q for %+v, %v", raw, l.String(), std, err)
		}
		again, err := Parse(l.Whole())
		again.Host = l.Host // a zone is not shown
		l.more = nil
		if err != nil || again != l {
			t.Fatalf("%q: %+v then %+v, %v", raw, l, again, err)
		}
	})
}

func BenchmarkParseURL(b *testing.B) {
	for _, c := range []struct{ name, raw string }{
		{"plain", "http://example.com:8080/path?query=1"},
		{"long", "https://service.internal.example.com/v1/accounts/1234567890/orders/0987654321/items?page=12&size=100&sort=-created"},
		{"dots", "http://example.com/a/./b/../c"},
		{"international", "http://bücher.example/"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(c.raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
