package http1

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// lookalikes are lines that some reader may take for a framing field, and that are none.
func lookalikes() (lines []string) {
	for _, name := range framingNames {
		first, rest, _ := strings.Cut(name, "-")
		value := "x"
		if name == "Content-Length" {
			value = "5"
		}
		for _, damaged := range []string{
			name + " ", name + "\t", name + " \t ", name + "\v", name + "\f", name + "\xa0", name + "\xc2\xa0",
			name + "\x01", name + "\x7f", name + "\"", "\"" + name + "\"", "(" + name + ")", "\v" + name, "\xef\xbb\xbf" + name,
			strings.ToLower(name) + " ", strings.ToUpper(name) + " ", name[:3] + " " + name[3:], name[:3] + "\x00" + name[3:],
			name[:3] + "\xe2\x80\x8b" + name[3:], name[:3] + "\r" + name[3:], name + ";", name + ",", name + "@",
			first + " " + rest, first + "-" + " " + rest, first + rest + " ", first + "\t" + rest,
		} {
			if damaged == first+" " { // a name without a dash, twice
				damaged = name + " "
			}
			lines = append(lines, damaged+": "+value, damaged+":"+value)
		}
		lines = append(lines, ":"+name+": "+value, ": "+name+": "+value, "::"+name+":"+value, " "+name+": "+value)
	}
	for _, name := range lengthNames {
		lines = append(lines, name+" 5", name+" "+name+" : 5", name+"=5", "Foo "+name+": 5", name+" Foo: 5", "\""+name+"\" 5", "Foo\v"+name+": 5")
	}
	return append(lines, "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade", "\"Upgrade\"")
}

// No line that looks like a framing field gets any leniency, wherever in a head or among the
// trailers it stands: what would be skipped by one reader must not be a length to another.
func TestLenientFraming_9112_6_3(t *testing.T) {
	const (
		end     = "\r\n"
		skipped = "Bad Name: x\r\n"
		chunked = ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n"
	)
	for _, line := range lookalikes() {
		line += end
		folds := line[0] == ' ' || line[0] == '\t'
		for place, in := range map[string]string{
			"first":                   ok + line + end,
			"behind a field":          ok + "A: b\r\n" + line + end,
			"before a length":         ok + line + "Content-Length: 2\r\n" + end + "hi",
			"behind a length":         ok + "Content-Length: 2\r\n" + line + end + "hi",
			"behind a skipped line":   ok + "A: b\r\n" + skipped + line + end,
			"as its continuation":     ok + "A: b\r\n" + skipped + " " + line + end,
			"as first continuation":   ok + " " + line + end,
			"first trailer":           chunked + line + end,
			"behind a trailer":        chunked + "A: b\r\n" + line + end,
			"behind a skipped one":    chunked + skipped + line + end,
			"continues a skipped one": chunked + "A: b\r\n" + skipped + "\t" + line + end,
		} {
			if folds && (place == "behind a field" || place == "behind a length" || place == "behind a trailer") {
				continue // it continues a value (RFC 9112 §5.2)
			}
			for _, cut := range []func() int{atOnce, byByte} {
				got := read("GET", []byte(in), Limits{Lenient: true}, cut, false)
				var refused *Error
				if !errors.As(got.err, &refused) {
					t.Errorf("%s, %q: %v", place, line, got)
				}
			}
		}
	}
}

// What is like the names of framing fields, and none of them, is no more than others are.
func TestLenientSkips(t *testing.T) {
	for _, line := range []string{
		"Bad Name: x", "no colon", ": x", ":", "é: x", "\"Quoted\": x", "Content Encoding: gzip", "X Content-Lengths: 5",
		"Connection reset by peer", "Upgrade your browser", "Keep Alive: x", "(Comment)", "<br>", "Proxy\x01Connection: x", "Connection2 x: y",
	} {
		for _, in := range []string{
			ok + line + "\r\nContent-Length: 2\r\n\r\nhi",
			ok + "Content-Length: 2\r\n" + line + "\n\r\nhi",
			ok + "Content-Length: 2\r\n" + line + "\r\n folded\r\n\tagain\r\n\r\nhi",
		} {
			strict := read("GET", []byte(in), Limits{}, atOnce, false)
			got := read("GET", []byte(in), Limits{Lenient: true}, byByte, false)
			if strict.err == nil || !got.whole || string(got.body) != "hi" || len(got.fields) != 1 {
				t.Errorf("%q: strict %v, lenient %v", in, strict.err, got)
			}
		}
	}
}

// Lines that are skipped count as fields do: nobody makes a client read without end.
func TestLenientLimits(t *testing.T) {
	lim := Limits{Fields: 3, Lenient: true}
	for in, want := range map[string]error{
		"A: 1\r\nx y\r\nB: 2\r\n":              nil,
		"x\r\ny\r\nz\r\n":                      nil,
		"A: 1\r\nx y\r\nB: 2\r\nC: 3\r\n":      ErrHeadTooLarge,
		"A: 1\r\nB: 2\r\nC: 3\r\nx y\r\n":      ErrHeadTooLarge,
		" w\r\n x\r\n y\r\n z\r\n":             ErrHeadTooLarge,
		"x\r\nA: 1\r\nB: 2\r\n c\r\nC: 3\r\n":  ErrHeadTooLarge,
		"A: 1\r\nx\r\n y\r\n":                  nil,
		"A: 1\r\nB: 2\r\nx\r\n still of x\r\n": ErrHeadTooLarge,
	} {
		for _, cut := range []func() int{atOnce, byByte} {
			if got := read("GET", []byte(ok+in+"\r\n"), lim, cut, false); !errors.Is(got.err, want) || want == nil && !got.whole {
				t.Errorf("%q: %v, want %v", in, got.err, want)
			}
		}
	}
}

// A used Head and a used Body have forgotten what was skipped.
func TestLenientForgets(t *testing.T) {
	var h Head
	var b Body
	lim := Limits{Lenient: true}
	for _, in := range []string{ok + "x\r\n\r\n", ok + "A: 1\r\n 2\r\n\r\n"} {
		h.Reset()
		buf := []byte(in)
		n, err := h.Parse(buf, lim)
		if err != nil {
			t.Fatal(err)
		}
		if b.Start("GET", &h, buf[:n], lim) != nil {
			t.Fatal("no start")
		}
		if h.Len() == 1 && string(h.Get(buf, "a")) != "1   2" {
			t.Errorf("%q", h.Get(buf, "a"))
		}
	}
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	for i, in := range []string{"0\r\nx\r\n\r\n", "1 \r\nx\r\n0\r\n\r\n", "0\r\nA: 1\r\n 2\r\n\r\n"} {
		if err := start(t, &b, "GET", chunked); err != nil {
			t.Fatal(err)
		}
		b.lenient = i == 0
		_, _, err := b.Next([]byte(in))
		if (err == nil) != (i != 1) || i == 2 && b.Trailers() != 1 {
			t.Errorf("%q: %v, %d trailers", in, err, b.Trailers())
		}
	}
}

// writtenOut is the head that was read of a, as it should have been sent.
func (a answer) writtenOut() []byte {
	out := fmt.Appendf(nil, "HTTP/1.%d %03d %s\r\n", a.minor, a.status, a.reason)
	for _, f := range a.fields {
		if strings.EqualFold(f[0], "Transfer-Encoding") && a.framing != FramingChunked && a.framing != FramingNone {
			continue // identity
		}
		out = append(out, f[0]+": "+f[1]+"\r\n"...)
	}
	return append(out, "\r\n"...)
}

// Invariant: whatever is read without lenience reads alike with it. Whatever is read with lenience
// has the framing that its fields, written out properly, have without: a length never has a second
// reading. And a line that may be a framing field to somebody is one, or refused.
func FuzzLenient(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.in, v.method == "HEAD", []byte{0})
	}
	for _, line := range lookalikes() {
		f.Add([]byte(ok+line+"\r\nContent-Length: 2\r\n\r\nhi"), false, []byte{2, 9})
	}
	f.Fuzz(func(t *testing.T, in []byte, head bool, cuts []byte) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		lim := Limits{Lenient: true}
		strict, lenient := read(method, in, Limits{}, atOnce, false), read(method, in, lim, atOnce, false)
		if strict.whole && strict.String() != lenient.String() {
			t.Fatalf("strict:\n%slenient:\n%s", strict, lenient)
		}
		if strict.head && (!lenient.head || !bytes.HasPrefix(lenient.body, strict.body)) {
			t.Fatalf("strict:\n%slenient:\n%s", strict, lenient)
		}
		for _, direct := range []bool{false, true} {
			if got := read(method, in, lim, cutter(cuts), direct); got.bare().String() != lenient.bare().String() && !alike(got.err, lenient.err) {
				t.Fatalf("at once:\n%sin pieces (past Next: %t):\n%s", lenient, direct, got)
			}
		}
		if !lenient.head || errors.As(lenient.err, new(*Error)) && lenient.framing == FramingNone {
			return
		}
		proper := lenient.writtenOut()
		if got := read(method, proper, Limits{Bytes: len(proper)}, atOnce, false); !got.head || got.status != lenient.status ||
			got.framing != lenient.framing || got.length != lenient.length || got.keep != lenient.keep {
			t.Fatalf("lenient:\n%swritten out %q:\n%s", lenient, proper, got)
		}
		checkNoLookalike(t, in)
	})
}

// checkNoLookalike looks with other eyes than the codec's at the lines of a head that was taken.
func checkNoLookalike(t *testing.T, in []byte) {
	lines := strings.Split(string(in), "\n")
	for _, line := range lines[1:] {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			return
		}
		name, _, _ := strings.Cut(line, ":")
		tokens := strings.Map(func(r rune) rune {
			if r < 0x80 && class[r]&isToken != 0 {
				return r
			}
			return -1
		}, name)
		if name != tokens && line[0] != ' ' && line[0] != '\t' && slices.ContainsFunc(framingNames[:], func(s string) bool { return strings.EqualFold(s, tokens) }) {
			t.Fatalf("%q was taken, with %q in it", in, line)
		}
	}
}
