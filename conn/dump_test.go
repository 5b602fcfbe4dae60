package conn

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

// taken is what a Tap was shown.
type taken struct {
	mu        sync.Mutex
	sent, got []byte
}

func (x *taken) tap(sent bool, data []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if sent {
		x.sent = append(x.sent, data...)
	} else {
		x.got = append(x.got, data...)
	}
}

// A tap is shown every byte, in each way of writing and over each transport.
func TestTap(t *testing.T) {
	for _, tr := range append(transports, overHiddenTCP) {
		for _, up := range uploads {
			t.Run(up.name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				var x taken
				c.Tap(x.tap)
				if c.CanAsk() {
					t.Error("it could be asked")
				}
				p.answers(okLength)
				body := []byte(text(200_000))
				if sent, err := up.send(t, c, body); sent != SentAll || err != nil {
					t.Fatal(sent, err)
				}
				if r := receive(c, "PUT", 0); r.err != nil {
					t.Fatal(r.err)
				}
				if want := string(putHead(len(body))) + string(body); string(x.sent) != want {
					t.Errorf("%d bytes sent, want %d", len(x.sent), len(want))
				}
				if string(x.got) != okLength {
					t.Errorf("got %q", x.got)
				}
				c.Park()
				c.Tap(nil)
				p.work.Wait()
				p.answers(okLength)
				if r := exchange(c, "GET"); r.err != nil || string(x.got) != okLength {
					t.Errorf("%+v, got %q", r, x.got)
				}
			})
		}
	}
}

var masked = []struct{ name, in, want string }{
	{"nothing to hide", "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a?b HTTP/1.1\nHost: h\n\n"},
	{"credentials", "GET / HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\nHost: h\r\nproxy-authorization:secret\r\n\r\n",
		"GET / HTTP/1.1\nAuthorization: ***\nHost: h\nproxy-authorization: ***\n\n"},
	{"cookies", "HTTP/1.1 200 OK\r\nSet-Cookie: a=secret; Path=/\r\nSet-Cookie: b=secret\r\nServer: x\r\n\r\n",
		"HTTP/1.1 200 OK\nSet-Cookie: ***\nSet-Cookie: ***\nServer: x\n\n"},
	{"vendors' fields", "GET / HTTP/1.1\r\nX-Api-Key: secret\r\nX-AUTH-TOKEN: secret\r\nX-Amz-Security-Token:\r\n\r\n",
		"GET / HTTP/1.1\nX-Api-Key: ***\nX-AUTH-TOKEN: ***\nX-Amz-Security-Token: ***\n\n"},
	{"a challenge", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\r\n",
		"HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Basic realm=\"a\"\n\n"},
	{"folded", "HTTP/1.1 200 OK\nSet-Cookie: a\n =secret\n\tsecret\nServer: x\n y\n\n",
		"HTTP/1.1 200 OK\nSet-Cookie: ***\n ***\n ***\nServer: x\n y\n\n"},
	{"space before the colon", "HTTP/1.1 200 OK\nSet-Cookie : secret\n\n", "HTTP/1.1 200 OK\nSet-Cookie : ***\n\n"},
	{"user info", "GET http://u:secret@h/p@q HTTP/1.1\r\nReferer: https://secret@h\r\nX: http://h/ http://secret@x:y@h http://h\r\n\r\n",
		"GET http://***@h/p@q HTTP/1.1\nReferer: https://***@h\nX: http://h/ http://***@h http://h\n\n"},
	{"interim answers", "HTTP/1.1 103 Early Hints\r\nSet-Cookie: secret\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: secret\r\n\r\n",
		"HTTP/1.1 103 Early Hints\nSet-Cookie: ***\n\nHTTP/1.1 200 OK\nSet-Cookie: ***\n\n"},
	{"not printable", "GET /\x00\x1b[31m\u200b é\xff HTTP/1.1\r\nA: b\rc\r\n\r\n",
		`GET /\x00\x1b[31m\xe2\x80\x8b é\xff HTTP/1.1` + "\n" + `A: b\x0dc` + "\n\n"},
}

// Heads come out alike in one piece, byte by byte and cut anywhere.
func TestMaskHeads(t *testing.T) {
	for _, tc := range masked {
		t.Run(tc.name, func(t *testing.T) {
			var m Masker
			for range 2 {
				if got := string(m.Flush(m.Append(nil, []byte(tc.in)))); got != tc.want {
					t.Errorf("got\n%q, want\n%q", got, tc.want)
				}
			}
			var slow []byte
			for i := range len(tc.in) {
				slow = m.Append(slow, []byte(tc.in[i:i+1]))
			}
			if slow = m.Flush(slow); string(slow) != tc.want {
				t.Errorf("byte by byte\n%q, want\n%q", slow, tc.want)
			}
			for cut := range tc.in {
				got := m.Append(nil, []byte(tc.in[:cut]))
				got = m.Flush(m.Append(got, []byte(tc.in[cut:])))
				if string(got) != tc.want {
					t.Errorf("cut at %d\n%q, want\n%q", cut, got, tc.want)
				}
				if half := m.Flush(m.Append(nil, []byte(tc.in[:cut]))); bytes.Contains(half, []byte("secret")) {
					t.Errorf("ended at %d: %q", cut, half)
				}
			}
		})
	}
}

func TestMaskBodies(t *testing.T) {
	const head, shown = "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\n\n"
	for name, tc := range map[string]struct {
		pieces []string
		want   string
	}{
		"short":          {[]string{head + "hello"}, shown + "hello\n"},
		"lines":          {[]string{head, "a\r\nb\n\nc"}, shown + "a\nb\n\nc\n"},
		"binary":         {[]string{head, "\x00\x01a\xff"}, shown + `\x00\x01a\xff` + "\n"},
		"long":           {[]string{head, strings.Repeat("x", 5000)}, shown + strings.Repeat("x", 2048) + "\n[2952 bytes more]\n"},
		"in pieces":      {[]string{head, strings.Repeat("x", 2049), "yy"}, shown + strings.Repeat("x", 2048) + "\n[1 bytes more]\nyy\n"},
		"echo":           {[]string{head, "TRACE / HTTP/1.1\r\nCookie: secret\r\n\r\nCookie: secret"}, shown + "TRACE / HTTP/1.1\nCookie: ***\n\nCookie: ***\n"},
		"form":           {[]string{head, "a=b\nCookie: secret\n"}, shown + "a=b\nCookie: ***\n"},
		"the next":       {[]string{head, "x", "HTTP/1.1 200 OK\r\nSet-Coo", "kie: secret\r\n\r\n"}, shown + "x\nHTTP/1.1 200 OK\nSet-Cookie: ***\n\n"},
		"the next, cut":  {[]string{head, "x", "", "HT", "TP/1.1 200 OK\r\nSet-Coo", "kie: secret\r\n\r\n"}, shown + "x\nHTTP/1.1 200 OK\nSet-Cookie: ***\n\n"},
		"the next asked": {[]string{"GET / HTTP/1.1\r\n\r\n", "x", "GET / HTTP/1.1\r\nCookie: secret\r\n\r\n"}, "GET / HTTP/1.1\n\nx\nGET / HTTP/1.1\nCookie: ***\n\n"},
		"an url cut":     {[]string{head, "http://u:secret"}, shown + "http://***\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var m Masker
			var got []byte
			for _, piece := range tc.pieces {
				got = m.Append(got, []byte(piece))
			}
			if got = m.Flush(got); string(got) != tc.want {
				t.Errorf("got\n%q, want\n%q", got, tc.want)
			}
		})
	}
}

// A line that never ends takes no more memory than its bound, and hides its value.
func TestMaskLongLines(t *testing.T) {
	for start, filler := range map[string]string{"Cookie: ": "secret", "GET http://u:": "secret", "X: ": "public"} {
		var m Masker
		got := m.Append(nil, []byte("GET / HTTP/1.1\r\n"+start))
		for range 100 {
			got = m.Append(got, bytes.Repeat([]byte(filler), 1000))
		}
		if cap(m.line) > 2*maskLineMax {
			t.Errorf("%d bytes kept", cap(m.line))
		}
		got = m.Append(got, []byte("@h/ HTTP/1.1\r\n\r\n"))
		if len(got) > 2*maskLineMax || bytes.Contains(got, []byte("secret")) || !bytes.Contains(got, []byte("bytes more]\n\n")) {
			t.Errorf("%s: %d bytes: %.200q", start, len(got), got)
		}
	}
}

func TestSecretField(t *testing.T) {
	for name, want := range map[string]bool{
		"Authorization": true, "COOKIE": true, "X-Api-Key": true, "apikey": true, "Private-Token": true,
		"X-Vault-Token": true, "Ocp-Apim-Subscription-Key": true, "X-Auth-Key": true, "X-Csrf-Token": true,
		"Host": false, "WWW-Authenticate": false, "Proxy-Authenticate": false, "Idempotency-Key": false,
		"Content-Type": false, "ETag": false, "Sec-WebSocket-Key": false, "": false,
	} {
		if got := SecretField(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// The value of a secret field never comes out, however the head is cut, and what
// comes out is printable.
func FuzzMask(f *testing.F) {
	for _, tc := range masked {
		f.Add(tc.in, 10, 20)
	}
	f.Fuzz(func(t *testing.T, in string, a, b int) {
		const value = "wHqZ7kXy"
		if strings.Contains(in, "Z7k") {
			return
		}
		in += "\r\nX-Api-Key: " + value + "\r\n\r\nmore"
		a = min(max(a, 0), len(in))
		b = min(max(b, a), len(in))
		var m Masker
		got := m.Append(nil, []byte(in[:a]))
		if strings.Contains(in[:len(in)-len("X-Api-Key: "+value+"\r\n\r\nmore")], "\n\r\n") || strings.Contains(in, "\n\n") {
			a, b = 0, 0 // it is a body, whose lines are masked where they come whole
			m, got = Masker{}, nil
		}
		got = m.Append(got, []byte(in[a:b]))
		got = m.Flush(m.Append(got, []byte(in[b:])))
		if len(in) < maskBodyMax && bytes.Contains(got, []byte("Z7k")) {
			t.Fatalf("%q comes out as %q", in, got)
		}
		for _, c := range got {
			if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
				t.Fatalf("%q comes out as %q", in, got)
			}
		}
	})
}
