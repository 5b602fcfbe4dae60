package http1

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const ok = "HTTP/1.1 200 OK\r\n"

func TestHeadRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     *Error
	}{
		{"lower-case-name_9112_2.3", "http/1.1 200 OK\r\n\r\n", errNotHTTP},
		{"no-name_9112_4", "200 OK\r\n\r\n", errNotHTTP},
		{"name-only_9112_4", "HTTP/1\r\n\r\n", errNotHTTP},
		{"icy_9112_4", "ICY 200 OK\r\n\r\n", errNotHTTP},
		{"space-first_9112_4", " HTTP/1.1 200 OK\r\n\r\n", errNotHTTP},
		{"empty-line-first_9112_2.2", "\r\nHTTP/1.1 200 OK\r\n\r\n", errNotHTTP},
		{"empty-lf-first_9112_2.2", "\nHTTP/1.1 200 OK\r\n\r\n", errNotHTTP},
		{"major-0_9110_2.5", "HTTP/0.9 200 OK\r\n\r\n", errMajor},
		{"major-2_9110_2.5", "HTTP/2 200\r\n\r\n", errMajor},
		{"major-not-a-digit_9112_2.3", "HTTP/x.1 200 OK\r\n\r\n", errVersion},
		{"two-digit-major_9112_2.3", "HTTP/11.1 200 OK\r\n\r\n", errVersion},
		{"two-digit-minor_9112_2.3", "HTTP/1.10 200 OK\r\n\r\n", errVersion},
		{"minor-missing_9112_2.3", "HTTP/1. 200 OK\r\n\r\n", errVersion},
		{"minor-not-a-digit_9112_2.3", "HTTP/1.x 200 OK\r\n\r\n", errVersion},
		{"tab-before-status_9112_4", "HTTP/1.1\t200 OK\r\n\r\n", errVersion},
		{"two-spaces_9112_4", "HTTP/1.1  200 OK\r\n\r\n", errStatus},
		{"no-status_9112_4", "HTTP/1.1 \r\n\r\n", errStatus},
		{"no-space_9112_4", "HTTP/1.1\r\n\r\n", errStatus},
		{"two-digits_9112_4", "HTTP/1.1 20 OK\r\n\r\n", errStatus},
		{"four-digits_9112_4", "HTTP/1.1 2000 OK\r\n\r\n", errStatus},
		{"signed-status_9112_4", "HTTP/1.1 +20 OK\r\n\r\n", errStatus},
		{"status-letters_9112_4", "HTTP/1.1 2xx OK\r\n\r\n", errStatus},
		{"status-low_9110_15", "HTTP/1.1 099 OK\r\n\r\n", errStatus},
		{"tab-after-status_9112_4", "HTTP/1.1 200\tOK\r\n\r\n", errStatus},
		{"cr-in-reason_9112_2.2", "HTTP/1.1 200 O\rK\r\n\r\n", errReason},
		{"nul-in-reason_9112_4", "HTTP/1.1 200 O\x00K\r\n\r\n", errReason},
		{"del-in-reason_9112_4", "HTTP/1.1 200 O\x7fK\r\n\r\n", errReason},
		{"space-before-colon_9112_5.1", ok + "A : b\r\n\r\n", errNameSpace},
		{"tab-before-colon_9112_5.1", ok + "A\t: b\r\n\r\n", errNameSpace},
		{"space-in-name_9112_5.1", ok + "A B: c\r\n\r\n", errNameSpace},
		{"no-colon_9112_5", ok + "A\r\n\r\n", errNoColon},
		{"no-colon-later_9112_5", ok + "A: b\r\nC\r\n\r\n", errNoColon},
		{"empty-name_9112_5", ok + ": b\r\n\r\n", errNoName},
		{"slash-in-name_9110_5.1", ok + "A/B: c\r\n\r\n", errName},
		{"obs-text-in-name_9110_5.1", ok + "\xc3\x84: b\r\n\r\n", errName},
		{"nul-in-name_9110_5.1", ok + "A\x00: b\r\n\r\n", errName},
		{"cr-in-name_9112_2.2", ok + "A\rB: c\r\n\r\n", errName},
		{"cr-in-value_9112_2.2", ok + "A: b\rc\r\n\r\n", errValue},
		{"cr-before-line-end_9112_2.2", ok + "A: b\r\r\n\r\n", errValue},
		{"cr-before-lf-ended-empty-line_9112_2.2", ok + "A: b\r\n\r\r\n", errNoColon},
		{"nul-in-value_9110_5.5", ok + "A: b\x00c\r\n\r\n", errValue},
		{"vt-in-value_9110_5.5", ok + "A: b\vc\r\n\r\n", errValue},
		{"del-in-value_9110_5.5", ok + "A: a long value, longer than a word \x7f\r\n\r\n", errValue},
		{"control-in-fold_9112_5.2", ok + "A: b\r\n c\x01\r\n\r\n", errValue},
		{"first-line-folded_9112_2.2", ok + " A: b\r\n\r\n", errFirstFold},
		{"first-line-blank_9112_2.2", ok + "\t\r\nA: b\r\n\r\n", errFirstFold},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var h Head
			for range 2 { // and again, when asked again
				if n, err := h.Parse([]byte(tc.in), Limits{}); n != 0 || !errors.Is(err, tc.want) {
					t.Errorf("got %d, %v, want %v", n, err, tc.want)
				}
			}
			if got := read("GET", []byte(tc.in), Limits{}, byByte, false); !errors.Is(got.err, tc.want) {
				t.Errorf("byte by byte: %v, want %v", got.err, tc.want)
			}
		})
	}
}

// Each byte may stand in a name, a value or a reason exactly if the grammar says so, wherever in a long
// value it is.
func TestHeadBytes_9110_5(t *testing.T) {
	const tokens = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		b := string([]byte{byte(c)})
		if b == "\n" {
			continue
		}
		value := c == '\t' || c >= 0x20 && c != 0x7f
		for _, tc := range []struct {
			in   string
			want bool
		}{
			{ok + "X" + b + "X: y\r\n\r\n", strings.Contains(tokens, b) || b == ":"},
			{ok + "X: 1" + b + "2\r\n\r\n", value},
			{ok + "X: 1234" + b + "678\r\n\r\n", value},
			{ok + "X: 12345678\t234567" + b + "\xff\r\n\r\n", value},
			{ok + "X: 1\r\n 2" + b + "3\r\n\r\n", value},
			{"HTTP/1.1 200 O" + b + "K\r\n\r\n", value},
		} {
			var h Head
			if _, err := h.Parse([]byte(tc.in), Limits{}); (err == nil) != tc.want {
				t.Errorf("%q: %v, want ok %t", tc.in, err, tc.want)
			}
		}
	}
}

func TestHeadAccessors(t *testing.T) {
	const text = "HTTP/1.1 404 Not Found\r\nA: 1\r\nb:\r\nÄ"
	buf := []byte(strings.TrimSuffix(text, "Ä") + "a: 2\r\n\r\nrest")
	var h Head
	n, err := h.Parse(buf, Limits{})
	if err != nil || string(buf[n:]) != "rest" {
		t.Fatal(n, err)
	}
	if again, err := h.Parse(buf, Limits{}); again != n || err != nil {
		t.Errorf("a second call: %d, %v", again, err)
	}
	elsewhere := append([]byte(nil), buf[:n]...)
	clear(buf)
	if h.Status() != 404 || h.Minor() != 1 || string(h.Reason(elsewhere)) != "Not Found" || h.Len() != 3 {
		t.Errorf("got %d %d %q %d", h.Status(), h.Minor(), h.Reason(elsewhere), h.Len())
	}
	if got := h.Get(elsewhere, "a"); string(got) != "1" {
		t.Errorf("the first of two: %q", got)
	}
	if got := h.Get(elsewhere, "B"); got == nil || len(got) != 0 {
		t.Errorf("an empty value: %#v", got)
	}
	if got := h.Get(elsewhere, "c"); got != nil {
		t.Errorf("a missing field: %#v", got)
	}
	name, value := h.Field(elsewhere, 2)
	if string(name) != "a" || string(value) != "2" || cap(value) != len(value) {
		t.Errorf("got %q %q, capacity %d", name, value, cap(value))
	}
	h.Reset()
	if h.Len() != 0 || h.Status() != 0 || h.KeepAlive() {
		t.Error("Reset left something")
	}
	defer func() {
		if recover() == nil {
			t.Error("a field from before Reset was given")
		}
	}()
	h.Field(elsewhere, 0)
}

// Whatever bit a name has, it is found, in any case; what did not come is not, whatever bit it shares.
func TestHeadGet(t *testing.T) {
	var names []string
	for c := range 128 {
		if class[c]&isToken != 0 {
			names = append(names, string(rune(c)), "X-"+string(rune(c)), string(rune(c))+"-Some-Name")
		}
	}
	var h Head
	for _, name := range names {
		buf := []byte(ok + "Date: x\r\n" + name + ": y\r\n\r\n")
		h.Reset()
		if _, err := h.Parse(buf, Limits{}); err != nil {
			t.Fatal(err)
		}
		for _, other := range names {
			want := strings.EqualFold(name, other)
			if got := h.Get(buf, other); (string(got) == "y") != want || (got != nil) != want {
				t.Fatalf("%q among %q: %q", other, name, got)
			}
			if got := h.Values(buf, other); (len(got) == 1) != want {
				t.Fatalf("all %q among %q: %q", other, name, got)
			}
		}
		if h.Get(buf, "") != nil || h.Values(buf, "") != nil {
			t.Fatal("an empty name was found")
		}
	}
}

// What Get answers from a bit alone must be so for the names that a client asks for after every answer.
func TestNameBitsApart(t *testing.T) {
	common := strings.Fields("Server Date Content-Length Connection Transfer-Encoding Cache-Control Expires ETag " +
		"Last-Modified Vary Accept-Ranges Age Via X-Powered-By X-Cache X-Request-Id Strict-Transport-Security " +
		"X-Frame-Options X-Content-Type-Options X-XSS-Protection Content-Security-Policy Referrer-Policy " +
		"Access-Control-Allow-Origin Alt-Svc CF-Ray Server-Timing Content-Language Content-Disposition Pragma Link")
	for _, asked := range []string{"Content-Encoding", "Content-Type", "Keep-Alive", "Location", "Retry-After", "Set-Cookie"} {
		for _, name := range common {
			if nameBit(asked) == nameBit(name) {
				t.Errorf("%s looks like %s", asked, name)
			}
		}
	}
}

// Wherever in a word it stands, and whatever stands before it, the first byte that may not be in a value
// is found, and no other.
func TestValueEnd_9110_5_5(t *testing.T) {
	for n := range 20 {
		for _, fill := range []byte{' ', '\t', 'x', '~', 0x80, 0xff} {
			for at := range n {
				for _, before := range []byte{fill, '\t', ' ', 0x7e, 0x80, 0xff} {
					for c := range 256 {
						b := bytes.Repeat([]byte{fill}, n)
						b[max(at-1, 0)], b[at] = before, byte(c)
						want := n
						if class[c]&isValue == 0 {
							want = at
						}
						if got := valueEnd(b, at/2); got != want {
							t.Fatalf("%q: %d, want %d", b, got, want)
						}
						if valueEnd(string(b), at/2) != want || onlyValue(b) != (want == n) {
							t.Fatalf("%q: otherwise as a string", b)
						}
					}
				}
			}
		}
	}
}

// Letters beyond ASCII that upper-case to ASCII ones, and bytes that differ from a letter or from "-" in
// the case bit only, are others.
func TestFold(t *testing.T) {
	for _, tc := range []struct {
		b, s string
		want bool
	}{
		{"Content-Length", "CONTENT-LENGTH", true},
		{"cloſe", "close", false},
		{"\u212aeep-alive", "keep-alive", false},
		{"a\rb", "a-b", false},
		{"@", "`", false},
		{"[", "{", false},
		{"a", "ab", false},
	} {
		if got := fold([]byte(tc.b), tc.s); got != tc.want {
			t.Errorf("%q %q: %t", tc.b, tc.s, got)
		}
	}
}

func TestHeadLimits(t *testing.T) {
	head := []byte(ok + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n")
	for _, tc := range []struct {
		name string
		in   []byte
		lim  Limits
		want error
	}{
		{"bytes-exactly", head, Limits{Bytes: len(head)}, nil},
		{"bytes-over", head, Limits{Bytes: len(head) - 1}, ErrHeadTooLarge},
		{"bytes-within-status", head, Limits{Bytes: 10}, ErrHeadTooLarge},
		{"bytes-within-name-of-protocol", head, Limits{Bytes: 3}, ErrHeadTooLarge},
		{"bytes-endless-line", bytes.Repeat([]byte("HTTP/1.1 200 "), 20), Limits{Bytes: 100}, ErrHeadTooLarge},
		{"bytes-other-protocol", bytes.Repeat([]byte("x"), 200), Limits{Bytes: 100}, errNotHTTP},
		{"bytes-default", append(append([]byte(ok+"A: "), make([]byte, DefaultHeadBytes)...), '\n'), Limits{}, ErrHeadTooLarge},
		{"fields-exactly", head, Limits{Fields: 3}, nil},
		{"fields-over", head, Limits{Fields: 2}, ErrHeadTooLarge},
		{"fields-default", []byte(ok + strings.Repeat("A: 1\r\n", DefaultFields) + "\r\n"), Limits{}, nil},
		{"fields-default-over", []byte(ok + strings.Repeat("A: 1\r\n", DefaultFields+1) + "\r\n"), Limits{}, ErrHeadTooLarge},
		{"negative-is-default", head, Limits{Bytes: -1, Fields: -1}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var h Head
			n, err := h.Parse(bytes.Clone(tc.in), tc.lim)
			if !errors.Is(err, tc.want) || err == nil && n != len(tc.in) {
				t.Errorf("got %d, %v, want %v", n, err, tc.want)
			}
			if len(tc.in) > 1000 {
				return
			}
			h.Reset()
			for i := range len(tc.in) + 1 {
				if n, err = h.Parse(bytes.Clone(tc.in[:i]), tc.lim); err != ErrNeedMore {
					break
				}
			}
			if !errors.Is(err, tc.want) || err == nil && n != len(tc.in) {
				t.Errorf("byte by byte: %d, %v, want %v", n, err, tc.want)
			}
		})
	}
}

// Byte by byte, a line is searched once, not once a byte: the place where the search goes on moves.
func TestHeadResumes(t *testing.T) {
	var h Head
	buf := []byte(ok + "A: " + strings.Repeat("x", 1000))
	for i := len(ok) + 1; i <= len(buf); i++ {
		if _, err := h.Parse(buf[:i], Limits{}); err != ErrNeedMore {
			t.Fatal(err)
		}
		if int(h.seen) != i || int(h.line) != len(ok) {
			t.Fatalf("after %d bytes: seen %d, line %d", i, h.seen, h.line)
		}
	}
	if h.parseWhole(append(buf, "\r\n"...), 1); h.Len() != 0 {
		t.Error("a line that was searched is read from its start again")
	}
}

func TestKeepAlive_9112_9_3(t *testing.T) {
	for _, tc := range []struct {
		version, connection string
		want                bool
	}{
		{"1.1", "", true},
		{"1.0", "", false},
		{"1.1", "Connection: close\r\n", false},
		{"1.1", "Connection: CLOSE\r\n", false},
		{"1.1", "Connection: foo,close ,bar\r\n", false},
		{"1.1", "Connection: foo\r\nX: y\r\nconnection: close\r\n", false},
		{"1.1", "Connection: close, keep-alive\r\n", false},
		{"1.1", "Connection: closer\r\n", true},
		{"1.1", "Connection: \"close\"\r\n", true},
		{"1.1", "X-Connection: close\r\n", true},
		{"1.1", "Proxy-Connection: close\r\n", true},
		{"1.0", "Connection: keep-alive\r\n", true},
		{"1.0", "Connection: Keep-Alive, close\r\n", false},
		{"1.0", "Proxy-Connection: keep-alive\r\n", false},
		{"1.7", "", true},
	} {
		var h Head
		in := fmt.Sprintf("HTTP/%s 200 OK\r\n%s\r\n", tc.version, tc.connection)
		if _, err := h.Parse([]byte(in), Limits{}); err != nil {
			t.Errorf("%q: %v", in, err)
		} else if h.KeepAlive() != tc.want {
			t.Errorf("%q: %t", in, h.KeepAlive())
		}
	}
}

func TestErrorsSaySection(t *testing.T) {
	var e *Error
	_, err := new(Head).Parse([]byte(ok+"A : b\r\n\r\n"), Limits{})
	if !errors.As(err, &e) || e.Error() != `http1: whitespace before a field's colon: "A :***" (RFC 9112 §5.1)` {
		t.Error(err)
	}
}
