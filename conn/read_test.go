package conn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// bodies are the same bytes in each framing.
func bodies(payload string) map[string]string {
	return map[string]string{
		"length":       ok + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(payload)) + payload,
		"tiny chunks":  okChunked + chunks(payload, 1, 2, 3),
		"large chunks": okChunked + chunks(payload, 50_000),
		"mixed chunks": okChunked + chunks(payload, bulk-1, bulk, bulk+1, 1, 3*bufferSize, bufferSize),
		"until close":  ok + "\r\n" + payload,
	}
}

// chunks frames payload in chunks of these sizes, again and again.
func chunks(payload string, sizes ...int) string {
	var w []byte
	for i := 0; len(payload) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(payload))
		w = append(http1.AppendChunkHead(w, n), payload[:n]...)
		w = append(w, http1.ChunkEnd...)
		payload = payload[n:]
	}
	return string(append(w, http1.LastChunk...))
}

// text is n bytes of which no two places look alike.
func text(n int) string {
	b := make([]byte, 0, n+20)
	for i := int64(0); len(b) < n; i++ {
		b = append(strconv.AppendInt(b, i, 10), ' ')
	}
	return string(b[:n])
}

func TestReadAllFramings(t *testing.T) {
	payload := text(200_000)
	for _, tr := range transports {
		for name, in := range bodies(payload) {
			t.Run(name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				p.work.Go(func() {
					p.request()
					p.write(in)
					p.finish()
				})
				if got := exchange(c, "GET"); got.err != nil || got.body != payload {
					t.Errorf("%d of %d bytes, error %v", len(got.body), len(payload), got.err)
				}
				if got, want := c.Reusable(), name != "until close"; got != want {
					t.Errorf("reusable %t", got)
				}
			})
		}
	}
}

// Read fills its slice until the body ends, whatever the framing and however the
// bytes come.
func TestReadFillsItsSlice(t *testing.T) {
	payload := text(70_001)
	for name, in := range bodies(payload) {
		for _, size := range []int{1, 7, 512, bulk, 100_000} {
			for piece, cut := range map[string]func() int{
				"whole":          nil,
				"byte by byte":   func() int { return 1 },
				"1460 at a time": func() int { return 1460 },
			} {
				t.Run(fmt.Sprintf("%s, %d from %s", name, size, piece), func(t *testing.T) {
					m := newCanned(in)
					m.cut = cut
					c := newConn(m, &Buffers{})
					c.Write([]byte(get), nil, true)
					readHead(t, c)
					if got := readBy(t, c, size); got != payload {
						t.Errorf("%d of %d bytes", len(got), len(payload))
					}
					if !c.Finished() {
						t.Error("not finished")
					}
				})
			}
		}
	}
}

// readBy reads the rest of a body in slices of that size, none of which may be
// short but the last.
func readBy(t *testing.T, c *Conn, size int) string {
	t.Helper()
	var all []byte
	p := make([]byte, size)
	for {
		n, done, err := c.Read(p, true)
		all = append(all, p[:n]...)
		if err != nil {
			t.Fatal(err)
		}
		if done {
			return string(all)
		}
		if n < size {
			t.Fatalf("%d of %d bytes, and more to come", n, size)
		}
	}
}

func TestReadOverSockets(t *testing.T) {
	payload := text(100_003)
	for _, tr := range transports {
		for name, in := range bodies(payload) {
			for _, size := range []int{7, 512, 100_000} {
				t.Run(fmt.Sprintf("%s, %d over %s", name, size, tr.name), func(t *testing.T) {
					c, p := tr.meet(t)
					p.work.Go(func() {
						p.request()
						p.write(in)
						p.finish()
					})
					c.Write([]byte(get), nil, true)
					readHead(t, c)
					if got := readBy(t, c, size); got != payload {
						t.Errorf("%d of %d bytes", len(got), len(payload))
					}
				})
			}
		}
	}
}

// The end comes with the last bytes if the framing that tells it has arrived, so
// that a caller needs no further Read to know.
func TestReadTellsTheEnd(t *testing.T) {
	for _, tc := range []struct {
		name   string
		pieces []string // of the body, one Read of the socket each
		framed bool
		want   string // "n done" of each Read of 5 bytes
	}{
		{"chunk and last chunk", []string{"5\r\nhello\r\n0\r\n\r\n"}, true, "5 true"},
		{"with trailers", []string{"5\r\nhello\r\n0\r\nA: b\r\n\r\n"}, true, "5 true"},
		{"last chunk later", []string{"5\r\nhello\r\n", "0\r\n\r\n"}, true, "5 false, 0 true"},
		{"half of the last chunk later", []string{"5\r\nhello\r\n0\r", "\n\r\n"}, true, "5 false, 0 true"},
		{"another chunk", []string{"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"}, true, "5 false, 1 true"},
		{"size before its data", []string{"5\r\nhello\r\n2\r\n", "!!", "\r\n0\r\n\r\n"}, true, "5 false, 2 true"},
		{"one byte short", []string{"4\r\nhell\r\n0\r\n\r\n"}, true, "4 true"},
		{"empty", []string{"0\r\n\r\n"}, true, "0 true"},
		{"length", []string{"hello", "worl"}, false, "5 false, 4 true"},
		{"length in one", []string{"helloworl"}, false, "5 false, 4 true"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			head := okChunked
			if !tc.framed {
				head = ok + "Content-Length: 9\r\n\r\n"
			}
			m := newCanned(head + strings.Join(tc.pieces, ""))
			sizes := []int{len(head)}
			for _, p := range tc.pieces {
				sizes = append(sizes, len(p))
			}
			m.cut = func() int {
				n := sizes[0]
				sizes = sizes[1:]
				return n
			}
			c := newConn(m, &Buffers{})
			c.Write([]byte(get), nil, true)
			readHead(t, c)
			var got []string
			for done := false; !done; {
				var n int
				var err error
				if n, done, err = c.Read(make([]byte, 5), true); err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprint(n, " ", done))
			}
			if s := strings.Join(got, ", "); s != tc.want {
				t.Errorf("reads %s, want %s", s, tc.want)
			}
			if n, done, err := c.Read(make([]byte, 5), true); n != 0 || !done || err != nil {
				t.Errorf("after the end: %d, %t, %v", n, done, err)
			}
		})
	}
}

// Framing that is broken behind the data is told beside the data.
func TestReadGivesDataBesideAnError(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want string
		err  error
	}{
		"broken framing": {okChunked + "5\r\nhelloX", "hello", nil},
		"cut chunk":      {okChunked + "9\r\nhello", "hello", http1.ErrTruncated},
		"cut length":     {ok + "Content-Length: 9\r\n\r\nhello", "hello", http1.ErrTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConn(newCanned(tc.in), &Buffers{})
			c.Write([]byte(get), nil, true)
			readHead(t, c)
			p := make([]byte, 100)
			n, done, err := c.Read(p, true)
			var complaint *http1.Error
			if string(p[:n]) != tc.want || done || err == nil {
				t.Errorf("%q, %t, %v", p[:n], done, err)
			}
			if tc.err != nil {
				wantError(t, err, tc.err)
			} else if !errors.As(err, &complaint) {
				t.Errorf("error %v, want an *http1.Error", err)
			}
		})
	}
}

// A Read of nothing takes in framing that is there, and waits for nothing.
func TestReadNothing(t *testing.T) {
	m := newCanned(okChunked + "0\r\n\r\n")
	c := newConn(m, &Buffers{})
	c.Write([]byte(get), nil, true)
	readHead(t, c)
	if n, done, err := c.Read(nil, true); n != 0 || !done || err != nil {
		t.Errorf("%d, %t, %v", n, done, err)
	}
	m = newCanned(okLength)
	m.cut = func() int { return len(ok + "Content-Length: 5\r\n\r\n") }
	c = newConn(m, &Buffers{})
	c.Write([]byte(get), nil, true)
	readHead(t, c)
	if n, done, err := c.Read(nil, true); n != 0 || done || err != nil {
		t.Errorf("%d, %t, %v", n, done, err)
	}
}

// ReadAll appends: what the slice held stays.
func TestReadAllAppends(t *testing.T) {
	for name, in := range bodies("hello") {
		c := newConn(newCanned(in), &Buffers{})
		c.Write([]byte(get), nil, true)
		var h http1.Head
		dst, err := c.ReadHead("GET", &h, nil, http1.Limits{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		head := len(dst)
		dst, err = c.ReadAll(slices.Clip(dst), 5)
		if err != nil || string(dst[head:]) != "hello" || !bytes.HasPrefix(dst, []byte(ok)) {
			t.Errorf("%s: %q, %v", name, dst, err)
		}
	}
}

// A conn may return neither bytes nor an error, but not for ever.
func TestReadWithoutProgress(t *testing.T) {
	c := New(&stutter{canned: newCanned(okLength)}, &Buffers{})
	if got := exchange(c, "GET"); got != (reply{200, "hello", nil}) {
		t.Errorf("%+v", got)
	}
	c = New(&stutter{canned: newCanned(okLength), from: len(okLength) - 2}, &Buffers{})
	wantError(t, exchange(c, "GET").err, io.ErrNoProgress)
}

// stutter returns nothing before each byte, and nothing but that after from.
type stutter struct {
	*canned
	from  int
	empty bool
}

func (s *stutter) Read(p []byte) (int, error) {
	s.empty = !s.empty
	if s.empty || s.from > 0 && s.read >= s.from {
		return 0, nil
	}
	return s.canned.Read(p[:1])
}

func TestReadHeadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := overPipe.meet(t)
		p.answers("HTTP/1.1 102 Processing\r\n\r\n", ok) // neither starts the time anew
		c.Write([]byte(get), nil, true)
		began := time.Now()
		_, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, time.Minute)
		if !IsTimeout(err) {
			t.Errorf("error %v", err)
		}
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("waited %v", waited)
		}
		p.work.Wait()
	})
}

// The time for the head does not bound the body.
func TestReadHeadTimeoutEndsWithTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := overPipe.meet(t)
		p.work.Go(func() {
			p.request()
			p.write(ok + "Content-Length: 5\r\n\r\n")
			<-time.After(time.Hour)
			p.write("hello")
		})
		c.Write([]byte(get), nil, true)
		if _, err := c.ReadHead("GET", new(http1.Head), nil, http1.Limits{}, time.Minute); err != nil {
			t.Fatal(err)
		}
		if body, err := c.ReadAll(nil, 0); string(body) != "hello" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
	})
}
