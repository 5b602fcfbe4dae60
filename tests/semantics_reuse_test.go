package tests

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// refusal is a server's answer to a request whose body it does not want. It answers
// with bytes, and when it may, reads what is still sent.
type refusal struct {
	bytes string
	may   *gate
	got   chan int64 // how much of the body
}

func newRefusal(bytes string) *refusal {
	return &refusal{bytes: bytes, may: newGate(), got: make(chan int64, 1)}
}

func (r *refusal) behave(x *exchange) bool {
	x.write(r.bytes)
	select { // while nothing is read, the client's end is not noticed
	case <-r.may.ch:
	case <-x.ended:
		return false
	}
	n, _ := io.Copy(io.Discard, x.conn)
	r.got <- n
	return false
}

// endlessBody counts what is read of it.
type endlessBody struct{ n atomic.Int64 }

func (b *endlessBody) Read(p []byte) (int, error) {
	b.n.Add(int64(len(p)))
	return len(p), nil
}

// reusableOnlyWhenBothWhole: the request went out and the answer came in.
func reusableOnlyWhenBothWhole(t *testing.T) {
	t.Run("both", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/upload", count)
		s := newSession(t, api.Config{})
		resp, err := s.Post(soon(t), url, api.Body(strings.NewReader(strings.Repeat("a", 1<<20))))
		if err != nil || resp.Text() != "1048576" {
			t.Fatalf("got %v, %v", resp, err)
		}
		wantOver(t, s, o, 1)
	})
	t.Run("an-early-answer", anEarlyAnswer)
	t.Run("an-early-200", func(t *testing.T) { // which some servers begin while they still read
		o := newOrigin(t)
		const size = 16 << 20
		url := o.route("/echo", func(x *exchange) bool {
			return x.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") && x.take() &&
				x.write(fmt.Sprintf("%x\r\n%d\r\n0\r\n\r\n", len(fmt.Sprint(x.length)), x.length))
		})
		s := newSession(t, api.Config{})
		resp, err := s.Post(soon(t), url, api.Body(strings.NewReader(strings.Repeat("a", size))))
		if err != nil || resp.Text() != fmt.Sprint(size) {
			t.Fatalf("got %v, %v", resp, err)
		}
		wantOver(t, s, o, 1)
	})
	t.Run("a-request-cut-short", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/upload", count)
		s := newSession(t, api.Config{})
		if _, err := s.Upload(soon(t), url, newShortFile()); wantIOError(t, err).Sent != api.SentPart {
			t.Errorf("got %v", err)
		}
		// Or the server may note its visit after the next one.
		eventually(t, "the server is done with it", func() bool { return o.opened() == 1 && o.conns.now() == 0 })
		wantOver(t, s, o, 2)
	})
	t.Run("an-answer-nobody-waits-for", func(t *testing.T) {
		o := newOrigin(t)
		never := newGate()
		t.Cleanup(never.open)
		url := o.route("/half", stallMidway(never, "0123456789"))
		s := newSession(t, api.Config{})
		ctx, leave := context.WithCancel(soon(t))
		call := start(func() error { return second(s.Get(ctx, url)) })
		eventually(t, "it is at the server", func() bool { return o.held.now() == 1 })
		leave()
		if err := receive(t, "the call", call); err == nil {
			t.Error("answered")
		}
		wantClosed(t, o)
		wantOver(t, s, o, 2)
	})
}

// shortFile says that it is twice as long as it is. Its half is more than is read of a
// body before a connection is asked for.
type shortFile struct{ *strings.Reader }

func newShortFile() shortFile { return shortFile{strings.NewReader(strings.Repeat("a", 64<<10))} }

func (shortFile) Size() int64 { return 128 << 10 }

// anEarlyAnswer: a server that does not want the rest says so, and is not sent it.
func anEarlyAnswer(t *testing.T) {
	const size = 64 << 20 // no socket takes that much at once
	large := func() (api.Option, func() int64) {
		return api.Body(strings.NewReader(strings.Repeat("a", size))), func() int64 { return size }
	}
	read := func() (api.Option, func() int64) {
		b := new(endlessBody)
		return api.Body(b), b.n.Load
	}
	for _, c := range []struct {
		name   string
		status int
		body   func() (api.Option, func() int64)
		opts   []api.Option
		atMost int64 // of the body comes
	}{
		{"413, the write is blocked", 413, large, nil, size - 1},
		{"401", 401, large, nil, size - 1},
		{"a redirect", 307, large, []api.Option{api.NoRedirect()}, size - 1},
		{"a whole 200, the write is blocked", 200, large, nil, size - 1},
		{"413 to a reader", 413, read, nil, size - 1},
		{"a whole 200 to a reader", 200, read, nil, size - 1},
		{"413 instead of 100", 413, large, []api.Option{api.ExpectContinue()}, 0},
		{"413 to a reader instead of 100", 413, read, []api.Option{api.ExpectContinue()}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t)
			// It says keep-alive by saying nothing, and means it.
			r := newRefusal(fmt.Sprintf("HTTP/1.1 %d x\r\nLocation: /\r\nContent-Length: 4\r\n\r\nlong", c.status))
			t.Cleanup(r.may.open)
			url := o.route("/upload", r.behave)
			s := newSession(t, api.Config{ExpectContinueTimeout: 2 * patience})
			body, of := c.body()
			resp, err := s.Put(soon(t), url, append(c.opts, body)...)
			if err != nil || resp.Status() != c.status || resp.Text() != "long" {
				t.Fatalf("got %v, %v", resp, err)
			}
			if sent := resp.Trace().Sent; sent != api.SentPart {
				t.Errorf("sent %v", sent)
			}
			r.may.open()
			if got := receive(t, "the client closes", r.got); got > c.atMost {
				t.Errorf("%d bytes of the body were sent, want %d at most", got, c.atMost)
			}
			read := of()
			wantOver(t, s, o, 2)
			if of() != read {
				t.Error("the body is still being read")
			}
		})
	}
}

// drainBounded: what is left of a body nobody wants.
func drainBounded(t *testing.T) {
	chunked := func(n int) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("a", n))
	}
	for _, c := range []struct {
		name   string
		answer func() behaviour
		next   int // the connection that the next call goes over
	}{
		{"little", func() behaviour { return says(answerOf(strings.Repeat("a", 20<<10))) }, 1},
		{"little, in chunks", func() behaviour { return says(chunked(20 << 10)) }, 1},
		{"much", func() behaviour { return says(answerOf(strings.Repeat("a", 1<<20))) }, 2},
		{"much, in chunks", func() behaviour { return says(chunked(1 << 20)) }, 2},
		{"without an end", func() behaviour {
			return endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1000\r\n"+strings.Repeat("a", 0x1000)+"\r\n")
		}, 2},
		// A gate belongs to the bubble in which it is made.
		{"little that does not come", func() behaviour { return stallMidway(newGate(), strings.Repeat("a", 1000)) }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			for how, give := range map[string]func(t *testing.T, s *api.Session, url string) error{
				"Close": func(t *testing.T, s *api.Session, url string) error {
					resp, err := s.Get(soon(t), url, api.StreamBody())
					if err != nil {
						return err
					}
					if _, err := io.ReadFull(resp.Body(), make([]byte, 100)); err != nil {
						return err
					}
					return resp.Body().Close()
				},
				"a callback's error": func(t *testing.T, s *api.Session, url string) error {
					if _, err := s.Get(soon(t), url, api.Stream(func([]byte) error { return errBoom }, 100)); err != errBoom {
						return fmt.Errorf("got %w", err)
					}
					return nil
				},
			} {
				t.Run(how, func(t *testing.T) {
					bubble(t, func(t *testing.T, n *network) {
						o := n.newOrigin(t)
						url := o.route("/body", c.answer())
						s := newSession(t, api.Config{Driver: n})
						began := time.Now()
						if err := give(t, s, url); err != nil {
							t.Fatal(err)
						}
						if took := time.Since(began); took > 50*time.Millisecond {
							t.Errorf("it took %v", took)
						}
						wantOver(t, s, o, c.next)
					})
				})
			}
		})
	}
}
