package api

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
)

// parrot answers whatever one read brings with the same bytes. While it serves,
// it allocates nothing, so that AllocsPerRun sees the client alone.
func parrot(tb testing.TB, answer string) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		bytes, buf := []byte(answer), make([]byte, 64<<10)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			for err == nil {
				if _, err = c.Read(buf); err == nil {
					_, err = c.Write(bytes)
				}
			}
			c.Close()
		}
	}()
	tb.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String() + "/"
}

const usualAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 5\r\n\r\nhello"

// TestHotPathAllocations: what a call takes from the heap is exact, and kept. An answer
// that is handed back leaves only its Response; one that is kept, its memory too.
func TestHotPathAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops what it is given, at random")
	}
	url := parrot(t, usualAnswer)
	s := newSession(t, Config{MaxConnsPerOrigin: 1})
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	body := bytes.NewReader(make([]byte, 1<<10))
	var kept *Response
	for _, c := range []struct {
		name    string
		ctx     context.Context
		body    []Option
		release bool
		max     float64
	}{
		{"GET", context.Background(), nil, true, 1},
		{"GET, kept", context.Background(), nil, false, 3},
		{"GET, a context that may end", cancellable, nil, true, 3},
		{"a body of Bytes", context.Background(), []Option{Body(body)}, true, 1},
	} {
		method := "GET"
		if c.body != nil {
			method = "PUT"
		}
		run := func() {
			body.Seek(0, io.SeekStart)
			resp, err := s.Request(c.ctx, method, url, c.body...)
			if err != nil {
				t.Fatal(err)
			}
			if c.release {
				resp.Release()
			} else {
				kept = resp
			}
		}
		run()
		got := testing.AllocsPerRun(300, run)
		t.Logf("%s: %.1f allocations", c.name, got)
		if got > c.max {
			t.Errorf("%s: %.1f allocations a request, at most %.0f wanted", c.name, got, c.max)
		}
	}
	if kept.Status() != 200 || string(kept.Content()) != "hello" {
		t.Errorf("what was kept is %d %q", kept.Status(), kept.Content())
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops what it is given, at random")
	}
	url := parrot(t, usualAnswer)
	s := newSession(t, Config{MaxConnsPerOrigin: 1})
	headers := Headers{"X-A": "1", "X-B": "2"}
	params := Params{"a": "1"}
	body := strings.NewReader("hello")
	for _, c := range []struct {
		name string
		opts []Option
		max  float64
	}{
		{"plain", nil, 4},
		{"headers", []Option{headers}, 4},
		{"params", []Option{params}, 6},
		{"body", []Option{Body(body)}, 6},
		{"stream", []Option{Stream(func([]byte) error { return nil }, 0)}, 7},
	} {
		run := func() {
			// Any connection is good enough for a PUT, however long it has idled.
			resp, err := s.Put(t.Context(), url, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Status() != 200 || len(resp.Content()) != 5 {
				t.Fatalf("got %d %q", resp.Status(), resp.Content())
			}
			resp.Release()
		}
		run()
		if got := testing.AllocsPerRun(300, run); got > c.max {
			t.Errorf("%s: %.1f allocations a request, at most %.0f wanted", c.name, got, c.max)
		} else {
			t.Logf("%s: %.1f allocations a request", c.name, got)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	url := parrot(b, usualAnswer)
	s := newSession(b, Config{MaxConnsPerOrigin: 1})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		resp, err := s.Get(ctx, url)
		if err != nil {
			b.Fatal(err)
		}
		resp.Release()
	}
}

func BenchmarkEncode(b *testing.B) {
	s := newSession(b, Config{})
	r := s.takeRequest()
	call := r.call
	b.ReportAllocs()
	for b.Loop() {
		r.call.Method = "GET"
		if err := r.prepare("http://example.com:8080/path?query=1", nil); err != nil {
			b.Fatal(err)
		}
		if err := r.encode(); err != nil {
			b.Fatal(err)
		}
		r.reset()
	}
	io.Discard.Write(call.Head)
}
