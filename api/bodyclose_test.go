package api

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// closable is a body that counts its Closes. A Read that blocks ends with the first.
type closable struct {
	io.Reader
	closes atomic.Int32
	closed chan struct{}
	hook   func() // in Close, if set
}

func newClosable(r io.Reader) *closable { return &closable{Reader: r, closed: make(chan struct{})} }

func (c *closable) Close() error {
	if c.closes.Add(1) == 1 {
		close(c.closed)
	}
	if c.hook != nil {
		c.hook()
	}
	return errors.New("what Close says is nobody's concern")
}

func (c *closable) isClosed() bool { return c.closes.Load() > 0 }

// stuck gives some bytes and then blocks until c is closed.
func stuck() *closable {
	c := newClosable(nil)
	c.Reader = io.MultiReader(strings.NewReader("begun"), readFunc(func([]byte) (int, error) {
		<-c.closed
		return 0, os.ErrClosed
	}))
	return c
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// The shapes of a body: what else it can do decides how it is sent.
type (
	lenBody  struct{ *closable }
	seekBody struct {
		*closable
		s io.Seeker
	}
	fileBody struct{ seekBody }
)

func (lenBody) Len() int                                    { return len("hello") }
func (b seekBody) Seek(at int64, whence int) (int64, error) { return b.s.Seek(at, whence) }
func (fileBody) Size() int64                                { return int64(len("hello")) }

var bodyShapes = []struct {
	name  string
	make  func(c *closable) io.Reader
	again bool
}{
	{"of unknown length", func(c *closable) io.Reader { c.Reader = strings.NewReader("hello"); return c }, false},
	{"of known length", func(c *closable) io.Reader { c.Reader = strings.NewReader("hello"); return lenBody{c} }, false},
	{"with Seek", newSeekBody, true},
	{"File", func(c *closable) io.Reader { return fileBody{newSeekBody(c).(seekBody)} }, true},
}

func newSeekBody(c *closable) io.Reader {
	r := strings.NewReader("hello")
	c.Reader = r
	return seekBody{c, r}
}

// script answers one request after another, over any connections; an empty answer
// closes the connection.
type script struct {
	answers []string
	asked   atomic.Int32
}

func (s *script) pipes() *pipes {
	return &pipes{serve: answering(func(int, int, *http.Request) string { return s.answers[s.asked.Add(1)-1] })}
}

const (
	busy503  = "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"
	bad400   = "HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n"
	moved303 = "HTTP/1.1 303 x\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
	moved307 = "HTTP/1.1 307 x\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
)

// A call that has its answer, after one request or several, has closed its body once:
// not before the last request that needs it was answered.
func TestBodyIsClosedBehindTheAnswer(t *testing.T) {
	retries := Config{Retry: Retry{Attempts: 3, Statuses: []int{503}, Budget: -1}}
	for _, c := range []struct {
		name    string
		answers []string
		cfg     Config
		opts    []Option
		again   int // 1: takes a body that can be sent again, -1: one that can't
		status  int
		after   int32 // requests, of which that is the last with the body
	}{
		{"success", []string{ok}, Config{}, nil, 0, 200, 1},
		{"failure", []string{bad400}, Config{}, nil, 0, 400, 1},
		{"NoRedirect", []string{moved307}, Config{}, []Option{NoRedirect()}, 0, 307, 1},
		{"redirects that replay", []string{moved307, moved307, ok}, Config{}, nil, 1, 200, 3},
		{"redirect that takes the body away", []string{moved303, ok}, Config{}, nil, 0, 200, 1},
		{"retries of a status", []string{busy503, busy503, ok}, retries, nil, 1, 200, 3},
		{"status that can't be retried", []string{busy503}, retries, nil, -1, 503, 1},
		{"retries of a lost connection", []string{"", "", ok}, retries, nil, 1, 200, 3},
		{"digest", []string{turnsDigest, ok}, Config{}, []Option{DigestAuth("joe", "geheim")}, 1, 200, 2},
		{"digest that can't be answered", []string{turnsDigest}, Config{}, []Option{DigestAuth("joe", "geheim")}, -1, 401, 1},
		{"StreamBody", []string{ok}, Config{}, []Option{StreamBody()}, 0, 200, 1},
		{"StreamBody behind a redirect", []string{moved307, ok}, Config{}, []Option{StreamBody()}, 1, 200, 2},
		{"among pipelined calls", []string{ok}, Config{Pipeline: Pipeline{Depth: 4}}, nil, 0, 200, 1},
		{"Expect that nobody knows", []string{ok}, Config{}, []Option{ExpectContinue()}, 0, 200, 1},
	} {
		for _, shape := range bodyShapes {
			if c.again == 1 && !shape.again || c.again == -1 && shape.again {
				continue
			}
			t.Run(c.name+"/"+shape.name, func(t *testing.T) {
				server, body := &script{answers: c.answers}, newClosable(nil)
				var after int32
				body.hook = func() { after = server.asked.Load() }
				inBubble(t, server.pipes(), c.cfg, func(t *testing.T, s *Session) {
					resp, err := s.Put(t.Context(), "http://h/", append(c.opts, Body(shape.make(body)))...)
					if err != nil || resp.Status() != c.status {
						t.Fatalf("got %v, %v", resp, err)
					}
					if n := body.closes.Load(); n != 1 || after != c.after {
						t.Errorf("closed %d times, after %d requests, want %d", n, after, c.after)
					}
					resp.Release()
				})
				if n := body.closes.Load(); n != 1 {
					t.Errorf("at the end closed %d times", n)
				}
			})
		}
	}
}

// A Stream callback may run for as long as it likes: the body is closed before it does.
func TestBodyIsClosedBeforeTheAnswerIsStreamed(t *testing.T) {
	server, body := &script{answers: []string{ok}}, newClosable(strings.NewReader("hello"))
	inBubble(t, server.pipes(), Config{}, func(t *testing.T, s *Session) {
		called := false
		_, err := s.Post(t.Context(), "http://h/", Body(body), Stream(func([]byte) error {
			called = true
			if n := body.closes.Load(); n != 1 {
				t.Errorf("closed %d times", n)
			}
			return nil
		}, 0))
		if err != nil || !called {
			t.Errorf("%v, called %v", err, called)
		}
	})
	if n := body.closes.Load(); n != 1 {
		t.Errorf("at the end closed %d times", n)
	}
}

// An answer that does not wait for the body is the caller's; the Close frees the Read
// that nobody waits for any more.
func TestBodyIsClosedBehindAnEarlyAnswer(t *testing.T) {
	refused := func(answer string) *pipes {
		return &pipes{serve: func(_ int, c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.WriteString(c, answer)
				io.Copy(io.Discard, c)
			}
		}}
	}
	endless := func() *closable {
		return newClosable(readFunc(func(p []byte) (int, error) { return len(p), nil }))
	}
	for _, c := range []struct {
		name   string
		answer string
		body   func() *closable
		opts   []Option
		status int
	}{
		{"while it is read", "HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", endless, nil, 413},
		{"while its Read blocks", "HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", stuck, nil, 413},
		{"streamed", "HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", stuck, []Option{StreamBody()}, 413},
		{"expectation failed twice", "HTTP/1.1 417 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", stuck, []Option{ExpectContinue()}, 417},
		{"not asked for", "HTTP/1.1 403 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", stuck, []Option{ExpectContinue()}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			var body *closable
			inBubble(t, refused(c.answer), Config{}, func(t *testing.T, s *Session) {
				body = c.body()
				resp, err := s.Post(t.Context(), "http://h/", append(c.opts, Body(body))...)
				if err != nil || resp.Status() != c.status || body.closes.Load() != 1 {
					t.Fatalf("got %v, %v, closed %d times", resp, err, body.closes.Load())
				}
				resp.Release()
			})
			if n := body.closes.Load(); n != 1 {
				t.Errorf("at the end closed %d times", n)
			}
		})
	}
}

// What is refused before anything is sent is closed at once, wherever among the options
// it stands.
func TestBodyOfARefusedCallIsClosed(t *testing.T) {
	s := newSession(t, Config{})
	file := newClosable(strings.NewReader("hello"))
	bad := func(opts ...Option) func([]Option) error {
		return func(body []Option) error {
			_, err := s.Post(t.Context(), "http://h/", append(opts, body...)...)
			return err
		}
	}
	for name, call := range map[string]func(body []Option) error{
		"header":            bad(Headers{"a b": "c"}),
		"reserved header":   bad(Headers{"Host": "c"}),
		"Timeout":           bad(Timeout(-1)),
		"Stream":            bad(Stream(nil, 0)),
		"Data beside it":    bad(Data{"a": "b"}),
		"part":              bad(Multipart(Field("", ""))),
		"Multipart":         bad(Multipart(Field("a", "b"))),
		"Method":            bad(Method("PUT")),
		"JSON":              bad(JSON(1)),
		"Bearer":            bad(Bearer("")),
		"two streams":       bad(StreamBody(), Stream(func([]byte) error { return nil }, 0)),
		"Connection":        bad(&Connection{}),
		"URL":               func(body []Option) error { _, err := s.Post(t.Context(), "http://h:x/", body...); return err },
		"method":            func(body []Option) error { _, err := s.Request(t.Context(), "A B", "http://h/", body...); return err },
		"TRACE":             func(body []Option) error { _, err := s.Request(t.Context(), "TRACE", "http://h/", body...); return err },
		"no context":        func(body []Option) error { _, err := s.Post(nil, "http://h/", body...); return err }, //lint:ignore SA1012 that is the case
		"one-shot":          func(body []Option) error { _, err := Post(t.Context(), "", body...); return err },
		"one-shot, no ctx":  func(body []Option) error { _, err := Post(nil, "http://h/", body...); return err }, //lint:ignore SA1012 that is the case
		"Lease":             func(body []Option) error { _, err := s.Lease(t.Context(), "http://h/", body...); return err },
		"Lease, no context": func(body []Option) error { _, err := s.Lease(nil, "http://h/", body...); return err }, //lint:ignore SA1012 that is the case
		"beside an Upload": func(body []Option) error {
			_, err := s.Upload(t.Context(), "http://h/", fileBody{seekBody{file, nil}}, body...)
			return err
		},
	} {
		for kind, options := range map[string]func(*closable) []Option{
			"Body":       func(c *closable) []Option { return []Option{Body(c)} },
			"FilePart":   func(c *closable) []Option { return []Option{Multipart(FilePart("f", "x", fileBody{seekBody{c, nil}}))} },
			"ReaderPart": func(c *closable) []Option { return []Option{Multipart(ReaderPart("f", "x", c))} },
			"in front":   func(c *closable) []Option { return []Option{Body(c), Headers{"a\n": "b"}} },
		} {
			if name == "Multipart" && strings.HasSuffix(kind, "Part") {
				continue // that is no fault
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				body := newClosable(strings.NewReader("hello"))
				err := call(options(body))
				var input *InputError
				if !errors.As(err, &input) && !errors.Is(err, ErrReservedHeader) || body.closes.Load() != 1 {
					t.Errorf("got %v, closed %d times", err, body.closes.Load())
				}
			})
		}
	}
	if file.isClosed() {
		t.Error("the file of an Upload was closed")
	}
}

// All that was given is closed, what was given twice once, and what is the caller's
// never.
func TestWhichBodiesAreClosed(t *testing.T) {
	type given = func(c []*closable) []Option
	for _, c := range []struct {
		name string
		opts given
		want []int32
	}{
		{"the last Body is sent", func(c []*closable) []Option { return []Option{Body(c[0]), Body(c[1])} }, []int32{1, 1}},
		{"one Body twice", func(c []*closable) []Option { return []Option{Body(c[0]), Body(c[0])} }, []int32{1}},
		{"parts", func(c []*closable) []Option {
			return []Option{Multipart(ReaderPart("a", "x", c[0]), Field("b", "y")), Multipart(ReaderPart("c", "z", c[1]))}
		}, []int32{1, 1}},
		{"parts of one reader", func(c []*closable) []Option {
			return []Option{Multipart(ReaderPart("a", "x", c[0]), ReaderPart("b", "x", c[0]))}
		}, []int32{1}},
		{"part with another type", func(c []*closable) []Option {
			return []Option{Multipart(ReaderPart("a", "x", c[0]).MIMEType("a/b").Header("X", "y"))}
		}, []int32{1}},
		{"empty", func(c []*closable) []Option { c[0].Reader = strings.NewReader(""); return []Option{Body(c[0])} }, []int32{1}},
		{"of length 0", func(c []*closable) []Option {
			return []Option{Body(struct {
				io.Closer
				*strings.Reader
			}{c[0], strings.NewReader("")})}
		}, []int32{1}},
		{"types that can't be compared", func(c []*closable) []Option {
			type odd struct {
				*closable
				_ []int
			}
			return []Option{Body(odd{closable: c[0]}), Body(odd{closable: c[1]})}
		}, []int32{1, 1}},
		{"hidden Close", func(c []*closable) []Option { return []Option{Body(struct{ io.Reader }{c[0]})} }, []int32{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := &script{answers: []string{ok}}
			bodies := make([]*closable, len(c.want))
			for i := range bodies {
				bodies[i] = newClosable(strings.NewReader("hello"))
			}
			inBubble(t, server.pipes(), Config{}, func(t *testing.T, s *Session) {
				if _, err := s.Post(t.Context(), "http://h/", c.opts(bodies)...); err != nil {
					t.Fatal(err)
				}
			})
			for i, b := range bodies {
				if n := b.closes.Load(); n != c.want[i] {
					t.Errorf("the body %d was closed %d times", i, n)
				}
			}
		})
	}
}

// Each call closes what it was given, and Upload and Curl nothing.
func TestEachCallClosesItsBody(t *testing.T) {
	server, body := &script{answers: []string{ok, ok, ok}}, newClosable(nil)
	inBubble(t, server.pipes(), Config{}, func(t *testing.T, s *Session) {
		send := newSeekBody(body)
		for n := range int32(2) {
			if _, err := s.Post(t.Context(), "http://h/", Body(send)); err != nil || body.closes.Load() != n+1 {
				t.Errorf("%v, closed %d times", err, body.closes.Load())
			}
		}
		file := newClosable(nil)
		fd := fileBody{newSeekBody(file).(seekBody)}
		for _, opts := range [][]Option{{Body(fd)}, {Multipart(FilePart("f", "x", fd))}} {
			if _, err := s.Curl("POST", "http://h/", opts...); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.Upload(t.Context(), "http://h/", fd); err != nil || file.isClosed() {
			t.Errorf("Upload: %v, closed %v", err, file.isClosed())
		}
	})
}

// A body whose method panics as it is to be sent again: that is no *InputError any more,
// since something was sent.
func TestBodyThatPanicsBeforeItsReplay(t *testing.T) {
	boom := errors.New("boom")
	for name, answer := range map[string]string{"redirect": moved307, "digest": turnsDigest} {
		t.Run(name, func(t *testing.T) {
			server, body := &script{answers: []string{answer}}, newClosable(strings.NewReader("hello"))
			inBubble(t, server.pipes(), Config{}, func(t *testing.T, s *Session) {
				seek := seekBody{body, seekFunc(func(at int64, whence int) (int64, error) {
					if server.asked.Load() > 0 {
						panic(boom)
					}
					return 0, nil
				})}
				_, err := s.Put(t.Context(), "http://h/", Body(seek), DigestAuth("joe", "geheim"))
				var input *InputError
				if !errors.Is(err, boom) || errors.As(err, &input) || body.closes.Load() != 1 {
					t.Errorf("got %v, closed %d times", err, body.closes.Load())
				}
			})
		})
	}
}

type seekFunc func(int64, int) (int64, error)

func (f seekFunc) Seek(at int64, whence int) (int64, error) { return f(at, whence) }

// A body, and a part of a form, is read little ahead of what its server takes, however
// long it is.
func TestBodyIsReadLittleAhead(t *testing.T) {
	for name, option := range map[string]func(io.Reader) Option{
		"Body":       Body,
		"ReaderPart": func(r io.Reader) Option { return Multipart(ReaderPart("f", "x", r)) },
	} {
		t.Run(name, func(t *testing.T) {
			took := make(chan int, 1)
			m := &pipes{serve: func(_ int, c net.Conn) {
				n, _ := io.ReadFull(c, make([]byte, 100_000))
				took <- n
				time.Sleep(time.Hour)
			}}
			var read atomic.Int64
			endless := readFunc(func(p []byte) (int, error) { read.Add(int64(len(p))); return len(p), nil })
			inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
				_, err := s.Post(t.Context(), "http://h/", option(endless), Timeout(time.Second))
				if n := <-took; err == nil || n != 100_000 || read.Load() > int64(n)+96<<10 {
					t.Errorf("%v: read %d bytes, the server took %d", err, read.Load(), n)
				}
			})
		})
	}
}

// A DiskFile that is nil has nothing to close, and its panic would be the Logger's.
func TestNilDiskFileIsNotClosed(t *testing.T) {
	var log strings.Builder
	inBubble(t, &pipes{}, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(t *testing.T, s *Session) {
		for _, option := range []Option{Body((*DiskFile)(nil)), Multipart(FilePart("f", "x", (*DiskFile)(nil)))} {
			_, err := s.Post(t.Context(), "http://h/", option)
			if !errors.As(err, new(*InputError)) {
				t.Errorf("got %v", err)
			}
		}
	})
	if log.Len() > 0 {
		t.Errorf("logged %q", log.String())
	}
}
