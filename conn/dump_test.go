package conn

import (
	"strings"
	"sync"
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

// taken is what a Tap was shown.
type taken struct {
	mu        sync.Mutex
	sent, got strings.Builder
}

func (x *taken) tap(sent bool, text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if sent {
		x.sent.WriteString(text)
	} else {
		x.got.WriteString(text)
	}
}

// A tap is shown all that goes over the connection, in each way of writing and over each
// transport; chunks without their framing.
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
				c.Park()
				if want := lf(string(putHead(len(body))) + string(body)); x.sent.String() != want {
					t.Errorf("%d bytes sent, want %d", x.sent.Len(), len(want))
				}
				if x.got.String() != lf(okLength) {
					t.Errorf("got %q", x.got.String())
				}
				c.Tap(nil)
				p.work.Wait()
				p.answers(okLength)
				if r := exchange(c, "GET"); r.err != nil || x.got.String() != lf(okLength) {
					t.Errorf("%+v, got %q", r, x.got.String())
				}
			})
		}
	}
}

// lf is a text with the line ends that a log has.
func lf(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// tapped are answers with secrets in them, and what a tap is to show of each.
var tapped = []struct{ name, method, in, want string }{
	{"chunks", "GET", "HTTP/1.1 103 Early Hints\r\nSet-Cookie: geheim\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Api-Key: geheim\r\n\r\n" +
		chunks(`{"password":"geheim","b":{"otp":["geheim"]},"c":1}`, 1, 5, 2) + "",
		"HTTP/1.1 103 Early Hints\nSet-Cookie: ***\n\nHTTP/1.1 200 OK\nTransfer-Encoding: chunked\nX-Api-Key: ***\n\n" + `{"password":"***","b":{"otp":"***"},"c":1}`},
	{"trailers", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Signature: geheim\r\nX-Sum: 1\r\n\r\n",
		"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\naX-Signature: ***\nX-Sum: 1\n"},
	{"a form", "GET", "HTTP/1.1 200 OK\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 29\r\n\r\na=1&refresh_token=geheim&c=34",
		"HTTP/1.1 200 OK\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 29\n\na=1&refresh_token=***&c=34"},
	{"a coding", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n\x1f\x8bgeheim\x00",
		"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 9\n\n[9 bytes of gzip]"},
	{"no body", "HEAD", "HTTP/1.1 302 Found\r\nLocation: http://u:geheim@h/?code=geheim&a=b\r\nContent-Length: 9\r\n\r\n",
		"HTTP/1.1 302 Found\nLocation: http://***@h/?code=***&a=b\nContent-Length: 9\n\n"},
	{"until close", "GET", "HTTP/1.1 200 OK\r\n\r\nkey: geheim\r\n geheim\r\na: b\r\n", "HTTP/1.1 200 OK\n\nkey: ***\n***\na: b\n"},
	{"cut short", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhttp://u:geheim", "HTTP/1.1 200 OK\nContent-Length: 99\n\nhttp://***"},
	{"half a head", "GET", "HTTP/1.1 200 OK\r\nSet-Cookie: geheim", "HTTP/1.1 200 OK\nSet-Cookie: ***"},
}

// What a tap shows is the same wherever the reads cut it.
func TestTapOfAnswers(t *testing.T) {
	for _, tc := range tapped {
		for size := range len(tc.in) {
			m := newCanned(tc.in)
			m.cut = func() int { return size + 1 }
			c := New(m, &Buffers{})
			var x taken
			c.Tap(x.tap)
			c.Write([]byte(tc.method+" / HTTP/1.1\r\n\r\n"), nil, true)
			receive(c, tc.method, 0)
			c.Close()
			if got := x.got.String(); got != tc.want {
				t.Errorf("%s, in reads of %d:\n%s, want\n%s", tc.name, size+1, got, tc.want)
				break
			}
		}
	}
}

// What is no answer is shown as far as it was read.
func TestTapOfGarbage(t *testing.T) {
	const in = "SSH-2.0\r\nkey: geheim\r\nx\r\n"
	c := New(newCanned(in), &Buffers{})
	var x taken
	c.Tap(x.tap)
	if r := exchange(c, "GET"); r.err == nil {
		t.Error("no error")
	}
	c.Close()
	if got := x.got.String(); got != "SSH-2.0\nkey: ***\nx\n" {
		t.Errorf("got %q", got)
	}
}

// Answers in a row, to requests written together, are shown alike wherever the reads cut them.
func TestTapOfAPipeline(t *testing.T) {
	var in, want strings.Builder
	var methods []string
	for _, tc := range tapped[:5] {
		in.WriteString(tc.in)
		want.WriteString(tc.want)
		methods = append(methods, tc.method)
	}
	for size := range in.Len() {
		m := newCanned(in.String())
		m.cut = func() int { return size + 1 }
		c := New(m, &Buffers{})
		var x taken
		c.Tap(x.tap)
		c.Pipeline()
		c.Send([]byte("GET /?key=geheim HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nCookie: geheim\r\n\r\n"))
		var h http1.Head
		for _, method := range methods {
			takes(t, c, func() error { _, err := c.TakeHead(method, &h, nil, http1.Limits{}); return err })
			takes(t, c, func() error { _, err := c.TakeBody(nil, 0); return err })
		}
		c.Park()
		if got := x.got.String(); got != want.String() {
			t.Fatalf("in reads of %d:\n%s, want\n%s", size+1, got, want.String())
		}
		if got := x.sent.String(); got != "GET /?key=*** HTTP/1.1\n\nGET / HTTP/1.1\nCookie: ***\n\n" {
			t.Fatalf("sent %q", got)
		}
	}
}

// takes reads until what is due can be taken.
func takes(t *testing.T, c *Conn, take func() error) {
	t.Helper()
	for err := take(); err != nil; err = take() {
		if err != http1.ErrNeedMore {
			t.Fatal(err)
		}
		if err := c.Receive(); err != nil {
			t.Fatal(err)
		}
	}
}

// What a tap shows of requests is the same wherever the writes cut them.
func TestTapOfRequests(t *testing.T) {
	const json = `{"password":"geheim","n":1}`
	in := "POST /?token=geheim&a=b HTTP/1.1\r\nAuthorization: geheim\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(json, 3, 1, 4) +
		"GET / HTTP/1.1\r\nCookie: geheim\r\n\r\n" +
		"PUT / HTTP/1.1\r\nContent-Length: 20\r\n\r\npin=geheim geheim&ab" +
		"PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\n" +
		"POST / HTTP/1.1\r\nContent-Length: 99\r\nContent-Type: text/plain\r\n\r\n//u:geheim"
	const want = "POST /?token=***&a=b HTTP/1.1\nAuthorization: ***\nTransfer-Encoding: chunked\n\n" + `{"password":"***","n":1}` +
		"GET / HTTP/1.1\nCookie: ***\n\nPUT / HTTP/1.1\nContent-Length: 20\n\npin=***&abPUT / HTTP/1.1\nContent-Length: 0\n\n" +
		"POST / HTTP/1.1\nContent-Length: 99\nContent-Type: text/plain\n\n//***"
	for a := range in {
		for _, b := range []int{a, min(a+1, len(in)), min(a+7, len(in)), len(in)} {
			c := New(newCanned(""), &Buffers{})
			var x taken
			c.Tap(x.tap)
			for _, p := range []string{in[:a], in[a:b], in[b:]} {
				c.write([]byte(p))
			}
			c.Close()
			if got := x.sent.String(); got != want {
				t.Fatalf("cut at %d and %d:\n%s, want\n%s", a, b, got, want)
			}
		}
	}
}
