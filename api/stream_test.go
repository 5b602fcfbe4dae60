package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func chunked(pieces ...string) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, p := range pieces {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(p), p)
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

func TestStream(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20_000) // 320 000 bytes
	for _, c := range []struct {
		name   string
		answer string
		size   int
		want   []int // lengths of the chunks
		last   string
	}{
		{"exact", withLength("aaabbbccc"), 3, []int{3, 3, 3}, "ccc"},
		{"rest", withLength("aaabbbcc"), 3, []int{3, 3, 2}, "cc"},
		{"smaller than a chunk", withLength("aa"), 3, []int{2}, "aa"},
		{"one byte", withLength("abc"), 1, []int{1, 1, 1}, "c"},
		{"empty", withLength(""), 3, nil, ""},
		{"none", "HTTP/1.1 204 No Content\r\n\r\n", 3, nil, ""},
		{"default size", withLength(long[:1025]), 0, []int{512, 512, 1}, "0"},
		{"negative size", withLength(long[:513]), -7, []int{512, 1}, "0"},
		{"whole", withLength(long), len(long), []int{len(long)}, long},
		{"large", withLength(long), 100_000, []int{100_000, 100_000, 100_000, 20_000}, long[300_000:]},
		{"absurd size", withLength(long), math.MaxInt, []int{len(long)}, long},
		{"chunked", chunked("aa", "bbb", "c", "dddd"), 3, []int{3, 3, 3, 1}, "d"},
		{"chunked exact", chunked("aa", "bbb", "c"), 3, []int{3, 3}, "bbc"},
		{"chunked empty", chunked(), 3, nil, ""},
		{"until close", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\naaabb", 3, []int{3, 2}, "bb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole := strings.HasPrefix(c.answer, "HTTP/1.1 200 OK\r\nConnection: close")
			server := record(t, always(c.answer))
			if whole {
				server.answer = func(_ int, req *http.Request) string { req.Close = true; return c.answer }
			}
			session := newSession(t, Config{MaxBodyBytes: 1}) // streams have no bound
			var got strings.Builder
			var sizes []int
			resp, err := session.Get(t.Context(), server.URL, Stream(func(chunk []byte) error {
				sizes = append(sizes, len(chunk))
				got.Write(chunk)
				return nil
			}, c.size))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(sizes, c.want) || string(resp.Content()) != c.last || resp.Text() != c.last {
				t.Errorf("chunks of %v, want %v; Content %.20q, want %.20q", sizes, c.want, resp.Content(), c.last)
			}
			if !strings.HasSuffix(got.String(), c.last) || resp.Status()/100 != 2 {
				t.Errorf("got %.40q, status %d", got.String(), resp.Status())
			}
			if whole {
				return
			}
			if _, err := session.Head(t.Context(), server.URL); err != nil || server.opened() != 1 {
				t.Errorf("the connection was not used again: %v, %d", err, server.opened())
			}
		})
	}
}

// TestStreamHeaders: the head outlives chunks that make the buffer grow.
func TestStreamHeaders(t *testing.T) {
	server := record(t, always(withLength(strings.Repeat("x", 200_000), "X-Name: value")))
	session := newSession(t, Config{})
	for range 2 {
		resp, err := session.Get(t.Context(), server.URL, Stream(func([]byte) error { return nil }, 150_000))
		if err != nil || resp.Header("X-Name") != "value" || len(resp.Content()) != 50_000 {
			t.Fatalf("got %v, %v", resp, err)
		}
		resp.Release()
	}
}

// TestStreamLeftEarly: whatever ends the callback, the connection is given up,
// the slot freed, and the session goes on.
func TestStreamLeftEarly(t *testing.T) {
	enough := errors.New("enough")
	for _, c := range []struct {
		name string
		fn   func([]byte) error
		err  error
		left string // how the goroutine of the call ended
	}{
		{"error", func([]byte) error { return enough }, enough, "return"},
		{"wrapped error", func([]byte) error { return fmt.Errorf("had %w", enough) }, enough, "return"},
		{"panic", func([]byte) error { panic("callback panics") }, nil, "callback panics"},
		{"Goexit", func([]byte) error { runtime.Goexit(); return nil }, nil, "goexit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := record(t, always(withLength(strings.Repeat("x", 1<<20))))
			session := newSession(t, Config{MaxConnsPerOrigin: 1})
			for range 3 {
				var resp *Response
				var err error
				left := make(chan string)
				go func() {
					how := "goexit"
					defer func() {
						if p := recover(); p != nil {
							how = p.(string)
						}
						left <- how
					}()
					resp, err = session.Get(t.Context(), server.URL, Stream(c.fn, 10))
					how = "return"
				}()
				if how := <-left; how != c.left || resp != nil || !errors.Is(err, c.err) {
					t.Fatalf("left by %q, %v, %v", how, resp, err)
				}
			}
			resp, err := session.Get(t.Context(), server.URL, Stream(func([]byte) error { return nil }, 0))
			if err != nil || resp.Status() != 200 {
				t.Fatalf("the next call: %v", err)
			}
		})
	}
}

// TestStreamErrorInLastChunk: the body has ended, but the callback's error counts.
func TestStreamErrorInLastChunk(t *testing.T) {
	enough := errors.New("enough")
	server := record(t, nil)
	session := newSession(t, Config{})
	if _, err := session.Get(t.Context(), server.URL, Stream(func([]byte) error { return enough }, 10)); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if _, err := session.Get(t.Context(), server.URL); err != nil {
		t.Error(err)
	}
}

// TestStreamCutShort: what came is handed over in whole chunks, then comes the error.
func TestStreamCutShort(t *testing.T) {
	server := record(t, nil)
	server.answer = func(_ int, req *http.Request) string {
		req.Close = true
		return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\naaabb"
	}
	session := newSession(t, Config{})
	var got []string
	resp, err := session.Get(t.Context(), server.URL, Stream(func(chunk []byte) error {
		got = append(got, string(chunk))
		return nil
	}, 3))
	var bad *IOError
	if resp != nil || !errors.As(err, &bad) || bad.Op != OpRead || !slices.Equal(got, []string{"aaa"}) {
		t.Errorf("got %q, %v, %v", got, resp, err)
	}
}
