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
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// plainWriter has no more than a Write.
type plainWriter struct{ b *bytes.Buffer }

func (w plainWriter) Write(p []byte) (int, error) { return w.b.Write(p) }

// fileWriter and socketWriter have a Write of their own, which their ReadFrom, of the file
// or socket that they embed, does not know.
type fileWriter struct {
	*os.File
	own bytes.Buffer
}

func (w *fileWriter) Write(p []byte) (int, error) { return w.own.Write(p) }

type socketWriter struct {
	*net.TCPConn
	own bytes.Buffer
}

func (w *socketWriter) Write(p []byte) (int, error) { return w.own.Write(p) }

// destinations are what a body is copied to; content gives what arrived there.
var destinations = map[string]func(t *testing.T) (dst io.Writer, content func() string){
	"file": func(t *testing.T) (io.Writer, func() string) {
		f := tempFile(t)
		return f, func() string {
			b, err := os.ReadFile(f.Name())
			if err != nil {
				t.Error(err)
			}
			return string(b)
		}
	},
	"socket": func(t *testing.T) (io.Writer, func() string) {
		out, in := sockets(t)
		got := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(in)
			got <- string(b)
		}()
		return out, func() string {
			out.Close()
			return <-got
		}
	},
	"writer that embeds a file": func(t *testing.T) (io.Writer, func() string) {
		w := &fileWriter{File: tempFile(t)}
		return w, func() string { return w.own.String() }
	},
	"writer that embeds a socket": func(t *testing.T) (io.Writer, func() string) {
		out, in := sockets(t)
		go io.Copy(io.Discard, in)
		w := &socketWriter{TCPConn: out.(*net.TCPConn)}
		return w, func() string { return w.own.String() }
	},
	"buffer": func(*testing.T) (io.Writer, func() string) { // an io.ReaderFrom
		var b bytes.Buffer
		return &b, b.String
	},
	"writer": func(*testing.T) (io.Writer, func() string) {
		var b bytes.Buffer
		return plainWriter{&b}, b.String
	},
}

// sockets are two ends of a connection.
func sockets(t *testing.T) (out, in net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if out, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if in, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		out.Close()
		in.Close()
	})
	return out, in
}

func TestCopyBody(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 200_000)
	for _, c := range []struct {
		name, answer, want string
		keeps              bool
	}{
		{"length", withLength(long), long, true},
		{"short", withLength("hello"), "hello", true},
		{"empty", withLength(""), "", true},
		{"large chunks", chunked(long[:1_500_000], long[1_500_000:]), long, true},
		{"chunks", chunked("aa", "bbb"), "aabbb", true},
		{"decoded", withLength(gzipped(long), "Content-Encoding: gzip"), long, true},
		{"until close", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + long, long, false},
	} {
		for to, destination := range destinations {
			t.Run(c.name+" to "+to, func(t *testing.T) {
				server := record(t, func(_ int, req *http.Request) string {
					req.Close = !c.keeps
					return c.answer
				})
				s := newSession(t, Config{MaxBodyBytes: 1})
				for range 2 {
					dst, content := destination(t)
					resp, err := s.Get(t.Context(), server.URL, StreamBody())
					if err != nil {
						t.Fatal(err)
					}
					n, err := io.Copy(dst, resp.Body())
					if n != int64(len(c.want)) || err != nil {
						t.Errorf("copied %d, %v; want %d", n, err, len(c.want))
					}
					if got := content(); got != c.want {
						t.Errorf("%d bytes arrived, want %d", len(got), len(c.want))
					}
					if n, err := resp.Body().Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Errorf("after the end: %d, %v", n, err)
					}
				}
				if n := server.opened(); c.keeps && n != 1 {
					t.Errorf("%d connections were opened", n)
				}
				awaitReleased(t, s)
			})
		}
	}
}

// stalling promises a body of size bytes, sends half of it, and hangs up when cut is
// called, or at the test's end.
func stalling(t *testing.T, size int) (url string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cut := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		http.ReadRequest(bufio.NewReader(c))
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size/2))
		<-ctx.Done()
	}()
	t.Cleanup(func() {
		cut()
		l.Close()
		<-done
	})
	return "http://" + l.Addr().String(), cut
}

// counter counts what is written to it.
type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// Whatever ends a body ends a copy of it that waits for the server, with the bytes
// counted that went out.
func TestCopyBodyEnds(t *testing.T) {
	const size = 4 << 20
	for name, tc := range map[string]struct {
		end  func(s *Session, cancel func(), body io.Closer, cut func())
		want []error
	}{
		"context":   {func(_ *Session, cancel func(), _ io.Closer, _ func()) { cancel() }, []error{context.Canceled}},
		"Close":     {func(_ *Session, _ func(), body io.Closer, _ func()) { body.Close() }, []error{errBodyClosed, context.Canceled}}, // between two reads, or in one
		"session":   {func(s *Session, _ func(), _ io.Closer, _ func()) { s.Close() }, []error{ErrSessionClosed}},
		"truncated": {func(_ *Session, _ func(), _ io.Closer, cut func()) { cut() }, []error{http1.ErrTruncated}},
	} {
		for _, to := range []string{"file", "writer"} {
			t.Run(name+" to "+to, func(t *testing.T) {
				url, cut := stalling(t, size)
				s := newSession(t, Config{BodyTimeout: -1})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				resp, err := s.Get(ctx, url, StreamBody())
				if err != nil {
					t.Fatal(err)
				}
				count := new(counter)
				dst, arrived := io.Writer(count), count.n.Load
				if to == "file" {
					f := tempFile(t)
					dst, arrived = f, func() int64 {
						info, _ := f.Stat()
						return info.Size()
					}
				}
				var ending sync.WaitGroup
				ending.Go(func() {
					for arrived() < size/2 && !t.Failed() {
						runtime.Gosched()
					}
					tc.end(s, cancel, resp.Body(), cut)
				})
				n, err := io.Copy(dst, resp.Body())
				ending.Wait()
				var failed *IOError
				wanted := slices.ContainsFunc(tc.want, func(want error) bool { return errors.Is(err, want) })
				inRead := errors.As(err, &failed) && failed.Op == OpRead
				if n != size/2 || !wanted || !inRead && err != errBodyClosed {
					t.Errorf("copied %d, %v; want %d, %v", n, err, size/2, tc.want)
				}
				awaitNoConns(t, s)
			})
		}
	}
}

// A destination that blocks holds nobody else up: neither the body's Close, its
// timeout, nor the session's end. The copy itself ends with its Write.
func TestCopyBodyToBlockedSocket(t *testing.T) {
	long := withLength(strings.Repeat("x", 64<<20)) // more than the sockets take
	for name, tc := range map[string]struct {
		end  func(s *Session, body io.Closer)
		want []error
	}{
		"Close":   {func(_ *Session, body io.Closer) { body.Close() }, []error{errBodyClosed, context.Canceled}}, // between two reads, or in one
		"session": {func(s *Session, _ io.Closer) { s.Close() }, []error{ErrSessionClosed}},
	} {
		t.Run(name, func(t *testing.T) {
			if !copyToBlockedSocket(t, long, Config{BodyTimeout: -1}, tc.end, tc.want...) {
				t.Error("the copy has ended before it blocked")
			}
		})
	}
	t.Run("BodyTimeout", func(t *testing.T) {
		timeout := 20 * time.Millisecond
		for !copyToBlockedSocket(t, long, Config{BodyTimeout: timeout}, func(*Session, io.Closer) {}, ErrBodyAbandoned) {
			if timeout *= 2; timeout > patience || t.Failed() { // else it was over before the copy began
				t.Fatalf("no copy began within %v", timeout/2)
			}
		}
	})
}

// copyToBlockedSocket copies a body to a socket that nobody reads, has end end it, and
// holds the copy to fail with one of want. It tells whether the copy had begun before.
func copyToBlockedSocket(t *testing.T, answer string, cfg Config, end func(*Session, io.Closer), want ...error) (begun bool) {
	t.Helper()
	server := record(t, always(answer))
	s := newSession(t, cfg)
	resp, err := s.Get(t.Context(), server.URL, StreamBody())
	if err != nil {
		t.Fatal(err)
	}
	out, in := sockets(t)
	body := resp.Body()
	var copying sync.WaitGroup
	copying.Go(func() {
		defer out.Close()
		_, err := io.Copy(out, body)
		if !slices.ContainsFunc(want, func(want error) bool { return errors.Is(err, want) }) {
			t.Errorf("the copy: %v, want one of %v", err, want)
		}
	})
	_, err = in.Read(make([]byte, 1)) // the copy is under way, and will block
	end(s, body)
	awaitNoConns(t, s)
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(io.Discard, in) })
	copying.Wait()
	reading.Wait()
	return err == nil
}

// What goes wrong at the destination is its own error, and nothing of the origin's.
func TestCopyBodyDestinationFails(t *testing.T) {
	failure := errors.New("no")
	server := record(t, always(withLength(strings.Repeat("x", 4<<20))))
	for name, tc := range map[string]struct {
		dst  func(t *testing.T) io.Writer
		want error
	}{
		"full disk": {func(t *testing.T) io.Writer {
			f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip("this system has no /dev/full")
			}
			t.Cleanup(func() { f.Close() })
			return f
		}, syscall.ENOSPC},
		"closed file": {func(t *testing.T) io.Writer {
			f := tempFile(t)
			f.Close()
			return f
		}, os.ErrClosed},
		"writer": {func(*testing.T) io.Writer {
			return writerFunc(func(p []byte) (int, error) { return len(p) / 2, failure })
		}, failure},
		"short write": {func(*testing.T) io.Writer {
			return writerFunc(func(p []byte) (int, error) { return len(p) / 2, nil })
		}, io.ErrShortWrite},
		"buffered writer": {func(*testing.T) io.Writer { // an io.ReaderFrom
			return bufio.NewWriter(writerFunc(func(p []byte) (int, error) { return 0, failure }))
		}, failure},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, Config{BodyTimeout: -1})
			resp, err := s.Get(t.Context(), server.URL, StreamBody())
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(tc.dst(t), resp.Body())
			var failed *IOError
			if !errors.Is(err, tc.want) || errors.As(err, &failed) {
				t.Errorf("the copy: %v", err)
			}
			if _, err := resp.Body().Read(make([]byte, 1)); !errors.Is(err, tc.want) {
				t.Errorf("a read afterwards: %v", err)
			}
			awaitNoConns(t, s)
			if o := s.Snapshot().Origins[0]; o.Failures != 0 || o.WindowFailures != 0 {
				t.Errorf("it counts as the origin's failure: %+v", o)
			}
		})
	}
}

// A writer of the caller's may panic. The body stays the caller's to close.
func TestCopyBodyWriterPanics(t *testing.T) {
	server := record(t, always(withLength(strings.Repeat("x", 4<<20))))
	s := newSession(t, Config{BodyTimeout: -1})
	resp, err := s.Get(t.Context(), server.URL, StreamBody())
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() != "no" {
				t.Error("the panic is gone")
			}
		}()
		io.Copy(writerFunc(func([]byte) (int, error) { panic("no") }), resp.Body())
	}()
	resp.Body().Close()
	awaitNoConns(t, s)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func tempFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "dst"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
