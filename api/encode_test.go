package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/actors"
)

// encode makes the head and body that a call would send.
func encode(method, url string, oneShot bool, opts ...Option) (*actors.Call, error) {
	r := newRequest(&Session{oneShot: oneShot}, new(actors.Call))
	r.call.Method = method
	err := r.prepare(url, opts)
	if err == nil {
		err = r.encode()
	}
	return r.call, err
}

const (
	plainHead = "Host: h\r\nUser-Agent: troupe\r\nAccept: */*\r\n" + codingsLine

	codingsLine = "Accept-Encoding: gzip, deflate, br, zstd\r\n"
)

func TestHead(t *testing.T) {
	for _, c := range []struct {
		name, method, url string
		opts              []Option
		want              string // between the request line and the empty line
		line              string // empty: METHOD / HTTP/1.1
	}{
		{"plain", "GET", "http://h/", nil, plainHead, ""},
		{"nil option", "GET", "http://h/", []Option{nil, (*Connection)(nil), (*Lease)(nil), Params(nil), Headers(nil), Data(nil),
			Query(nil), HeaderValues(nil), Form(nil), Body(nil), TLS(nil)}, plainHead, ""},
		{"port", "GET", "http://h:81/", nil, "Host: h:81\r\nUser-Agent: troupe\r\nAccept: */*\r\n" + codingsLine, ""},
		{"fragment", "GET", "http://h/a#b", nil, plainHead, "GET /a HTTP/1.1"},
		{"params", "GET", "http://h/p", []Option{Params{"b": "2 3", "a": "ä&="}}, plainHead, "GET /p?a=%C3%A4%26%3D&b=2+3 HTTP/1.1"},
		{"params behind a query", "GET", "http://h/p?x=1", []Option{Params{"a": "b"}}, plainHead, "GET /p?x=1&a=b HTTP/1.1"},
		{"params behind an empty query", "GET", "http://h/p?", []Option{Params{"a": "b"}}, plainHead, "GET /p?a=b HTTP/1.1"},
		{"params before the fragment", "GET", "http://h/p#f", []Option{Params{"a": "b"}}, plainHead, "GET /p?a=b HTTP/1.1"},
		{"params twice", "GET", "http://h/", []Option{Params{"a": "1", "b": "1"}, Params{"a": "2"}}, plainHead, "GET /?a=2&b=1 HTTP/1.1"},
		{"empty params", "GET", "http://h/", []Option{Params{}}, plainHead, ""},
		{"query", "GET", "http://h/", []Option{Query(url.Values{"a": {"2", "1"}, "B": {""}}), Params{"z": "0"}}, plainHead, "GET /?z=0&B=&a=2&a=1 HTTP/1.1"},
		{"headers sorted, case kept", "GET", "http://h/", []Option{Headers{"x-b": "2", "X-a": "1", "X-B": "3"}},
			plainHead + "X-B: 3\r\nX-a: 1\r\nx-b: 2\r\n", ""},
		{"headers override", "GET", "http://h/", []Option{Headers{"user-agent": "me", "ACCEPT": "text/plain"}},
			"Host: h\r\n" + codingsLine + "ACCEPT: text/plain\r\nuser-agent: me\r\n", ""},
		{"no user agent", "GET", "http://h/", []Option{Headers{"User-Agent": ""}}, "Host: h\r\nAccept: */*\r\n" + codingsLine, ""},
		{"empty header", "GET", "http://h/", []Option{Headers{"X-Empty": ""}}, plainHead + "X-Empty: \r\n", ""},
		{"header values", "GET", "http://h/", []Option{HeaderValues(http.Header{"X-V": {"1", "2"}, "Accept": nil}), Headers{"X-V": "0"}},
			"Host: h\r\nUser-Agent: troupe\r\n" + codingsLine + "X-V: 0\r\nX-V: 1\r\nX-V: 2\r\n", ""},
		{"latin-1 value", "GET", "http://h/", []Option{Headers{"X": "\xe4\tb"}}, plainHead + "X: \xe4\tb\r\n", ""},
		{"host", "GET", "http://h/", []Option{Host("Other.example:8080")}, "Host: Other.example:8080\r\nUser-Agent: troupe\r\nAccept: */*\r\n" + codingsLine, ""},
		{"user info", "GET", "http://Aladdin:open%20sesame@h/", nil, plainHead + "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", ""},
		{"basic", "GET", "http://x:y@h/", []Option{BasicAuth("Aladdin", "open sesame")}, plainHead + "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", ""},
		{"bearer", "GET", "http://x:y@h/", []Option{Bearer("abc")}, plainHead + "Authorization: Bearer abc\r\n", ""},
		{"own authorization", "GET", "http://x:y@h/", []Option{Bearer("abc"), Headers{"authorization": "mine"}}, plainHead + "authorization: mine\r\n", ""},
		{"post", "POST", "http://h/", nil, plainHead + "Content-Length: 0\r\n", ""},
		{"put", "PUT", "http://h/", nil, plainHead + "Content-Length: 0\r\n", ""},
		{"patch", "PATCH", "http://h/", nil, plainHead + "Content-Length: 0\r\n", ""},
		{"delete", "DELETE", "http://h/", nil, plainHead, ""},
		{"lower case", "delete", "http://h/", nil, plainHead, "DELETE / HTTP/1.1"},
		{"unknown method", "Purge", "http://h/", nil, plainHead, ""},
		{"upgrade and TE pass", "GET", "http://h/", []Option{Headers{"Upgrade": "x", "TE": "trailers", "Expect": "else"}},
			plainHead + "Expect: else\r\nTE: trailers\r\nUpgrade: x\r\n", ""},
		{"no redirect", "GET", "http://h/", []Option{NoRedirect()}, plainHead, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			call, err := encode(c.method, c.url, false, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if c.line == "" {
				c.line = c.method + " / HTTP/1.1"
			}
			if got, want := string(call.Head), c.line+"\r\n"+c.want+"\r\n"; got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestOneShotConnectionHeader(t *testing.T) {
	for _, c := range []struct {
		opts []Option
		want string
	}{
		{nil, plainHead + "Connection: close\r\n"},
		{[]Option{Headers{"connection": "Keep-Alive"}}, plainHead + "connection: Keep-Alive\r\n"},
		{[]Option{HeaderValues(http.Header{"Connection": nil})}, plainHead},
	} {
		call, err := encode("GET", "http://h/", true, c.opts...)
		if got, want := string(call.Head), "GET / HTTP/1.1\r\n"+c.want+"\r\n"; err != nil || got != want {
			t.Errorf("got %q, %v\nwant %q", got, err, want)
		}
	}
}

func TestReservedHeaders(t *testing.T) {
	for _, name := range []string{"Host", "hOST", "Content-Length", "content-length", "Transfer-Encoding", "TRANSFER-ENCODING"} {
		for _, o := range []Option{Headers{name: "1"}, HeaderValues(http.Header{name: {"1"}}), HeaderValues(http.Header{name: nil})} {
			_, err := encode("GET", "http://h/", false, o)
			var input *InputError
			if !errors.Is(err, ErrReservedHeader) || !errors.As(err, &input) || !strings.Contains(err.Error(), name) {
				t.Errorf("%T %q: got %v", o, name, err)
			}
		}
	}
}

// unmarshalable can't become JSON; it tells whether it was asked to.
type unmarshalable struct{ asked *bool }

func (u unmarshalable) MarshalJSON() ([]byte, error) {
	if u.asked != nil {
		*u.asked = true
	}
	return nil, errors.New("no")
}

// TestInputErrors: each names the field, and the server is sent nothing, in a
// session as in a one-shot call.
func TestInputErrors(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{})
	reader := strings.NewReader("x")
	for _, c := range []struct {
		name, field, says string
		opts              []Option
	}{
		{"line in a value", "Headers", `"X"`, []Option{Headers{"X": "a\r\nY: b"}}},
		{"lone CR", "Headers", `"X"`, []Option{Headers{"X": "a\rb"}}},
		{"lone LF in values", "Headers", `"X"`, []Option{HeaderValues(http.Header{"X": {"fine", "a\nb"}})}},
		{"NUL", "Headers", `"X"`, []Option{Headers{"X": "\x00"}}},
		{"line in a name", "Headers", "header name", []Option{Headers{"X: a\r\nY": "b"}}},
		{"space in a name", "Headers", "header name", []Option{Headers{"X Y": "b"}}},
		{"colon in a name", "Headers", "header name", []Option{Headers{"X:": "b"}}},
		{"empty name", "Headers", "header name", []Option{Headers{"": "b"}}},
		{"unicode name", "Headers", "header name", []Option{Headers{"Ä": "b"}}},
		{"host", "Host", "not allowed", []Option{Host("a/b")}},
		{"host injects", "Host", "not allowed", []Option{Host("a\r\nX: y")}},
		{"empty host", "Host", "has no host", []Option{Host("")}},
		{"host port", "Host", "65535", []Option{Host("a:0")}},
		{"timeout 0", "Timeout", "more than zero", []Option{Timeout(0)}},
		{"timeout negative", "Timeout", "more than zero", []Option{Timeout(-time.Second)}},
		{"stream without function", "Stream", "no function", []Option{Stream(nil, 5)}},
		{"JSON", "JSON", "can't be encoded", []Option{JSON(make(chan int))}},
		{"JSON of the user's", "JSON", "can't be encoded", []Option{JSON(unmarshalable{})}},
		{"Body and Data", "Body", "Data", []Option{Body(reader), Data{"a": "b"}}},
		{"Body and Form", "Body", "Form", []Option{Form(url.Values{}), Body(reader)}},
		{"Body and JSON", "Body", "JSON", []Option{JSON(1), Body(reader)}},
		{"MIMEType", "MIMEType", "Upload alone", []Option{MIMEType("a/b")}},
		{"Method", "Method", "Upload alone", []Option{Method("PUT")}},
		{"both authorizations", "BasicAuth", "Bearer", []Option{BasicAuth("a", "b"), Bearer("c")}},
		{"colon in user", "BasicAuth", "colon", []Option{BasicAuth("a:b", "c")}},
		{"line in password", "BasicAuth", "control", []Option{BasicAuth("a", "c\n")}},
		{"line in token", "Bearer", "control", []Option{Bearer("a\r\nX: y")}},
		{"empty token", "Bearer", "empty", []Option{Bearer("")}},
		{"zero connection", "Connection", "Response.Connection", []Option{new(Connection)}},
		{"zero lease", "Lease", "Session.Lease", []Option{new(Lease)}},
		{"first of two faults", "Timeout", "more than zero", []Option{Timeout(0), Stream(nil, 0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, get := range []func(context.Context, string, ...Option) (*Response, error){Get, session.Get} {
				resp, err := get(t.Context(), server.URL, c.opts...)
				var input *InputError
				if resp != nil || !errors.As(err, &input) || input.Field != c.field || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, %v; want field %q, saying %q", resp, err, c.field, c.says)
				}
			}
		})
	}
	if n := server.opened(); n != 0 {
		t.Errorf("%d connections were opened", n)
	}
}

func TestMethodErrors(t *testing.T) {
	for _, method := range []string{"", "A B", "GET\r\n", "CONNECT", "connect", "Ä"} {
		_, err := Request(t.Context(), method, "http://h/")
		var input *InputError
		if !errors.As(err, &input) || input.Field != "method" {
			t.Errorf("%q: got %v", method, err)
		}
	}
	_, err := Request(t.Context(), "trace", "http://h/", Body(strings.NewReader("x")))
	var input *InputError
	if !errors.As(err, &input) || input.Field != "Body" {
		t.Errorf("TRACE with a body: got %v", err)
	}
}

func TestNilContext(t *testing.T) {
	var none context.Context
	s := newSession(t, Config{})
	_, err1 := Get(none, "http://h/")
	_, err2 := s.Get(none, "http://h/")
	_, err3 := s.Lease(none, "http://h/")
	for i, err := range []error{err1, err2, err3, s.Shutdown(none), Shutdown(none)} {
		var input *InputError
		if !errors.As(err, &input) || input.Field != "ctx" {
			t.Errorf("%d: got %v", i, err)
		}
	}
}

// TestSecretsStayOut: no error about a call shows what its headers and
// credentials hold.
func TestSecretsStayOut(t *testing.T) {
	for _, o := range []Option{
		Headers{"X": "s3cret\n"}, Headers{"X: s3cret": "s3cret"}, Headers{"Host": "s3cret"},
		BasicAuth("u", "s3cret\n"), Bearer("s3cret\n"),
	} {
		_, err := encode("GET", "http://u:s3cret@h/", false, o)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%T: got %v", o, err)
		}
	}
}

// Invariant: whatever parameters, headers and form a call is given, its bytes are
// an error or exactly one request to net/http, which has them.
func FuzzHead(f *testing.F) {
	f.Add("/p?q#f", "key", "value", "X-Name", "value", "POST", "field")
	f.Add("/ ", "a\r\n", "&=", "Connection", "close, x", "GET", "")
	f.Add("", "", "\x00", "A", " a\tb ", "x", "ä")
	f.Fuzz(func(t *testing.T, path, key, value, name, header, method, form string) {
		call, err := encode(method, "http://h/"+path, false, Params{key: value}, Headers{name: header}, Data{form: value})
		if err != nil {
			return
		}
		in := bufio.NewReader(io.MultiReader(bytes.NewReader(call.Head), bytes.NewReader(call.Body.Bytes)))
		req, err := http.ReadRequest(in)
		if err != nil {
			if strings.EqualFold(name, "Trailer") {
				return // net/http judges its value, which is the caller's affair
			}
			t.Fatalf("%q: %v", call.Head, err)
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Fatal(err)
		}
		if rest, _ := io.ReadAll(in); len(rest) != 0 || string(body) != string(call.Body.Bytes) {
			t.Fatalf("%q: body %q, then %q", call.Head, body, rest)
		}
		if req.Host != "h" || req.Method != call.Method {
			t.Fatalf("%q: method %q, host %q", call.Head, req.Method, req.Host)
		}
		if got := req.URL.Query()[key]; !strings.ContainsAny(req.URL.RawQuery, ";") && (len(got) == 0 || got[len(got)-1] != value) {
			t.Fatalf("%q: parameter %q is %q, not %q", call.Head, key, got, value)
		}
		if got := req.Header.Values(name); header != "" && (len(got) == 0 || got[len(got)-1] != strings.Trim(header, " \t")) {
			t.Fatalf("%q: header %q is %q, not %q", call.Head, name, got, header)
		}
		if got, err := url.ParseQuery(string(body)); err != nil || got.Get(form) != value {
			t.Fatalf("form %q, %v", got, err)
		}
	})
}

func TestHostOptionSendsNoZoneAndNoEmptyPort(t *testing.T) {
	if _, err := encode("GET", "http://h/", false, Host("[fe80::1%25eth0]")); err == nil {
		t.Error("a zone was accepted")
	}
	call, err := encode("GET", "http://h/", false, Host("a:"))
	if err != nil || !bytes.Contains(call.Head, []byte("\r\nHost: a\r\n")) {
		t.Errorf("%q, %v", call.Head, err)
	}
}
