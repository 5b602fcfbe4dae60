package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// However a call fails, and wherever it waits then, its body is closed once; one that
// blocks is freed so.
func TestBodyOfAFailedCallIsClosed(t *testing.T) {
	silent := func(_ int, c net.Conn) { io.Copy(io.Discard, c) }
	cut := func(_ int, c net.Conn) { readRequest(bufio.NewReader(c)) }
	small := func() *closable { return newClosable(strings.NewReader("hello")) }
	large := func() *closable {
		return newClosable(io.LimitReader(readFunc(func(p []byte) (int, error) { return len(p), nil }), 1<<30))
	}
	const cookie = "HTTP/1.1 200 x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
	boom := errors.New("boom")
	fails := func(f func()) func() *closable {
		return func() *closable {
			return newClosable(io.MultiReader(strings.NewReader("begun"), readFunc(func([]byte) (int, error) { f(); return 0, boom })))
		}
	}
	for _, c := range []struct {
		name  string
		cfg   Config
		serve func(int, net.Conn)
		fail  func(int) error
		body  func() *closable
		wants error // nil: any
		ends  bool  // by the context, else by the server or the body
		opts  []Option
	}{
		{name: "dial refused", fail: func(int) error { return boom }, body: small, wants: boom},
		{name: "dial refused, blocked", fail: func(int) error { return boom }, body: stuck, wants: boom},
		{name: "redirect that can't replay", serve: answering(func(int, int, *http.Request) string { return moved307 }), body: small, wants: ErrBodyGone},
		{name: "connection lost", serve: cut, body: small},
		{name: "no answer", serve: silent, body: small, ends: true},
		{name: "Read blocks", serve: silent, body: stuck, ends: true},
		{name: "Read blocks at once", serve: silent, body: func() *closable {
			c := newClosable(nil)
			c.Reader = readFunc(func([]byte) (int, error) { <-c.closed; return 0, io.EOF })
			return c
		}, ends: true},
		{name: "write blocks", serve: func(_ int, c net.Conn) { c.Read(make([]byte, 100)); time.Sleep(time.Hour) }, body: large, ends: true},
		{name: "Expect that nobody answers", serve: silent, body: stuck, ends: true, opts: []Option{ExpectContinue()}},
		{name: "Read fails", serve: silent, body: fails(func() {}), wants: boom},
		{name: "Read panics", serve: silent, body: fails(func() { panic(boom) }), wants: boom},
		{name: "Read exits", serve: silent, body: fails(runtime.Goexit)},
		{name: "Jar panics", cfg: Config{Jar: rudeJar{}}, serve: answering(func(int, int, *http.Request) string { return cookie }), body: small, wants: errRudeJar},
	} {
		ends := []string{""}
		if c.ends {
			ends = []string{"Timeout", "cancel", "Close", "Shutdown"}
		}
		for _, end := range ends {
			t.Run(c.name+"/"+end, func(t *testing.T) {
				var body *closable
				inBubble(t, &pipes{serve: c.serve, fail: c.fail}, c.cfg, func(t *testing.T, s *Session) {
					body = c.body()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					opts, want := append(c.opts, Body(body)), c.wants
					began, late := time.Now(), time.Duration(0)
					switch end {
					case "Timeout":
						opts, want = append(opts, Timeout(time.Second)), context.DeadlineExceeded
					case "cancel":
						time.AfterFunc(time.Second, cancel)
						want = context.Canceled
					case "Close":
						time.AfterFunc(time.Second, func() { s.Close() })
						want = ErrSessionClosed
					case "Shutdown":
						late = time.Second
						time.AfterFunc(time.Second, func() {
							ctx, cancel := context.WithTimeout(context.Background(), late)
							defer cancel()
							s.Shutdown(ctx)
						})
						want = ErrSessionClosed
					}
					err := sendGuarded(ctx, s, opts)
					if err == nil || want != nil && !errors.Is(err, want) {
						t.Errorf("got %v, want %v", err, want)
					}
					if took := time.Since(began); c.ends && took != time.Second+late {
						t.Errorf("returned after %v", took)
					}
					if n := body.closes.Load(); n != 1 {
						t.Errorf("closed %d times", n)
					}
				})
				if n := body.closes.Load(); n != 1 {
					t.Errorf("at the end closed %d times", n)
				}
			})
		}
	}
}

// sendGuarded posts, and gives a panic as an error.
func sendGuarded(ctx context.Context, s *Session, opts []Option) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = v.(error)
		}
	}()
	_, err = s.Post(ctx, "http://h/", opts...)
	return err
}

// rudeJar panics when it hears of a cookie.
type rudeJar struct{}

func (rudeJar) SetCookies(*url.URL, []*http.Cookie) { panic(errRudeJar) }
func (rudeJar) Cookies(*url.URL) []*http.Cookie     { return nil }

var errRudeJar = errors.New("jar")

// A call that gets no connection has read the beginning of its body, or nothing.
func TestBodyOfACallInTheQueueIsClosed(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   Config
		calls int // that wait before it
		ends  func(s *Session, cancel context.CancelFunc)
		wants error
	}{
		{"queue full", Config{MaxQueuePerOrigin: 1}, 1, nil, ErrQueueFull},
		{"cancelled", Config{}, 1, func(_ *Session, cancel context.CancelFunc) { cancel() }, context.Canceled},
		{"Close", Config{}, 1, func(s *Session, _ context.CancelFunc) { s.Close() }, ErrSessionClosed},
		{"Shutdown", Config{}, 1, func(s *Session, _ context.CancelFunc) { s.sched.Drain() }, ErrSessionClosed},
	} {
		for name, make := range map[string]func() *closable{"": func() *closable { return newClosable(strings.NewReader("hello")) }, "/blocked": stuck} {
			t.Run(c.name+name, func(t *testing.T) {
				c.cfg.MaxConnsPerOrigin = 1
				m := &pipes{serve: func(_ int, c net.Conn) { io.Copy(io.Discard, c) }}
				inBubble(t, m, c.cfg, func(t *testing.T, s *Session) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					others, leave := context.WithCancel(t.Context())
					var all sync.WaitGroup
					defer all.Wait()
					defer leave()
					for range 1 + c.calls {
						all.Go(func() { s.Get(others, "http://h/") })
						synctest.Wait()
					}
					body := make()
					if c.ends != nil {
						time.AfterFunc(time.Second, func() { c.ends(s, cancel) })
					}
					_, err := s.Post(ctx, "http://h/", Body(body))
					if !errors.Is(err, c.wants) || body.closes.Load() != 1 {
						t.Errorf("got %v, closed %d times", err, body.closes.Load())
					}
				})
			})
		}
	}
}

func TestBodyOfACallWithoutADialIsClosed(t *testing.T) {
	hanging := driverFunc(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	refusing := driverFunc(func(context.Context) error { return errors.New("refused") })
	for _, c := range []struct {
		name   string
		driver driverFunc
		before func(s *Session)
		wants  error
	}{
		{"in the dial", hanging, nil, context.DeadlineExceeded},
		{"breaker open", refusing, func(s *Session) {
			for s.Snapshot().Origins == nil || s.Snapshot().Origins[0].Breaker != "open" {
				s.Get(context.Background(), "http://h/")
				time.Sleep(time.Minute)
			}
		}, ErrCircuitOpen},
		{"session closed", refusing, func(s *Session) { s.Close() }, ErrSessionClosed},
		{"session shut down", refusing, func(s *Session) { s.Shutdown(context.Background()) }, ErrSessionClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := NewSession(Config{Driver: c.driver, Breaker: Breaker{OpenFor: time.Hour}})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if c.before != nil {
					c.before(s)
				}
				for _, body := range []*closable{newClosable(strings.NewReader("hello")), stuck()} {
					_, err = s.Post(t.Context(), "http://h/", Body(body), Timeout(time.Second))
					if !errors.Is(err, c.wants) || body.closes.Load() != 1 {
						t.Errorf("got %v, closed %d times", err, body.closes.Load())
					}
				}
			})
		})
	}
}

type driverFunc func(context.Context) error

func (f driverFunc) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return nil, f(ctx)
}

// A Close that does what it should not is a matter of its own: the call has its answer,
// the session goes on.
func TestCloseOfABodyThatMisbehaves(t *testing.T) {
	for name, hook := range map[string]func(){
		"panics": func() { panic("boom") },
		"exits":  runtime.Goexit,
		"blocks": func() { time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			server := &script{answers: []string{ok, ok, ok}}
			var log strings.Builder
			cfg := Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}
			inBubble(t, server.pipes(), cfg, func(t *testing.T, s *Session) {
				for range 3 {
					bad, good := newClosable(strings.NewReader("hello")), newClosable(strings.NewReader("you"))
					bad.hook = hook
					began := time.Now()
					resp, err := s.Post(t.Context(), "http://h/", Multipart(ReaderPart("a", "x", bad), ReaderPart("b", "y", good)))
					if err != nil || resp.Status() != 200 || bad.closes.Load() != 1 || good.closes.Load() != 1 {
						t.Errorf("got %v, %v, closed %d and %d times", resp, err, bad.closes.Load(), good.closes.Load())
					}
					if took := time.Since(began).Truncate(time.Millisecond); took != 0 && (name != "blocks" || took != 50*time.Millisecond) {
						t.Errorf("the call took %v", took)
					}
				}
			})
			if n := strings.Count(log.String(), "closing a request body failed"); (n == 3) != (name == "panics") {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}

// here is the place so many lines from its caller.
func here(off int) string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, line+off)
}

// A body that has no Close and blocks for ever is what a session can't end: it tells
// where the call was made, and ends all else.
func TestCloseNamesTheCallWhoseBodyBlocks(t *testing.T) {
	m := &pipes{serve: func(_ int, c net.Conn) { io.Copy(io.Discard, c) }}
	synctest.Test(t, func(t *testing.T) {
		unblock := make(chan struct{})
		defer m.conns.Wait()
		defer synctest.Wait()
		defer close(unblock)
		blocks := readFunc(func([]byte) (int, error) { <-unblock; return 0, io.EOF })
		s, err := NewSession(Config{Driver: m})
		if err != nil {
			t.Fatal(err)
		}
		for _, opts := range [][]Option{
			{Body(blocks)},
			{Body(io.MultiReader(strings.NewReader("begun"), blocks))},
			{Multipart(ReaderPart("a", "x", blocks))},
		} {
			s.Post(t.Context(), "http://h/", append(opts, Timeout(time.Second))...)
		}
		post := here(-2)
		bad := newClosable(strings.NewReader("hello"))
		bad.hook = func() { <-unblock }
		s.Post(t.Context(), "http://h/", Body(bad), Timeout(time.Second))
		closing := here(-1)
		var all sync.WaitGroup
		all.Go(func() { s.Request(t.Context(), "PUT", "http://h/", Body(blocks)) })
		put := here(-1)
		synctest.Wait()
		err = s.Close()
		for _, want := range []string{
			"a Read of the body of the call made at " + post + " does not return (3 of them)",
			"a Read of the body of the call made at " + put + " does not return;",
			"a Close of the body of the call made at " + closing + " does not return;",
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Close: %v\nwant %s", err, want)
			}
		}
		all.Wait()
		if again := s.Close(); again == nil || again.Error() != err.Error() {
			t.Errorf("Close again: %v", again)
		}
	})
}

// Where the Read ends in time there is nothing to tell.
func TestCloseWaitsForABodyThatIsSlow(t *testing.T) {
	m := &pipes{serve: func(_ int, c net.Conn) { io.Copy(io.Discard, c) }}
	inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
		ended := false
		slow := readFunc(func([]byte) (int, error) { time.Sleep(3 * time.Second); ended = true; return 0, io.EOF })
		s.Post(t.Context(), "http://h/", Body(slow), Timeout(time.Second))
		if err := s.Close(); err != nil || !ended {
			t.Errorf("Close: %v, the Read has ended: %v", err, ended)
		}
	})
}

// What package os opens is freed as everything else.
func TestBodyFromTheSystemIsClosed(t *testing.T) {
	server := record(t, nil)
	s := newSession(t, Config{})
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	isClosed := func(f interface{ Read([]byte) (int, error) }) bool {
		_, err := f.Read(make([]byte, 1))
		return errors.Is(err, os.ErrClosed)
	}
	t.Run("os.File", func(t *testing.T) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Post(t.Context(), server.URL, Body(f)); err != nil || server.last(t).body != "hello" || !isClosed(f) {
			t.Errorf("%v, closed %v", err, isClosed(f))
		}
	})
	t.Run("DiskFile", func(t *testing.T) {
		for kind, opt := range map[string]func(f *DiskFile) Option{
			"Body":     func(f *DiskFile) Option { return Body(f) },
			"FilePart": func(f *DiskFile) Option { return Multipart(FilePart("f", "x", f)) },
		} {
			f, err := OpenFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Post(t.Context(), server.URL, opt(f)); err != nil || !strings.Contains(server.last(t).body, "hello") || !isClosed(f) {
				t.Errorf("%s: %v, closed %v", kind, err, isClosed(f))
			}
			if err := f.Close(); err != nil {
				t.Errorf("%s: closed behind it: %v", kind, err)
			}
		}
	})
	t.Run("DiskFile of an Upload", func(t *testing.T) {
		f, err := OpenFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Upload(t.Context(), server.URL, f); err != nil || isClosed(f) {
			t.Errorf("%v, closed %v", err, isClosed(f))
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("section of a DiskFile", func(t *testing.T) {
		f, err := OpenFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := s.Post(t.Context(), server.URL, Body(io.NewSectionReader(f, 0, f.Size()))); err != nil || server.last(t).body != "hello" {
				t.Error(err)
			}
		}
		if isClosed(f) {
			t.Error("closed")
		}
		f.Close()
	})
	t.Run("os.Pipe that blocks", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		ctx, cancel := context.WithCancel(t.Context())
		reading := make(chan struct{})
		var once sync.Once
		body := struct {
			io.Reader
			io.Closer
		}{readFunc(func(p []byte) (int, error) { once.Do(func() { close(reading) }); return r.Read(p) }), r}
		go func() { <-reading; cancel() }()
		if _, err := s.Post(ctx, server.URL, Body(body)); !errors.Is(err, context.Canceled) || !isClosed(r) {
			t.Errorf("%v, closed %v", err, isClosed(r))
		}
	})
	t.Run("io.Pipe, one-shot", func(t *testing.T) {
		r, w := io.Pipe()
		written := make(chan error)
		go func() {
			io.WriteString(w, "hello")
			w.Close()
			_, err := io.WriteString(w, "more")
			written <- err
		}()
		if _, err := Post(t.Context(), server.URL, Body(r)); err != nil || server.last(t).body != "hello" {
			t.Error(err)
		}
		if err := <-written; !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("writing: %v", err)
		}
	})
	t.Run("streamed answer", func(t *testing.T) {
		server.answer = always(withLength("hello"))
		resp, err := s.Get(t.Context(), server.URL, StreamBody())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Post(t.Context(), server.URL, Body(resp.Body())); err != nil || server.last(t).body != "hello" {
			t.Error(err)
		}
		if o := s.Snapshot().Origins[0]; o.Busy != 0 {
			t.Errorf("%d connections are busy", o.Busy)
		}
	})
}
