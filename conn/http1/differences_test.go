package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

type difference struct {
	name    string
	section string // where what we do is written
	reason  string
	refuse  error                          // ours, where net/http accepts
	accept  func(a answer, in []byte) bool // whether this is why net/http refuses
}

// differences are all the ways in which this package reads an answer otherwise than net/http does. A
// row either names our refusal of what net/http takes, or tells by the answer that we took what
// net/http refuses.
var differences = []difference{
	{name: "major version", section: "RFC 9110 §2.5", reason: "only HTTP/1 messages have this syntax", refuse: errMajor},
	{name: "status digits", section: "RFC 9112 §4", reason: "net/http takes several spaces before the status, signs, and codes below 100", refuse: errStatus},
	{name: "reason", section: "RFC 9112 §4", reason: "net/http takes control characters in the reason", refuse: errReason},
	{name: "space in names", section: "RFC 9112 §5.1", reason: "net/http keeps names with spaces, so a field may hide from one reader", refuse: errNameSpace},
	{name: "both framings", section: "RFC 9112 §6.3", reason: "net/http lets Transfer-Encoding win; the RFC advises to treat it as an error", refuse: errBoth},
	{name: "coding in HTTP/1.0", section: "RFC 9112 §6.1", reason: "net/http ignores the field; the RFC calls the framing faulty", refuse: errCodingOld},
	{name: "padded chunk size", section: "RFC 9112 §7.1", reason: "net/http trims whitespace behind the size", refuse: errChunkSize},
	{name: "control in extension", section: "RFC 9112 §7.1.1", reason: "net/http skips extensions unseen", refuse: errExt},
	{name: "extension bounds", section: "RFC 9112 §7.1.1", reason: "net/http grants 16 bytes for each chunk, however small", refuse: errExtLarge},
	{name: "bare LF in trailers", section: "RFC 9112 §7.1.2", reason: "net/http reads trailers like heads", refuse: errTrailLine},

	{name: "Content-Length list", section: "RFC 9112 §6.3", reason: "a recipient may take a list of equal values", accept: func(a answer, _ []byte) bool {
		return slices.ContainsFunc(a.values("Content-Length"), func(v string) bool { return strings.Contains(v, ",") })
	}},
	{name: "empty coding members", section: "RFC 9110 §5.6.1", reason: "a recipient must take empty list members", accept: func(a answer, _ []byte) bool {
		v := a.values("Transfer-Encoding")
		return len(v) > 1 || len(v) == 1 && strings.Contains(v[0], ",")
	}},
	{name: "bodyless answers", section: "RFC 9112 §6.3", reason: "no framing field matters for an answer without a body", accept: func(a answer, _ []byte) bool {
		return a.framing == FramingNone && len(a.values("Content-Length"))+len(a.values("Transfer-Encoding")) > 0
	}},
	{name: "Trailer field", section: "RFC 9110 §6.6.2", reason: "the field only announces; what may not be a trailer is dropped when it comes", accept: func(a answer, _ []byte) bool {
		return a.framing == FramingChunked && len(a.values("Trailer")) > 0
	}},
	{name: "space before extensions", section: "RFC 9112 §7.1.1", reason: "the grammar has BWS there, which a recipient must take", accept: func(a answer, in []byte) bool {
		return a.framing == FramingChunked && (bytes.Contains(in, []byte(" ;")) || bytes.Contains(in, []byte("\t;")))
	}},
	{name: "4 KiB lines and trailers", section: "RFC 9112 §7.1.1", reason: "net/http bounds both by its buffer", accept: func(a answer, in []byte) bool {
		return a.framing == FramingChunked && len(in) > 4<<10
	}},
}

func (a answer) values(name string) (all []string) {
	for _, f := range a.fields {
		if strings.EqualFold(f[0], name) {
			all = append(all, f[1])
		}
	}
	return all
}

// explained reports whether a row says why only one of the two takes the answer.
func explained(a answer, in []byte) bool {
	for _, d := range differences {
		if !a.whole && d.refuse != nil && errors.Is(a.err, d.refuse) || a.whole && d.accept != nil && d.accept(a, in) {
			return true
		}
	}
	return false
}

// compare reads in with net/http as well.
func compare(t *testing.T, method string, in []byte, ours answer) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(in))
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	var body []byte
	if err == nil {
		body, err = io.ReadAll(resp.Body)
	}
	if (err == nil) != ours.whole {
		if !explained(ours, in) {
			t.Fatalf("%q\nnet/http: %v, we: %v", in, err, ours.err)
		}
		return
	}
	if err != nil {
		return
	}
	rest, err := io.ReadAll(br)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != ours.status || min(resp.ProtoMinor, 1) != ours.minor || !bytes.Equal(body, ours.body) ||
		!bytes.Equal(rest, ours.rest) || resp.Close == (ours.keep && ours.framing != FramingUntilClose) {
		t.Fatalf("%q\nnet/http: %d %d %q rest %q close %t\nwe: %v", in, resp.StatusCode, resp.ProtoMinor, body, rest, resp.Close, ours)
	}
	if got, want := fieldText(ours.fields), headerText(resp.Header); got != want {
		t.Fatalf("%q\nnet/http: %s\nwe: %s", in, want, got)
	}
	kept := slices.Clone(ours.trailers)
	theirs := resp.Trailer.Clone()
	for name := range theirs {
		if misplaced([]byte(name)) {
			delete(theirs, name) // dropped here
		}
	}
	if got, want := fieldText(kept), headerText(theirs); got != want {
		t.Fatalf("%q\nnet/http: trailers %s\nwe: %s", in, want, got)
	}
}

// editedByNetHTTP are the fields that net/http takes out or adds while it reads.
var editedByNetHTTP = []string{"Content-Length", "Transfer-Encoding", "Trailer", "Connection", "Cache-Control"}

func fieldText(fields [][2]string) string {
	h := http.Header{}
	for _, f := range fields {
		h.Add(f[0], f[1])
	}
	return headerText(h)
}

// headerText is h in one order, with the whitespace in values made one space: net/http puts one where a
// line was folded, this package as many as there were bytes (RFC 9112 §5.2 allows both).
func headerText(h http.Header) string {
	var lines []string
	for name, values := range h {
		if slices.Contains(editedByNetHTTP, name) {
			continue
		}
		for _, v := range values {
			lines = append(lines, fmt.Sprintf("%q: %q", name, strings.Join(strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '\t' }), " ")))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Every row is needed: some answer is read otherwise because of it.
func TestDifferences(t *testing.T) {
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	for name, in := range map[string]string{
		"major version":            "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"status digits":            "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
		"reason":                   "HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n",
		"space in names":           ok + "Content-Length : 2\r\n\r\n",
		"both framings":            ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"coding in HTTP/1.0":       "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"padded chunk size":        chunked + "1 \r\nx\r\n0\r\n\r\n",
		"control in extension":     chunked + "1;\x01\r\nx\r\n0\r\n\r\n",
		"extension bounds":         chunked + strings.Repeat("1;0123456789\r\nx\r\n", 2000) + "0\r\n\r\n",
		"bare LF in trailers":      chunked + "0\r\nA: b\n\r\n\r\n",
		"Content-Length list":      ok + "Content-Length: 1, 1\r\n\r\nx",
		"empty coding members":     ok + "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
		"bodyless answers":         "HTTP/1.1 204 No\r\nContent-Length: x\r\n\r\n",
		"Trailer field":            ok + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"space before extensions":  chunked + "1 ;a\r\nx\r\n0\r\n\r\n",
		"4 KiB lines and trailers": chunked + "0\r\nA: " + strings.Repeat("x", 8<<10) + "\r\n\r\n",
	} {
		row := slices.IndexFunc(differences, func(d difference) bool {
			return d.name == name
		})
		if row < 0 {
			t.Errorf("no row %q", name)
			continue
		}
		ours := read("GET", []byte(in), Limits{}, atOnce, false)
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(in)), nil)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
		}
		if d := differences[row]; d.refuse != nil && (err != nil || !errors.Is(ours.err, d.refuse)) ||
			d.accept != nil && (err == nil || !ours.whole || !d.accept(ours, []byte(in))) {
			t.Errorf("%s is no difference: net/http %v, we %v", name, err, ours.err)
		}
	}
	if len(differences) != 16 {
		t.Error("rows without an answer that shows them")
	}
}
