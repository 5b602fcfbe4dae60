package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// lateDriver holds up what comes behind the first head until late has run: so a call's
// time is over when its answer is whole.
type lateDriver struct {
	*pipes
	late func()
}

func (d lateDriver) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.pipes.DialContext(ctx, network, address)
	return lateConn{c, d.late}, err
}

type lateConn struct {
	net.Conn
	late func()
}

func (c lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !bytes.HasPrefix(p[:n], []byte("HTTP/")) {
		c.late()
	}
	return n, err
}

// coded answers with a body in gzip, its head in a piece of its own.
func coded(body string) *pipes {
	coded := gzipped(body)
	return &pipes{serve: func(_ int, c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(coded))
		io.WriteString(c, coded)
		io.Copy(io.Discard, c)
	}}
}

// A deadline that passes while a body is decoded is one that passes while it is read.
func TestDeadlineWhileDecoding(t *testing.T) {
	check := func(t *testing.T, err, want error) {
		t.Helper()
		var failed *IOError
		if !errors.As(err, &failed) || failed.Op != OpRead || failed.Sent != SentAll || failed.RemoteAddr == nil || !errors.Is(err, want) || failed.Trace.Attempts != 1 {
			t.Fatalf("got %#v", err)
		}
		if want == context.DeadlineExceeded && !failed.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
	}
	late := lateDriver{coded("hello"), func() { time.Sleep(time.Second) }} // of the bubble
	inBubbleOver(t, late, late.pipes, Config{}, func(t *testing.T, s *Session) {
		_, err := s.Get(t.Context(), "http://h/", Timeout(60*time.Millisecond))
		check(t, err, context.DeadlineExceeded)
	})
	cause := errors.New("not wanted any more")
	ctx, cancel := context.WithCancelCause(context.Background())
	late = lateDriver{coded("hello"), func() { cancel(cause) }}
	inBubbleOver(t, late, late.pipes, Config{}, func(t *testing.T, s *Session) {
		_, err := s.Get(ctx, "http://h/")
		check(t, err, context.Canceled)
		check(t, err, cause)
	})
}

// The whole bomb lies in the connection's buffer when the first of it is decoded: nobody
// asks the connection, and so its deadline, any more.
func TestDeadlineWhileAStreamIsDecoded(t *testing.T) {
	bomb := strings.Repeat("\x00", 8<<20)
	coded := zstded(t, bomb)
	if len(coded) > 4<<10 {
		t.Fatalf("it does not fit into one read: %d bytes", len(coded))
	}
	server := &pipes{serve: answering(func(int, int, *http.Request) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: %d\r\n\r\n%s", len(coded), coded)
	})}
	check := func(t *testing.T, chunks int, err error) {
		t.Helper()
		var failed *IOError
		if !errors.As(err, &failed) || failed.Op != OpRead || failed.Sent != SentAll || !errors.Is(err, context.Canceled) || chunks != 1 {
			t.Errorf("after %d chunks %#v", chunks, err)
		}
	}
	for _, size := range []int{1000, 1 << 20} {
		t.Run(fmt.Sprint("Stream ", size), func(t *testing.T) {
			inBubble(t, server, Config{}, func(t *testing.T, s *Session) {
				ctx, cancel := context.WithCancel(t.Context())
				chunks := 0
				_, err := s.Get(ctx, "http://h/", Stream(func([]byte) error { chunks++; cancel(); return nil }, size))
				check(t, chunks, err)
			})
		})
	}
	t.Run("Chunks", func(t *testing.T) {
		inBubble(t, server, Config{}, func(t *testing.T, s *Session) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			resp, err := s.Get(ctx, "http://h/", StreamBody())
			if err != nil {
				t.Fatal(err)
			}
			chunks := 0
			for chunk, failed := range resp.Chunks(1000) {
				if err = failed; chunk != nil {
					chunks++
					cancel()
				}
			}
			check(t, chunks, err)
		})
	})
}
