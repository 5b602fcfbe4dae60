package tests

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

const (
	ok200   = "HTTP/1.1 200 OK\r\n"
	inParts = ok200 + "Transfer-Encoding: chunked\r\n\r\n"
)

// answered are the bytes of one answer and what must become of them.
type answered struct {
	name   string
	method string // empty: GET
	bytes  string
	want   string // the body
	kept   bool   // the next call goes over the same connection
	closes bool   // the server closes behind them
}

// good checks answers that are to be taken.
func good(t *testing.T, cases []answered) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t)
			answer := says(c.bytes)
			if c.closes {
				answer = raw(c.bytes)
			}
			url := o.route("/answer", answer)
			if c.method == "" {
				c.method = "GET"
			}
			s := newSession(t, api.Config{})
			resp, err := s.Request(soon(t), c.method, url)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Text() != c.want {
				t.Errorf("the body is %.40q, want %.40q", resp.Text(), c.want)
			}
			wantOver(t, s, o, map[bool]int{true: 1, false: 2}[c.kept])
		})
	}
}

// bad checks answers that are a ProtocolError and end their connection. The server
// leaves the closing to the client.
func bad(t *testing.T, cases map[string]string) {
	for name, bytes := range cases {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t)
			url := o.route("/answer", says(bytes))
			s := newSession(t, api.Config{})
			resp, err := s.Get(soon(t), url)
			if resp != nil {
				t.Errorf("answered %d %.40q", resp.Status(), resp.Text())
			}
			wantProtocolError(t, err)
			wantClosed(t, o)
			wantOver(t, s, o, 2)
		})
	}
}

func bodyLengthOrder(t *testing.T) {
	good(t, []answered{
		{name: "HEAD, a length", method: "HEAD", bytes: ok200 + "Content-Length: 5\r\n\r\n", kept: true},
		{name: "HEAD, chunks", method: "HEAD", bytes: inParts, kept: true},
		{name: "HEAD, nothing said", method: "HEAD", bytes: ok200 + "\r\n", kept: true},
		{name: "1xx, a length", bytes: "HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\n" + answerOf("hello"), want: "hello", kept: true},
		{name: "204, a length", bytes: "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", kept: true},
		{name: "204, chunks", bytes: "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n", kept: true},
		{name: "304, a length", bytes: "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", kept: true},
		{name: "304, nothing said", bytes: "HTTP/1.1 304 x\r\n\r\n", kept: true},
		{name: "304, a body", bytes: "HTTP/1.1 304 x\r\nContent-Length: 6\r\n\r\npoison"},
		{name: "chunks", bytes: inParts + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", want: "hello", kept: true},
		{name: "chunks and more", bytes: inParts + "5\r\nhello\r\n0\r\n\r\npoison", want: "hello"},
		{name: "a length", bytes: ok200 + "Content-Length: 5\r\n\r\nhello", want: "hello", kept: true},
		{name: "a length of zero", bytes: ok200 + "Content-Length: 0\r\n\r\n", kept: true},
		{name: "a length and more", bytes: ok200 + "Content-Length: 5\r\n\r\nhellopoison", want: "hello"},
		{name: "until close", bytes: ok200 + "\r\nhello", want: "hello", closes: true},
		{name: "until close, keep-alive", bytes: ok200 + "Connection: keep-alive\r\n\r\nhello", want: "hello", closes: true},
		{name: "POST, until close", method: "POST", bytes: ok200 + "\r\n", closes: true},
	})
}

func framingConflicts(t *testing.T) {
	bad(t, map[string]string{
		"both":                    ok200 + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"both, the other way":     ok200 + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"lengths that differ":     ok200 + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"a list that disagrees":   ok200 + "Content-Length: 5, 6\r\n\r\nhello",
		"differently spelled":     ok200 + "Content-Length: 5, 05\r\n\r\nhello",
		"a plus":                  ok200 + "Content-Length: +5\r\n\r\nhello",
		"a minus":                 ok200 + "Content-Length: -5\r\n\r\nhello",
		"a space within":          ok200 + "Content-Length: 5 0\r\n\r\nhello",
		"hexadecimal":             ok200 + "Content-Length: 0x5\r\n\r\nhello",
		"empty":                   ok200 + "Content-Length:\r\n\r\n",
		"an empty member":         ok200 + "Content-Length: 5,\r\n\r\nhello",
		"beyond all numbers":      ok200 + "Content-Length: 9223372036854775808\r\n\r\n",
		"chunked twice":           ok200 + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		"chunked twice, lines":    ok200 + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunked not last":        ok200 + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
		"without chunked":         ok200 + "Transfer-Encoding: identity\r\n\r\n",
		"a coding before chunked": ok200 + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"an empty coding":         ok200 + "Transfer-Encoding:\r\n\r\n",
		"HTTP/1.0 and chunked":    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n",
	})
	good(t, []answered{
		{name: "the same length twice", bytes: ok200 + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", want: "hello", kept: true},
		{name: "the same length in a list", bytes: ok200 + "Content-Length: 5, 5\r\n\r\nhello", want: "hello", kept: true},
		{name: "chunked in capitals", bytes: ok200 + "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", kept: true},
	})
}

func chunkSizes(t *testing.T) {
	const last = "0\r\n\r\n"
	long := strings.Repeat("x", 5000)
	bad(t, map[string]string{
		"a plus":                inParts + "+5\r\nhello\r\n" + last,
		"a minus":               inParts + "-5\r\nhello\r\n" + last,
		"0x":                    inParts + "0x5\r\nhello\r\n" + last,
		"a space before":        inParts + " 5\r\nhello\r\n" + last,
		"a letter":              inParts + "g\r\nhello\r\n" + last,
		"none":                  inParts + "\r\nhello\r\n" + last,
		"only an extension":     inParts + ";a=b\r\nhello\r\n" + last,
		"more than 63 bits":     inParts + "8000000000000000\r\nhello\r\n" + last,
		"more than 16 digits":   inParts + "00000000000000005\r\nhello\r\n" + last,
		"LF behind the size":    inParts + "5\nhello\r\n" + last,
		"CR alone":              inParts + "5\rhello\r\n" + last,
		"LF behind the data":    inParts + "5\r\nhello\n" + last,
		"nothing behind it":     inParts + "5\r\nhello" + last,
		"more than it says":     inParts + "5\r\nhello!\r\n" + last,
		"a long extension":      inParts + "5;" + long + "\r\nhello\r\n" + last,
		"long extensions":       inParts + strings.Repeat("1;"+long[:4000]+"\r\na\r\n", 5) + last,
		"NUL in an extension":   inParts + "5;a\x00\r\nhello\r\n" + last,
		"LF behind a trailer":   inParts + "0\r\nA: b\n\r\n",
		"a trailer of no field": inParts + "0\r\nA b\r\n\r\n",
		"long trailers":         inParts + "0\r\n" + strings.Repeat("A: "+long+"\r\n", 14) + "\r\n",
		"many trailers":         inParts + "0\r\n" + strings.Repeat("A: b\r\n", 251) + "\r\n",
	})
	good(t, []answered{
		{name: "lower case", bytes: inParts + "a\r\n0123456789\r\n" + last, want: "0123456789", kept: true},
		{name: "capitals and zeros", bytes: inParts + "000A\r\n0123456789\r\n000\r\n\r\n", want: "0123456789", kept: true},
		{name: "extensions", bytes: inParts + "5 ;a=b;c=\"d\";e\r\nhello\r\n0;f\r\n\r\n", want: "hello", kept: true},
		{name: "extensions of chunks that pay for them", bytes: inParts + strings.Repeat("100;"+long[:200]+"\r\n"+long[:0x100]+"\r\n", 100) + last, want: strings.Repeat("x", 25600), kept: true},
		{name: "trailers", bytes: inParts + "5\r\nhello\r\n0\r\nA: b\r\nContent-Length: 99\r\n\r\n", want: "hello", kept: true},
	})
	t.Run("trailers are no headers", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/answer", says(ok200+"A: head\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: trailer\r\nSet-Cookie: x=y\r\n\r\n"))
		s := newSession(t, api.Config{})
		resp, err := s.Get(soon(t), url)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(resp.Headers()); got != "map[A:[head] Transfer-Encoding:[chunked]]" {
			t.Errorf("headers are %s", got)
		}
	})
}

func headSyntax(t *testing.T) {
	const rest = "Content-Length: 2\r\n\r\nok"
	bad(t, map[string]string{
		"a space before the colon": ok200 + "A : b\r\n" + rest,
		"a tab before the colon":   ok200 + "A\t: b\r\n" + rest,
		"no name":                  ok200 + ": b\r\n" + rest,
		"no colon":                 ok200 + "A b\r\n" + rest,
		"a line before the fields": ok200 + " A: b\r\n" + rest,
		"CR in a value":            ok200 + "A: b\rc\r\n" + rest,
		"CR in a name":             ok200 + "A\rB: c\r\n" + rest,
		"CR in the status line":    "HTTP/1.1 200 O\rK\r\n" + rest,
		"CR twice":                 ok200 + "A: b\r\r\n" + rest,
		"NUL in a value":           ok200 + "A: b\x00c\r\n" + rest,
		"NUL in a name":            ok200 + "A\x00: b\r\n" + rest,
		"NUL in the status line":   "HTTP/1.1 200 O\x00K\r\n" + rest,
		"two spaces":               "HTTP/1.1  200 OK\r\n" + rest,
		"a tab":                    "HTTP/1.1\t200 OK\r\n" + rest,
		"two digits":               "HTTP/1.1 20 OK\r\n" + rest,
		"four digits":              "HTTP/1.1 2000 OK\r\n" + rest,
		"a sign":                   "HTTP/1.1 +20 OK\r\n" + rest,
		"099":                      "HTTP/1.1 099 OK\r\n" + rest,
		"HTTP/2.0":                 "HTTP/2.0 200 OK\r\n" + rest,
		"HTTP/0.9":                 "HTTP/0.9 200 OK\r\n" + rest,
		"HTTP/1":                   "HTTP/1 200 OK\r\n" + rest,
		"HTTP/1.10":                "HTTP/1.10 200 OK\r\n" + rest,
		"lower case":               "http/1.1 200 OK\r\n" + rest,
		"a space before it":        " HTTP/1.1 200 OK\r\n" + rest,
	})
	good(t, []answered{
		{name: "bare LF", bytes: "HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nok", want: "ok", kept: true},
		{name: "HTTP/1.9 is HTTP/1.1", bytes: "HTTP/1.9 200 OK\r\n" + rest, want: "ok", kept: true},
		{name: "no reason", bytes: "HTTP/1.1 200 \r\n" + rest, want: "ok", kept: true},
		{name: "no space behind the status", bytes: "HTTP/1.1 200\r\n" + rest, want: "ok", kept: true},
	})
	t.Run("obs-fold is a space", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/answer", says(ok200+"A: b\r\n \t c\r\nContent-Length:\r\n 2\r\n\r\nok"))
		s := newSession(t, api.Config{})
		resp, err := s.Get(soon(t), url)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(resp.Header("A")), " "); got != "b c" || strings.ContainsAny(resp.Header("A"), "\r\n") || resp.Text() != "ok" {
			t.Errorf("the value is %q, the body %q", resp.Header("A"), resp.Text())
		}
		wantOver(t, s, o, 1)
	})
}

// cutShort: however it is read, the caller never takes a part for the whole.
func cutShort(t *testing.T) {
	half := gzipped(strings.Repeat("hello ", 1000))
	half = half[:len(half)-10]
	cases := map[string]string{
		"a length":             ok200 + "Content-Length: 9\r\n\r\nhello",
		"a length, and none":   ok200 + "Content-Length: 9\r\n\r\n",
		"no last chunk":        inParts + "5\r\nhello\r\n",
		"within a chunk":       inParts + "9\r\nhello",
		"within its size":      inParts + "5\r\nhello\r\n1",
		"within the last":      inParts + "5\r\nhello\r\n0\r\n",
		"a coding within":      ok200 + "Content-Encoding: gzip\r\nContent-Length: " + fmt.Sprint(len(half)) + "\r\n\r\n" + half,
		"a coding until close": ok200 + "Content-Encoding: gzip\r\n\r\n" + half,
	}
	reading := map[string]func(s *api.Session, url string) error{
		"whole": func(s *api.Session, url string) error { return second(s.Get(t.Context(), url)) },
		"Stream": func(s *api.Session, url string) error {
			return second(s.Get(t.Context(), url, api.Stream(func([]byte) error { return nil }, 2)))
		},
		"StreamBody": func(s *api.Session, url string) error {
			resp, err := s.Get(t.Context(), url, api.StreamBody())
			if err != nil {
				return err
			}
			_, err = io.ReadAll(resp.Body())
			return err
		},
	}
	for name, bytes := range cases {
		for how, read := range reading {
			t.Run(name+", "+how, func(t *testing.T) {
				o := newOrigin(t)
				url := o.route("/answer", raw(bytes))
				s := newSession(t, api.Config{})
				if e := wantIOError(t, read(s, url)); e.Op != api.OpRead || e.Sent != api.SentAll || e.Timeout() {
					t.Errorf("got %v", e)
				}
				wantOver(t, s, o, 2)
			})
		}
	}
	// Over TLS a FIN alone may be an attacker's (RFC 9112 §9.8).
	for how, read := range reading {
		t.Run("until close over TLS, "+how, func(t *testing.T) {
			settings := newCertificate(t)
			o := newOriginTLS(t, settings.server())
			cut := o.route("/cut", raw(ok200+"\r\nhello"))
			whole := o.route("/whole", func(x *exchange) bool {
				raw(ok200 + "\r\nhello")(x)
				x.conn.(*tls.Conn).CloseWrite()
				return false
			})
			s := newSession(t, api.Config{TLS: settings.client()})
			if e := wantIOError(t, read(s, cut)); e.Op != api.OpRead {
				t.Errorf("got %v", e)
			}
			if err := read(s, whole); err != nil {
				t.Errorf("said to be the end: %v", err)
			}
		})
	}
}

func interimAnswers(t *testing.T) {
	const hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n"
	good(t, []answered{
		{name: "one", bytes: hint + answerOf("ok"), want: "ok", kept: true},
		{name: "100 though not asked for", bytes: "HTTP/1.1 100 Continue\r\n\r\n" + answerOf("ok"), want: "ok", kept: true},
		{name: "one that nobody knows", bytes: "HTTP/1.1 199 x\r\n\r\n" + answerOf("ok"), want: "ok", kept: true},
		{name: "sixteen", bytes: strings.Repeat(hint, 16) + answerOf("ok"), want: "ok", kept: true},
	})
	bad(t, map[string]string{
		"seventeen":   strings.Repeat(hint, 17) + answerOf("ok"),
		"101 unasked": "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + answerOf("ok"),
		"malformed":   "HTTP/1.1 103 x\r\nA : b\r\n\r\n" + answerOf("ok"),
	})
	t.Run("its fields are not the answer's", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/answer", says(hint+answerOf("ok")))
		s := newSession(t, api.Config{})
		resp, err := s.Get(soon(t), url)
		if err != nil || resp.Status() != 200 || resp.Header("Link") != "" || resp.Header("Content-Length") != "2" {
			t.Errorf("got %v, %v", resp, err)
		}
	})
	t.Run("417 sends it without asking", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/upload", func(x *exchange) bool {
			if x.req.Header.Get("Expect") == "" {
				return count(x)
			}
			x.write("HTTP/1.1 417 x\r\nContent-Length: 0\r\n\r\n")
			return false
		})
		s := newSession(t, api.Config{ExpectContinueTimeout: 2 * patience})
		resp, err := s.Post(soon(t), url, api.Data{"a": "b"}, api.ExpectContinue())
		if err != nil || resp.Text() != "3" || len(o.visitsTo("/upload")) != 2 {
			t.Errorf("got %v, %v; asked %v", resp, err, o.visitsTo("/upload"))
		}
	})
	t.Run("100 lets the body through", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/upload", func(x *exchange) bool {
			return x.req.Header.Get("Expect") == "100-continue" && x.write("HTTP/1.1 100 Continue\r\n\r\n") && count(x)
		})
		s := newSession(t, api.Config{ExpectContinueTimeout: 2 * patience})
		resp, err := s.Post(soon(t), url, api.Data{"a": "b"}, api.ExpectContinue())
		if err != nil || resp.Text() != "3" {
			t.Errorf("got %v, %v", resp, err)
		}
		wantOver(t, s, o, 1)
	})
}
