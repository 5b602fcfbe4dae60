package http1

import (
	"errors"
	"math"
	"testing"
)

// start parses an answer's head and starts its body.
func start(t testing.TB, b *Body, method, head string) error {
	t.Helper()
	var h Head
	if _, err := h.Parse([]byte(head), Limits{}); err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return b.Start(method, &h, []byte(head), Limits{})
}

func TestStart_9112_6_3(t *testing.T) {
	const (
		length  = "Content-Length: 5\r\n"
		chunked = "Transfer-Encoding: chunked\r\n"
	)
	for _, tc := range []struct {
		name, method, status, fields string
		want                         Framing
		err                          *Error
	}{
		{"head", "HEAD", "1.1 200", length, FramingNone, nil},
		{"head-is-case-sensitive", "head", "1.1 200", length, FramingLength, nil},
		{"head-ambiguous", "HEAD", "1.1 200", length + chunked, FramingNone, nil},
		{"100", "GET", "1.1 100", length, FramingNone, nil},
		{"101", "GET", "1.1 101", "", FramingNone, nil},
		{"204", "GET", "1.1 204", chunked, FramingNone, nil},
		{"205", "GET", "1.1 205", length, FramingLength, nil},
		{"304", "GET", "1.1 304", "Content-Length: x\r\n", FramingNone, nil},
		{"connect-200", "CONNECT", "1.1 200", length, FramingNone, nil},
		{"connect-404", "CONNECT", "1.1 404", length, FramingLength, nil},
		{"length", "GET", "1.1 200", length, FramingLength, nil},
		{"length-http10", "GET", "1.0 200", length, FramingLength, nil},
		{"chunked", "POST", "1.1 500", chunked, FramingChunked, nil},
		{"chunked-http19", "GET", "1.9 200", chunked, FramingChunked, nil},
		{"neither", "GET", "1.1 200", "", FramingUntilClose, nil},
		{"neither-http10", "GET", "1.0 404", "", FramingUntilClose, nil},
		{"both", "GET", "1.1 200", length + chunked, FramingNone, errBoth},
		{"both-bad-length", "GET", "1.1 200", chunked + "Content-Length: x\r\n", FramingNone, errBoth},
		{"coding-http10", "GET", "1.0 200", chunked, FramingNone, errCodingOld},
		{"coding-unknown", "GET", "1.1 200", "Transfer-Encoding: br\r\n", FramingNone, errCoding},
		{"coding-quoted", "GET", "1.1 200", "Transfer-Encoding: \"chunked\"\r\n", FramingNone, errCoding},
		{"coding-vertical-tab", "GET", "1.1 200", "Transfer-Encoding: xchunked\r\n", FramingNone, errCoding},
		{"coding-kelvin", "GET", "1.1 200", "Transfer-Encoding: chun\u212aed\r\n", FramingNone, errCoding},
		{"coding-lines", "GET", "1.1 200", "Transfer-Encoding: gzip\r\n" + chunked, FramingNone, errCoding},
		{"lengths-differ", "GET", "1.1 200", length + "Content-Length: 6\r\n", FramingNone, errLengths},
		{"lengths-one-bad", "GET", "1.1 200", length + "Content-Length: 5x\r\n", FramingNone, errLength},
		{"length-float", "GET", "1.1 200", "Content-Length: 5.0\r\n", FramingNone, errLength},
		{"length-digits-beyond-ascii", "GET", "1.1 200", "Content-Length: \u0665\r\n", FramingNone, errLength},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b Body
			err := start(t, &b, tc.method, "HTTP/"+tc.status+" X\r\n"+tc.fields+"\r\n")
			if tc.err != nil {
				if _, _, next := b.Next([]byte("0\r\n\r\n")); !errors.Is(err, tc.err) || !errors.Is(next, tc.err) {
					t.Errorf("got %v, then %v, want %v", err, next, tc.err)
				}
				if b.End() != ErrTruncated || b.Done() || b.Want() != 0 {
					t.Error("a body that was refused may end")
				}
				return
			}
			if err != nil || b.Framing() != tc.want {
				t.Errorf("got %v, %v, want %v", b.Framing(), err, tc.want)
			}
			if none := tc.want == FramingNone; b.Done() != none {
				t.Errorf("done: %t", b.Done())
			}
		})
	}
}

func TestZeroBodyIsDone(t *testing.T) {
	var b Body
	data, n, err := b.Next([]byte("x"))
	if !b.Done() || b.Framing() != FramingNone || b.Length() != -1 || b.Want() != 0 || b.Trailers() != 0 ||
		data != nil || n != 0 || err != nil || b.End() != nil {
		t.Error("the zero body is not a finished one")
	}
}

func TestWantAndTook(t *testing.T) {
	var b Body
	if err := start(t, &b, "GET", ok+"Content-Length: 10\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b.Want() != 10 || b.Length() != 10 {
		t.Error("a length body wants its length, got", b.Want())
	}
	if data, n, err := b.Next([]byte("abc")); string(data) != "abc" || n != 3 || err != nil {
		t.Error(data, n, err)
	}
	b.Took(6)
	if b.Want() != 1 || b.End() != ErrTruncated {
		t.Error("one byte is missing, wants", b.Want())
	}
	b.Took(1)
	if !b.Done() || b.Want() != 0 || b.Length() != 10 || b.Framing() != FramingLength {
		t.Error("the body is not done")
	}

	if err := start(t, &b, "GET", ok+"Transfer-Encoding: chunked\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b.Want() != 0 {
		t.Error("a chunk size comes first, wants", b.Want())
	}
	if _, n, err := b.Next([]byte("ff\r\n")); n != 4 || err != ErrNeedMore || b.Want() != 255 {
		t.Error(n, err, b.Want())
	}
	b.Took(255)
	if b.Want() != 0 || b.Done() {
		t.Error("CRLF comes next, wants", b.Want())
	}
	// The framing behind a chunk comes with its data: the next size is known, or the end.
	if _, n, err := b.Next([]byte("\r\n1\r\nx\r\n7\r\n")); n != 11 || err != nil || b.Want() != 7 {
		t.Error(n, err, b.Want())
	}
	if data, n, err := b.Next([]byte("7 bytes\r\n0\r\n\r\nrest")); string(data) != "7 bytes" || n != 14 || err != nil || !b.Done() {
		t.Error(data, n, err, b.Done())
	}

	if err := start(t, &b, "GET", ok+"\r\n"); err != nil {
		t.Fatal(err)
	}
	b.Took(5)
	if b.Want() != math.MaxInt64 || b.Done() || b.End() != nil || !b.Done() || b.Framing() != FramingUntilClose {
		t.Error("until close")
	}
}

func TestTookPanics(t *testing.T) {
	for _, n := range []int{-1, 6} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Took(%d) of 5 went through", n)
				}
			}()
			var b Body
			if err := start(t, &b, "GET", ok+"Content-Length: 5\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			b.Took(n)
		}()
	}
}

// A fault behind data comes after the data, and stays.
func TestFaultComesAfterData(t *testing.T) {
	var b Body
	if err := start(t, &b, "GET", ok+"Transfer-Encoding: chunked\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := []byte("2\r\nhiX")
	data, n, err := b.Next(in)
	if string(data) != "hi" || err != nil {
		t.Error(data, n, err)
	}
	for range 2 {
		if data, _, err := b.Next(in[n:]); len(data) != 0 || !errors.Is(err, errChunkEnd) || b.Done() {
			t.Error(data, err)
		}
	}
	if b.End() != ErrTruncated {
		t.Error("a broken body ended well")
	}
}

func TestStartForgets(t *testing.T) {
	var b Body
	if err := start(t, &b, "GET", ok+"Transfer-Encoding: chunked\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Next([]byte("0\r\nA: b\r\n\r\n")); err != nil || b.Trailers() != 1 {
		t.Fatal(err, b.Trailers())
	}
	if err := start(t, &b, "GET", ok+"Transfer-Encoding: chunked\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Next([]byte("0\r\nCc: d\r\n")); err != ErrNeedMore || b.Trailers() != 0 {
		t.Error("trailers before the end", err, b.Trailers())
	}
	if _, _, err := b.Next([]byte("\r\n")); err != nil || b.Trailers() != 1 {
		t.Fatal(err, b.Trailers())
	}
	if name, value := b.Trailer(0); string(name) != "Cc" || string(value) != "d" {
		t.Errorf("got %q %q", name, value)
	}
}

func TestFramingString(t *testing.T) {
	for f, want := range map[Framing]string{
		FramingNone: "none", FramingLength: "length", FramingChunked: "chunked", FramingUntilClose: "until-close", 9: "unknown",
	} {
		if f.String() != want {
			t.Error(f, want)
		}
	}
}

func TestTrailerPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a trailer that is not there was given")
		}
	}()
	new(Body).Trailer(0)
}
