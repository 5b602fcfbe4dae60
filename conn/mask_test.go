package conn

import (
	"strings"
	"testing"
)

// hiding are bodies with the word geheim in them, of which nothing may show.
var hiding = []struct{ name, contentType, in, want string }{
	{"json", "application/json", `{"password":"geheim","user":"joe"}`, `{"password":"***","user":"joe"}`},
	{"a number", "application/json", `{"code":404,"otp": -1.5e3 ,"b":true}`, `{"code":"***","otp": "***","b":true}`},
	{"null", "application/json", `{"password":null}`, `{"password":"***"}`},
	{"an object", "application/json", `{"a":{"secret":{"x":[1,"geheim}"],"\"}":"geheim"}},"b":2}`, `{"a":{"secret":"***"},"b":2}`},
	{"an array", "application/json", "{\"tokens\" :\n [\"geheim\"], \"b\":[1,2]}", "{\"tokens\" :\n \"***\", \"b\":[1,2]}"},
	{"escapes in the name", "application/json", `{"pass\u0077ord": "ge\"heim","b":2}`, `{"pass\u0077ord": "***","b":2}`},
	{"another case", "application/json", `{"APIKey":"geheim","clientSecret":"geheim"}`, `{"APIKey":"***","clientSecret":"***"}`},
	{"a quotation mark before", "application/json", `{"p":"5\" x\\","password":"geheim\\","b":2}`, `{"p":"5\" x\\","password":"***","b":2}`},
	{"json in json", "application/json", `{"body":"{\"password\":\"geheim\",\"b\":{\"otp\":12}}","c":3}`, `{"body":"{\"password\":\"***\",\"b\":{\"otp\":\"***\"}}","c":3}`},
	{"json in json in json", "", `"{\"a\":\"{\\\"key\\\":\\\"geheim\\\",\\\"b\\\":1}\",\"c\":2}"`, `"{\"a\":\"{\\\"key\\\":\\\"***\\\",\\\"b\\\":1}\",\"c\":2}"`},
	{"a url in json", "application/json", `{"url":"http://u:geheim@h/?a=1\u0026token=geheim\u0026b=2","c":3}`, `{"url":"http://***@h/?a=1\u0026token=***\u0026b=2","c":3}`},
	{"escaped slashes", "application/json", `{"url":"http:\/\/u:geheim@h\/"}`, `{"url":"http:\/\/***@h\/"}`},
	{"cut", "application/json", `{"a":1,"password":"gehei`, `{"a":1,"password":"***`},
	{"cut in an object", "application/json", `{"password":{"a":["geheim`, `{"password":"***"`},
	{"a mark too many", "application/json", `{"password":"ge"heim"}` + "\n" + `{"b":2}`, `{"password":"***"` + "\n" + `{"b":2}`},
	{"a mark too few", "application/json", `{"password":"geheim, "user":"joe"}`, `{"password":"***"`},
	{"no mark", "application/json", `{"pin":geheim, geheim, "b":2}`, `{"pin":"***", `},
	{"a comma in a number", "application/json", `{"pin":12,34,"b":2}`, `{"pin":"***",`},
	{"a name without its first mark", "", `{password":"geheim","b":2}`, `{password":"***","b":2}`},
	{"a name without its last mark", "", `{"password:"geheim"`, `{"password:"***"`},
	{"a name without marks", "", `{password:"geheim",b:2}`, `{password:"***"`},
	{"other marks", "", `{'password': 'ge"heim', 'b': 2}`, `{'password': '***', 'b': 2}`},
	{"events", "text/event-stream", "data: {\"token\":\"geheim\"}\n\ndata: {\"a\":1}\n\n", "data: {\"token\":\"***\"}\n\ndata: {\"a\":1}\n\n"},
	{"graphql", "application/json", `{"query":"{ login(password: \"geheim\", a: 1) }","b":2}`, `{"query":"{ login(password: \"***\"","b":2}`},

	{"form", "application/x-www-form-urlencoded", "a=1&password=geheim geheim&b=2", "a=1&password=***&b=2"},
	{"form, encoded", "application/x-www-form-urlencoded", "user%5Bpass%77ord%5D=a%26geheim&b=2", "user%5Bpass%77ord%5D=***&b=2"},
	{"form, odd names", "application/x-www-form-urlencoded", "my (password)=geheim&a:key =geheim&\"pin\"=geheim", "my (password)=***&a:key =***&\"pin\"=***"},
	{"form that does not say so", "", "a=1&password=geheim geheim&b=2", "a=1&password=***&b=2"},
	{"form, no value", "", "password=&user=joe&code", "password=&user=joe&code"},
	{"a url in a form", "", "to=http%3A%2F%2Fu%3Ageheim%40h%2F%3Ftoken%3Dgeheim%26x%3D1&y=2", "to=http%3A%2F%2F***@h%2F%3Ftoken%3D***%26x%3D1&y=2"},
	{"a url in a url in a form", "", "to=http%3A%2F%2Fh%2F%3Fu%3Dhttp%253A%252F%252Fh%252F%253Ftoken%253Dgeheim%2526x%253D1", "to=http%3A%2F%2Fh%2F%3Fu%3Dhttp%253A%252F%252Fh%252F%253Ftoken%253D***%2526x%253D1"},
	{"json in a form", "", "payload=%7B%22token%22%3A%22geheim%22%2C%22b%22%3A2%7D&c=3", "payload=%7B%22token%22%3A%22***%22%2C%22b%22%3A2%7D&c=3"},

	{"an echo", "message/http", "GET /?sig=geheim HTTP/1.1\r\nAuthorization: Bearer geheim\r\n geheim\r\nHost: h\r\n\r\n", "GET /?sig=*** HTTP/1.1\nAuthorization: ***\n***\nHost: h\n\n"},
	{"yaml", "", "secret:\n  a: geheim\n\n  b: geheim\nuser: joe\n", "secret:\n***\n\n***\nuser: joe\n"},
	{"ini", "", "[a]\nuser = joe\npassword = geheim geheim\nhost = h\n", "[a]\nuser = joe\npassword = ***\nhost = h\n"},
	{"xml", "text/xml", `<a><w:Password T="x">geheim<x>geheim</x></w:Password><b>1</b><SecretKey>geheim</SecretKey></a>`, `<a><w:Password ***>***</w:Password><b>1</b><SecretKey>***</SecretKey></a>`},
	{"attributes", "text/html", `<input password="ge heim" user='joe'><a href="http://h/?key=geheim">x</a>`, `<input password="***" user='joe'><a href="http://h/?key=***">x</a>`},
	{"user info", "", "see http://u:geheim@h/p@q, http://geheim@h and http://u:geheim/x@h/ or //u:geheim@h", "see http://***@h/p@q, http://***@h and http://***@h/ or //***@h"},
	{"utf-16", "", wide(`{"pin":"geheim","b":1}`), escaped(wide(`{"pin":"`)[:15]) + "***" + escaped(wide(`","b":1}`))},

	{"multipart", "multipart/form-data; boundary=XX",
		"--XX\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\njoe\r\n--XX\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nge\r\n--X\r\nheim\r\n--XX\r\ncontent-disposition: form-data;\r\n name=api_key\r\n\r\ngeheim\r\n--XX--\r\n",
		"--XX\nContent-Disposition: form-data; name=\"user\"\n\njoe\n--XX\nContent-Disposition: form-data; name=\"password\"\n\n***\n--XX\ncontent-disposition: form-data;\n name=api_key\n\n***\n--XX--\n"},
	{"multipart that does not say so", "",
		"--XX\r\nContent-Disposition: form-data; name=pin\r\n\r\ngeheim\r\n--XX--", "--XX\nContent-Disposition: form-data; name=pin\n\n***\n--XX--"},
	{"multipart with another boundary", "multipart/form-data; boundary=YY",
		"--XX\r\nContent-Disposition: form-data; name=pin\r\n\r\ngeheim\r\n--XX--", "--XX\nContent-Disposition: form-data; name=pin\n\n***\n--XX--"},
	{"json in multipart", "multipart/mixed; boundary=\"X X\"",
		"--X X\r\nContent-Type: application/json\r\nAuthorization: geheim\r\n\r\n{\"otp\":[\"geheim\"]}\r\n--X X--\r\n", "--X X\nContent-Type: application/json\nAuthorization: ***\n\n{\"otp\":\"***\"}\n--X X--\n"},
	{"multipart in multipart", "multipart/mixed; boundary=X",
		"--X\r\nContent-Type: multipart/mixed; boundary=Y\r\n\r\n--Y\r\nContent-Disposition: form-data; name=pin\r\n\r\ngeheim\r\n--Y--\r\n--X--", "--X\nContent-Type: multipart/mixed; boundary=Y\n\n--Y\nContent-Disposition: form-data; name=pin\n\n***\n--Y--\n--X--"},
	{"base64 in multipart", "multipart/mixed; boundary=X", "--X\r\nContent-Transfer-Encoding: base64\r\n\r\ngeheim\r\n--X--", "--X\nContent-Transfer-Encoding: base64\n\n[8 bytes of base64]\n--X--"},

	{"nothing", "application/json", `{"monkey":1,"keyboard":"x","encoded":"=&?","max_tokens":5,"note":"it's http://h:80/a?b=c#d \\o/"}`, `{"monkey":1,"keyboard":"x","encoded":"=&?","max_tokens":5,"note":"it's http://h:80/a?b=c#d \\o/"}`},
	{"text", "text/plain", "a: b\n  c: d = 50%\n<code>x</code> -- \"so\"\n", "a: b\n  c: d = 50%\n<code>x</code> -- \"so\"\n"},
	{"dashes", "", "--\n- a\n--x\n", "--\n- a\n--x\n"},
	{"bytes", "", "\x00\x01a\xff\x1b[0m\u200b é\r\n\r", `\x00\x01a\xff\x1b[0m\xe2\x80\x8b é` + "\n" + `\x0d`},
}

// An error's text keeps its sentence, and no secret.
func TestMaskText(t *testing.T) {
	for in, want := range map[string]string{
		`the part "password": reading the body: unexpected EOF`:                        `the part "password": reading the body: unexpected EOF`,
		`the part "token": "geheim" can't be used`:                                     `the part "token": "***" can't be used`,
		`Get "http://u:geheim@h/?key=geheim&a=b": dial tcp: lookup auth: no such host`: `Get "http://***@h/?key=***&a=b": dial tcp: lookup auth: no such host`,
		`the server said {"otp": 12, "secret":{"a":"geheim"}, "b":1}`:                  `the server said {"otp": "***", "secret":"***", "b":1}`,
		`<key> is missing in token=geheim, and in b=c`:                                 `<key> is missing in token=*** and in b=c`,
		`"key": `:                              `"key": `,
		`(see http://h:80), http://h:8080; so`: `(see http://h:80), http://h:8080; so`,
		`http://u:12,3/4geheim@h`:              `http://***@h`,
	} {
		if got := MaskText(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func wide(s string) string {
	var w strings.Builder
	for _, c := range []byte(s) {
		w.WriteByte(c)
		w.WriteByte(0)
	}
	return w.String()
}

func escaped(s string) string { return strings.ReplaceAll(s, "\x00", `\x00`) }

// show masks a body that comes in these pieces.
func show(contentType string, pieces ...string) string {
	var b bodyMasker
	b.start(&bodyHeader{contentType: contentType}, 0)
	var got []byte
	for _, p := range pieces {
		got = b.appendTo(got, []byte(p))
	}
	return string(b.end(got, false))
}

// Bodies come out alike in one piece, byte by byte and cut anywhere, and no secret of theirs.
func TestMaskBodies(t *testing.T) {
	for _, tc := range hiding {
		t.Run(tc.name, func(t *testing.T) {
			if got := show(tc.contentType, tc.in); got != tc.want {
				t.Fatalf("got\n%s, want\n%s", got, tc.want)
			}
			if strings.Contains(tc.want, "geh") || strings.Contains(tc.want, "heim") {
				t.Fatal("the secret is wanted")
			}
			if got := show(tc.contentType, strings.Split(tc.in, "")...); got != tc.want {
				t.Errorf("byte by byte\n%s, want\n%s", got, tc.want)
			}
			for i := range tc.in {
				if got := show(tc.contentType, tc.in[:i], tc.in[i:]); got != tc.want {
					t.Errorf("cut at %d\n%s, want\n%s", i, got, tc.want)
				}
				var b bodyMasker
				b.start(&bodyHeader{contentType: tc.contentType}, 0)
				if got := string(b.end(b.appendTo(nil, []byte(tc.in[:i])), true)); strings.Contains(got, "geh") {
					t.Errorf("ended at %d\n%s", i, got)
				}
			}
		})
	}
}

// What a body is masked with has its bounds, however long a name, a line or user info is.
func TestMaskIsBounded(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for name, in := range map[string]string{
		"a name": `{"` + long + `":"geheim"}`, "a form's name": long + "=geheim", "a bare name": "a b" + long + ": geheim\n",
		"user info": "http://u" + long + ":geheim@h", "an indent": "key: geheim\n" + strings.Repeat(" ", 100_000) + "geheim",
		"backslashes": `{"a` + strings.Repeat(`\`, 99_999) + `":1,"pin":"geheim"}`, "percents": "a=%" + strings.Repeat("25", 50_000) + "&pin=geheim",
		"a header of a part": "--X\r\nContent-Type: " + long + "\r\nX-Key: geheim\r\n\r\n", "a boundary": "--" + long + "\r\nkey=geheim",
		"nesting": `{"key":` + strings.Repeat("[", 100_000) + `"geheim"`,
	} {
		var b bodyMasker
		b.start(&bodyHeader{}, 0)
		got := string(b.end(b.appendTo(nil, []byte(in)), false))
		if strings.Contains(got, "geheim") {
			t.Errorf("%s: ...%s", name, got[max(0, len(got)-100):])
		}
		if n := cap(b.text.hold) + cap(b.text.lex.raw) + cap(b.text.marks); n > 4*maxHold {
			t.Errorf("%s: %d bytes are kept", name, n)
		}
		if b.parts != nil && cap(b.parts.line) > 2*maxPartLine {
			t.Errorf("%s: a line of %d bytes is kept", name, cap(b.parts.line))
		}
	}
}

func TestMaskURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://h/a?b=c&d=e":                       "http://h/a?b=c&d=e",
		"http://h/?access_token=geheim&x=1":        "http://h/?access_token=***&x=1",
		"http://h/?X-Amz-Signature=geheim&sig=a#b": "http://h/?X-Amz-Signature=***&sig=***#b",
		"http://h/?a=1&p%61ssword=ge heim'\"<":     "http://h/?a=1&p%61ssword=***",
		"http://h/#id_token=geheim":                "http://h/#id_token=***",
		"http://u:geheim@h:80/":                    "http://***@h:80/",
		"//u:gehe im@h/":                           "//***@h/",
		"/cb?code=geheim&state=1":                  "/cb?code=***&state=1",
		"/?to=http%3A%2F%2Fh%3Fkey%3Dgeheim&x=1":   "/?to=http%3A%2F%2Fh%3Fkey%3D***&x=1",
		"http://[::1]:80/a@b:c":                    "http://[::1]:80/a@b:c",
	} {
		if got := MaskURL(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
		if got := MaskURL(want); got != want {
			t.Errorf("%s, masked again: %s", want, got)
		}
	}
}

var maskedHeads = []struct{ name, in, want string }{
	{"nothing to hide", "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a?b HTTP/1.1\nHost: h\n\n"},
	{"credentials", "GET / HTTP/1.1\r\nAuthorization: Basic geheim\r\nHost: h\r\nproxy-authorization:geheim\r\nX-AUTHORIZATION:\tgeheim\r\n\r\n",
		"GET / HTTP/1.1\nAuthorization: ***\nHost: h\nproxy-authorization: ***\nX-AUTHORIZATION: ***\n\n"},
	{"cookies", "HTTP/1.1 200 OK\r\nSet-Cookie: a=geheim; Path=/\r\nSet-Cookie: b=geheim\r\nServer: x\r\n\r\n",
		"HTTP/1.1 200 OK\nSet-Cookie: ***\nSet-Cookie: ***\nServer: x\n\n"},
	{"vendors' fields", "GET / HTTP/1.1\r\nX-Api-Key: geheim\r\nX-AUTH-TOKEN: geheim\r\nX-Amz-Security-Token:\r\n\r\n",
		"GET / HTTP/1.1\nX-Api-Key: ***\nX-AUTH-TOKEN: ***\nX-Amz-Security-Token: ***\n\n"},
	{"a challenge", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\r\n",
		"HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Basic realm=\"a\"\n\n"},
	{"folded", "HTTP/1.1 200 OK\nSet-Cookie: a\n =geheim\n\tgeheim\nServer: x\n y\n\n",
		"HTTP/1.1 200 OK\nSet-Cookie: ***\n ***\n ***\nServer: x\n y\n\n"},
	{"space before the colon", "HTTP/1.1 200 OK\nSet-Cookie : geheim\n\n", "HTTP/1.1 200 OK\nSet-Cookie : ***\n\n"},
	{"no start line", "Set-Cookie: geheim\n\n", "Set-Cookie: ***\n\n"},
	{"user info", "GET http://u:geheim@h/p@q HTTP/1.1\r\nReferer: https://geheim@h\r\nX: http://h/ http://geheim@x:y@h http://h\r\n\r\n",
		"GET http://***@h/p@q HTTP/1.1\nReferer: https://***@h\nX: http://h/ http://***@h http://h\n\n"},
	{"queries", "GET /?key=geheim&a=b HTTP/1.1\r\nReferer: http://h/?token=ge heim\r\nLink: <http://h/?sig=geheim>; rel=next\r\nHost: auth:8080\r\n\r\n",
		"GET /?key=***&a=b HTTP/1.1\nReferer: http://h/?token=***\nLink: <http://h/?sig=*** rel=next\nHost: auth:8080\n\n"},
	{"not printable", "GET /\x00\x1b[31m\u200b é\xff HTTP/1.1\r\nA: b\rc\r\n\r\n",
		`GET /\x00\x1b[31m\xe2\x80\x8b é\xff HTTP/1.1` + "\n" + `A: b\x0dc` + "\n\n"},
}

func TestMaskHeads(t *testing.T) {
	for _, tc := range maskedHeads {
		t.Run(tc.name, func(t *testing.T) {
			var m headMasker
			if got := string(m.appendHead(nil, []byte(tc.in), false)); got != tc.want {
				t.Errorf("got\n%q, want\n%q", got, tc.want)
			}
			for cut := range tc.in {
				var m headMasker
				if half := string(m.appendHead(nil, []byte(tc.in[:cut]), true)); strings.Contains(half, "geh") || strings.Contains(half, "heim") {
					t.Errorf("ended at %d: %q", cut, half)
				}
			}
		})
	}
}
