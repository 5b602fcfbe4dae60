package tests

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// TestHostileAnswers: whatever a server says, the call ends with the right error,
// within bounds of memory, the connection is never used again, and the next call
// works.
func TestHostileAnswers(t *testing.T) {
	const (
		notHTTP  = "*api.ProtocolError"
		brokenIO = "*api.IOError"
		tooLarge = "ErrTooLarge"
		good     = "an answer"
	)
	ok200 := "HTTP/1.1 200 OK\r\n"
	kilobyte := strings.Repeat("a", 1000)
	for _, c := range []struct {
		name string
		do   behaviour
		want string
	}{
		{"garbage", garbage, notHTTP},
		{"a banner and a pause", rawHeld("220 mail.test ESMTP\r\n"), notHTTP},
		{"a status line of two digits", raw("HTTP/1.1 20 OK\r\n\r\n"), notHTTP},
		{"a status line with letters", raw("HTTP/1.1 2x0 OK\r\n\r\n"), notHTTP},
		{"another version", raw("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"), notHTTP},
		{"TLS where none is spoken", raw("\x15\x03\x01\x00\x02\x02\x46"), notHTTP},
		{"a space before the colon", raw(ok200 + "Content-Length : 0\r\n\r\n"), notHTTP},
		{"a NUL in a value", raw(ok200 + "X: a\x00b\r\nContent-Length: 0\r\n\r\n"), notHTTP},

		{"nothing", hangUp, brokenIO},
		{"a reset", reset, brokenIO},
		{"half a status line", raw("HTTP/1.1 20"), brokenIO},
		{"half a head", raw(ok200 + "Content-Le"), brokenIO},
		{"half a body", truncate, brokenIO},
		{"a chunk cut short", raw(ok200 + "Transfer-Encoding: chunked\r\n\r\na\r\n12345"), brokenIO},
		{"no last chunk", raw(ok200 + "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"), brokenIO},

		{"lengths that differ", rawHeld(ok200 + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"), notHTTP},
		{"a list of lengths that differ", rawHeld(ok200 + "Content-Length: 2, 3\r\n\r\nabc"), notHTTP},
		{"a negative length", rawHeld(ok200 + "Content-Length: -1\r\n\r\n"), notHTTP},
		{"a length with a sign", rawHeld(ok200 + "Content-Length: +2\r\n\r\nab"), notHTTP},
		{"a length beyond all numbers", rawHeld(ok200 + "Content-Length: 99999999999999999999\r\n\r\n"), notHTTP},
		{"a length and chunks", rawHeld(ok200 + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), notHTTP},
		{"chunks twice", rawHeld(ok200 + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), notHTTP},
		{"chunks that are not last", rawHeld(ok200 + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), notHTTP},
		{"a negative chunk", rawHeld(ok200 + "Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n"), notHTTP},
		{"a chunk without a size", rawHeld(ok200 + "Transfer-Encoding: chunked\r\n\r\n;a=b\r\nabc"), notHTTP},
		{"a chunk longer than it says", rawHeld(ok200 + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n"), notHTTP},
		{"a chunk beyond all numbers", rawHeld(ok200 + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"), notHTTP},

		{"an endless head", endless(ok200, "X: "+kilobyte+"\r\n"), tooLarge},
		{"an endless header", endless(ok200+"X: ", kilobyte), tooLarge},
		{"an endless name", endless(ok200, kilobyte), tooLarge},
		{"an endless status line", endless("HTTP/1.1 200 ", kilobyte), tooLarge},
		{"endlessly many headers", endless(ok200, strings.Repeat("a:\r\n", 100)), tooLarge},
		{"an endless chunk size", endless(ok200+"Transfer-Encoding: chunked\r\n\r\n", kilobyte), notHTTP},
		{"zeroes before a chunk size", endless(ok200+"Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("0", 1000)), notHTTP},
		{"an endless chunk extension", endless(ok200+"Transfer-Encoding: chunked\r\n\r\n5;", kilobyte), notHTTP},
		{"endless chunk extensions", endless(ok200+"Transfer-Encoding: chunked\r\n\r\n", "1;"+kilobyte+"\r\na\r\n"), notHTTP},
		{"endless trailers", endless(ok200+"Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: "+kilobyte+"\r\n"), notHTTP},
		{"an endless body", endless(ok200+"\r\n", kilobyte), tooLarge},
		{"endless chunks", endless(ok200+"Transfer-Encoding: chunked\r\n\r\n", "3e8\r\n"+kilobyte+"\r\n"), tooLarge},
		{"an announced flood", rawHeld(ok200 + "Content-Length: 1000000000000\r\n\r\nabc"), tooLarge},
		{"a body just too large", ok(strings.Repeat("a", 1<<20+1)), tooLarge},

		{"a flood of interim answers", endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), notHTTP},
		{"another protocol, unasked", rawHeld("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), notHTTP},

		{"two answers at once", rawHeld(answerOf("ok") + answerOf("poison")), good},
		{"an answer and garbage", rawHeld(answerOf("ok") + "\x00\x00"), good},
		{"a body where none may be", rawHeld("HTTP/1.1 204 No Content\r\n\r\npoison"), good},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			o := newOrigin(t)
			evil := o.route("/evil", c.do)
			s := newSession(t, api.Config{MaxConnsPerOrigin: 1, MaxHeaderBytes: 64 << 10, MaxBodyBytes: 1 << 20})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			resp, err := s.Get(soon(t), evil)
			runtime.ReadMemStats(&after)

			_, protocol := asError[*api.ProtocolError](err)
			ioErr, io := asError[*api.IOError](err)
			var got string
			switch {
			case err == nil:
				got = good
				if text := resp.Text(); strings.Contains(text, "poison") {
					t.Errorf("the answer is %q", text)
				}
			case protocol:
				got = notHTTP
			case io && errors.Is(err, api.ErrTooLarge):
				got = tooLarge
			case io && !ioErr.Timeout():
				got = brokenIO
			}
			if got != c.want {
				t.Errorf("got %T %v, want %s", err, err, c.want)
			}
			// What grows by doubling up to the bound of 1 MiB allocates some of them.
			if took := after.TotalAlloc - before.TotalAlloc; took > 12<<20 {
				t.Errorf("it took %d KiB of memory", took>>10)
			}
			for range 2 {
				next, err := s.Get(soon(t), o.URL)
				if err != nil {
					t.Fatalf("the next call: %v", err)
				}
				if next.Text() != "ok" {
					t.Errorf("the next call is answered %q", next.Text())
				}
				if v := o.lastVisit(t); v.conn != 2 {
					t.Errorf("the next call went over connection %d, want 2", v.conn)
				}
			}
		})
	}
}

// TestHostileAnswersToAStream: what is only seen behind the head ends a stream
// with the same errors.
func TestHostileAnswersToAStream(t *testing.T) {
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name     string
		do       behaviour
		protocol bool
	}{
		{"half a body", truncate, false},
		{"no last chunk", raw(chunked + "5\r\n12345\r\n"), false},
		{"a negative chunk", rawHeld(chunked + "5\r\nabcde\r\n-5\r\nabcde\r\n"), true},
		{"an endless chunk extension", endless(chunked+"5;", "aaaa"), true},
		{"endless trailers", endless(chunked+"0\r\n", "A: b\r\n"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			o := newOrigin(t)
			evil := o.route("/evil", c.do)
			s := newSession(t, api.Config{MaxConnsPerOrigin: 1})
			_, err := s.Get(soon(t), evil, api.Stream(func([]byte) error { return nil }, 4))
			_, protocol := asError[*api.ProtocolError](err)
			_, io := asError[*api.IOError](err)
			if protocol != c.protocol || io == c.protocol {
				t.Errorf("got %T %v", err, err)
			}
			if _, err := s.Get(soon(t), o.URL); err != nil || o.lastVisit(t).conn != 2 {
				t.Errorf("the next call: %v, connection %d", err, o.lastVisit(t).conn)
			}
		})
	}
}

// TestAnEndlessStreamTakesNoMemory: a stream has no bound, and holds one chunk.
func TestAnEndlessStreamTakesNoMemory(t *testing.T) {
	o := newOrigin(t)
	url := o.route("/endless", endless("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("a", 32<<10)))
	s := newSession(t, api.Config{MaxBodyBytes: 1 << 20})
	enough := errors.New("enough")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	_, err := s.Get(soon(t), url, api.Stream(func(chunk []byte) error {
		if n += len(chunk); n > 200<<20 {
			return enough
		}
		return nil
	}, 64<<10))
	runtime.ReadMemStats(&after)
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
		t.Errorf("200 MiB took %d KiB of memory", took>>10)
	}
}
