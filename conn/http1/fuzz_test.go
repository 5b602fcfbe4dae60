package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// cutter makes piece sizes of fuzz data, again and again; without data there is one piece.
func cutter(cuts []byte) func() int {
	if len(cuts) == 0 {
		return atOnce
	}
	i := -1
	return func() int {
		i++
		return 1 + int(cuts[i%len(cuts)])
	}
}

// alike tells whether two refusals are the same, but for how much of the peer's bytes had come: what
// another protocol is shows only when a few are there.
func alike(a, b error) bool {
	other := func(err error) bool {
		return errors.Is(err, errNotHTTP) || errors.Is(err, errTLS) || errors.Is(err, errHTTP2)
	}
	if e, ok := b.(*Error); ok {
		return errors.Is(a, &Error{Reason: e.Reason, Section: e.Section}) || other(a) && other(b)
	}
	return a == b
}

// Invariant: Parse never panics, and what it says of a head (length, fields, refusal) does not depend
// on the pieces the head came in, nor on the buffers they were in. Whatever it accepts has no control
// character in a name or value, lies within the limits, and is found by its name in any case.
func FuzzHead(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.in, []byte{0}, uint16(0), uint8(0), v.lim.Lenient)
		f.Add(v.in, []byte{4, 0, 16}, uint16(64), uint8(1), !v.lim.Lenient)
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte, size uint16, fields uint8, lenient bool) {
		lim := Limits{Bytes: int(size), Fields: int(fields), Lenient: lenient}
		var whole, parts Head
		wholeBuf := bytes.Clone(in)
		wholeN, wholeErr := whole.Parse(wholeBuf, lim)

		next := cutter(cuts)
		var buf []byte
		n, err := parts.Parse(buf, lim)
		for left := in; err == ErrNeedMore && len(left) > 0; {
			piece := min(next(), len(left))
			buf = append(bytes.Clone(buf), left[:piece]...)
			left = left[piece:]
			n, err = parts.Parse(buf, lim)
		}
		if n != wholeN || !alike(err, wholeErr) {
			t.Fatalf("at once %d, %v; in pieces %d, %v", wholeN, wholeErr, n, err)
		}
		if err != nil {
			return
		}
		maxBytes, maxFields := lim.filled().Bytes, lim.filled().Fields
		if n > maxBytes || whole.Len() > maxFields || n > len(in) {
			t.Fatalf("%d bytes, %d fields pass the limits", n, whole.Len())
		}
		if !bytes.Equal(buf[:n], wholeBuf[:n]) || whole.Status() != parts.Status() || whole.Len() != parts.Len() ||
			whole.facts != parts.facts || whole.Minor() != parts.Minor() {
			t.Fatal("pieces make a difference")
		}
		for i := range whole.Len() {
			name, value := whole.Field(wholeBuf, i)
			if a, b := parts.Field(buf, i); !bytes.Equal(a, name) || !bytes.Equal(b, value) {
				t.Fatalf("field %d: at once %q %q, in pieces %q %q", i, name, value, a, b)
			}
			if !ValidFieldName(string(name)) || !ValidFieldValue(string(value)) ||
				!bytes.Equal(value, bytes.Trim(value, " \t")) {
				t.Fatalf("field %q %q was accepted", name, value)
			}
			for _, b := range [][]byte{name, bytes.ToLower(name), bytes.ToUpper(name)} {
				if whole.Get(wholeBuf, string(b)) == nil || whole.Values(wholeBuf, string(b)) == nil {
					t.Fatalf("field %q is not found as %q", name, b)
				}
			}
		}
	})
}

// Invariant: an answer reads alike in any pieces and whether payload passes through Next or by it; and
// net/http reads it alike too (accepted or not, status, fields, body, trailers, where it ends, whether
// the connection lives on), but for the rows of differences.
func FuzzResponse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.in, v.method == "HEAD", []byte{0})
		f.Add(v.in, v.method != "HEAD", []byte{2, 9})
	}
	f.Fuzz(func(t *testing.T, in []byte, head bool, cuts []byte) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		ours := read(method, in, Limits{}, atOnce, false)
		whole := ours.bare().String()
		for _, direct := range []bool{false, true} {
			if got := read(method, in, Limits{}, cutter(cuts), direct); got.bare().String() != whole && !alike(got.err, ours.err) {
				t.Fatalf("at once:\n%sin pieces (past Next: %t):\n%s", whole, direct, got.String())
			}
		}
		compare(t, method, in, ours)
	})
}

// Invariant: what the Append functions accept is exactly one request for whoever reads it: net/http
// finds the method, the target and the fields that were given, and nothing more behind them. What they
// refuse leaves the buffer as it was.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/", "Accept", "*/*", "X-Y", "z")
	f.Add("POST", "/a?b", "A\r\nB", "c", "D", "e\r\nF: g")
	f.Add("GET / HTTP/1.1\r\nX:", "/ HTTP/1.1\r\n\r\n", "Accept", " x\t", "", "\n")
	f.Add("PUT", "http://h/", "Transfer-Encoding", "chunked", "Content-Length", "5")
	f.Add("OPTIONS", "*", "Content-Length", "0", "Content-Length", "1")
	f.Fuzz(func(t *testing.T, method, target, name1, value1, name2, value2 string) {
		buf, err := AppendRequestLine(nil, method, target)
		if err != nil {
			if len(buf) != 0 || ValidMethod(method) && ValidTarget(target) {
				t.Fatalf("%v with %q", err, buf)
			}
			return
		}
		lines := []string{method + " " + target + " HTTP/1.1", "Host: example.com"}
		if buf, err = AppendField(buf, "Host", "example.com"); err != nil {
			t.Fatal(err)
		}
		for _, field := range [][2]string{{name1, value1}, {name2, value2}} {
			before := string(buf)
			if buf, err = AppendField(buf, field[0], field[1]); err == nil {
				lines = append(lines, field[0]+": "+strings.Trim(field[1], " \t"))
			} else if string(buf) != before {
				t.Fatalf("%v with %q", err, buf)
			}
		}
		buf = AppendEnd(buf)

		// Any reader that splits at CR or LF, together or alone, sees these lines.
		text, found := strings.CutSuffix(string(buf), "\r\n\r\n")
		got := strings.Split(text, "\r\n")
		if !found || fmt.Sprint(got) != fmt.Sprint(lines) || len(got) != len(lines) ||
			strings.ContainsAny(strings.Join(got, ""), "\r\n\x00") {
			t.Fatalf("%q are not the lines %q", buf, lines)
		}

		br := bufio.NewReader(bytes.NewReader(buf))
		req, err := http.ReadRequest(br)
		if err != nil {
			return // a target that is no URI, fields that frame badly: not for this package to know
		}
		if req.Method != method || req.RequestURI != target {
			t.Fatalf("read back %q %q", req.Method, req.RequestURI)
		}
		if br.Buffered() != 0 {
			t.Fatalf("%d bytes left", br.Buffered())
		}
		for _, line := range lines[2:] {
			name, value, _ := strings.Cut(line, ":")
			name, value = http.CanonicalHeaderKey(name), strings.Trim(value, " \t")
			switch name {
			case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
				continue // net/http takes these out or repeats them once
			}
			if found := false; req.Header != nil {
				for _, v := range req.Header[name] {
					found = found || v == value
				}
				if !found {
					t.Fatalf("%q: %q is not in %q", name, value, req.Header)
				}
			}
		}
		if len(req.Header) > len(lines) {
			t.Fatalf("more fields than lines: %q", req.Header)
		}
	})
}
