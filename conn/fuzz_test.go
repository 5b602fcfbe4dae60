package conn

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

// cutter makes piece sizes of fuzz data, again and again; without data the whole
// comes at once.
func cutter(cuts []byte) func() int {
	if len(cuts) == 0 {
		return nil
	}
	i := -1
	return func() int {
		i++
		return 1 + int(cuts[i%len(cuts)])
	}
}

// answered is what a connection made of a server's bytes.
type answered struct {
	reply
	finished, reusable bool
	read               int // bytes taken from the socket
}

// converse reads one answer to method from in, with ReadAll or, for a size above
// 0, with Reads of that size.
func converse(t *testing.T, method string, in []byte, cut func() int, size int) (a answered) {
	t.Helper()
	m := newCanned("")
	m.in, m.cut = in, cut
	c := newConn(m, &Buffers{})
	if _, err := c.Write([]byte(get), nil, true); err != nil {
		t.Fatal(err)
	}
	var h http1.Head
	if _, a.err = c.ReadHead(method, &h, nil, http1.Limits{}, 0); a.err == nil {
		a.status = h.Status()
		a.body, a.err = bodyOf(t, c, size)
	}
	a.finished, a.reusable, a.read = c.Finished(), c.Reusable(), m.read
	if m.ends > 3 {
		t.Fatalf("asked %d times for what comes behind the end", m.ends)
	}
	return a
}

func bodyOf(t *testing.T, c *Conn, size int) (string, error) {
	if size == 0 {
		body, err := c.ReadAll(nil, 0)
		return string(body), err
	}
	var all []byte
	p := make([]byte, size)
	for {
		n, done, err := c.Read(p, true)
		all = append(all, p[:n]...)
		if done || err != nil {
			return string(all), err
		}
		if n < size {
			t.Fatalf("a short read of %d bytes, and more to come", n)
		}
	}
}

// readTheirs reads one answer with net/http, skipping interim ones.
func readTheirs(method string, in []byte) (a answered) {
	all := bytes.NewReader(in)
	br := bufio.NewReaderSize(all, 64<<10)
	for a.status < 200 && a.status != 101 && a.err == nil {
		var resp *http.Response
		if resp, a.err = http.ReadResponse(br, &http.Request{Method: method}); a.err != nil {
			return a
		}
		var body []byte
		body, a.err = io.ReadAll(resp.Body)
		a.status, a.body = resp.StatusCode, string(body)
	}
	a.read = len(in) - all.Len() - br.Buffered()
	return a
}

// Invariant: whatever a server sends, in whatever pieces, a connection neither
// panics nor asks for ever, and the pieces and the way of reading change nothing
// but how much was read ahead. It calls itself reusable only if exactly one
// answer was taken from the socket; what net/http takes as well it reads alike.
func FuzzAnswer(f *testing.F) {
	for _, a := range kept {
		f.Add([]byte(a.in), a.method == "HEAD", []byte{}, uint16(1))
		f.Add([]byte(a.in+"HTTP/1.1 200 OK\r\n"), a.method == "HEAD", []byte{0}, uint16(7))
		f.Add([]byte(a.in[:len(a.in)-1]), a.method != "HEAD", []byte{30, 0}, uint16(512))
	}
	for _, in := range bodies(text(3000)) {
		f.Add([]byte(in), false, []byte{200, 3}, uint16(100))
	}
	f.Fuzz(func(t *testing.T, in []byte, head bool, cuts []byte, size uint16) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		whole := converse(t, method, in, nil, 0)
		theirs := readTheirs(method, in)
		for _, other := range []answered{
			converse(t, method, in, cutter(cuts), 0),
			converse(t, method, in, cutter(cuts), 1+int(size)),
			converse(t, method, in, nil, 1+int(size)),
		} {
			if (other.err == nil) != (whole.err == nil) || other.status != whole.status || other.finished != whole.finished ||
				whole.err == nil && other.body != whole.body {
				t.Fatalf("%q\nat once: %+v\nin pieces: %+v", in, whole, other)
			}
			check(t, in, other, theirs)
		}
		check(t, in, whole, theirs)
	})
}

// check compares one reading with net/http's.
func check(t *testing.T, in []byte, ours, theirs answered) {
	t.Helper()
	if ours.reusable && (ours.err != nil || !ours.finished) {
		t.Fatalf("%q\nreusable after %+v", in, ours)
	}
	if ours.err != nil || theirs.err != nil {
		return // the codec's own tests compare what is refused
	}
	if ours.status != theirs.status || ours.body != theirs.body {
		t.Fatalf("%q\nnet/http: %d %q\nwe: %d %q", in, theirs.status, theirs.body, ours.status, ours.body)
	}
	if ours.reusable && ours.read != theirs.read {
		t.Fatalf("%q\nreusable after %d bytes of an answer of %d", in, ours.read, theirs.read)
	}
}
