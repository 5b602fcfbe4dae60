package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// plainReader hides everything but Read.
type plainReader struct{ io.Reader }

// lenReader knows how much is left.
type lenReader struct {
	io.Reader
	n int
}

func (r lenReader) Len() int { return r.n }

func TestBody(t *testing.T) {
	const form = "Content-Type: application/x-www-form-urlencoded\r\n"
	long := strings.Repeat("0123456789", 10_000)
	half := bytes.NewReader([]byte("abcdef"))
	half.Seek(3, io.SeekStart)
	for _, c := range []struct {
		name string
		opts []Option
		head string // behind the defaults
		body string
	}{
		{"data", []Option{Data{"b": "2 ä", "a": "&="}}, form + "Content-Length: 19\r\n", "a=%26%3D&b=2+%C3%A4"},
		{"empty data", []Option{Data{}}, form + "Content-Length: 0\r\n", ""},
		{"form behind data", []Option{Form(url.Values{"a": {"2", "1"}}), Data{"z": "0"}}, form + "Content-Length: 11\r\n", "z=0&a=2&a=1"},
		{"json", []Option{JSON(map[string]int{"a": 1})}, "Content-Type: application/json\r\nContent-Length: 7\r\n", `{"a":1}`},
		{"json null", []Option{JSON(nil)}, "Content-Type: application/json\r\nContent-Length: 4\r\n", "null"},
		{"data before json", []Option{JSON(make(chan int)), Data{"a": "b"}}, form + "Content-Length: 3\r\n", "a=b"},
		{"form before json", []Option{JSON(make(chan int)), Form(url.Values{"a": {"b"}})}, form + "Content-Length: 3\r\n", "a=b"},
		{"own content type", []Option{JSON(1), Headers{"content-type": "text/json"}}, "Content-Length: 1\r\ncontent-type: text/json\r\n", "1"},
		{"no body", []Option{Body(nil)}, "Content-Length: 0\r\n", ""},
		{"http.NoBody", []Option{Body(http.NoBody)}, "Content-Length: 0\r\n", ""},
		{"buffer", []Option{Body(bytes.NewBufferString("hello"))}, "Content-Length: 5\r\n", "hello"},
		{"rest of a bytes.Reader", []Option{Body(half)}, "Content-Length: 3\r\n", "def"},
		{"strings.Reader", []Option{Body(strings.NewReader("hello"))}, "Content-Length: 5\r\n", "hello"},
		{"long strings.Reader", []Option{Body(strings.NewReader(long))}, "Content-Length: 100000\r\n", long},
		{"empty strings.Reader", []Option{Body(strings.NewReader(""))}, "Content-Length: 0\r\n", ""},
		{"Len", []Option{Body(lenReader{strings.NewReader("hello, world"), 5})}, "Content-Length: 5\r\n", "hello"},
		{"Len 0", []Option{Body(lenReader{strings.NewReader("hello"), 0})}, "Content-Length: 0\r\n", ""},
		{"File", []Option{Body(io.NewSectionReader(strings.NewReader("hello"), 1, 3))}, "Content-Length: 3\r\n", "ell"},
		{"chunked", []Option{Body(plainReader{strings.NewReader("hello")})}, "Transfer-Encoding: chunked\r\n", "hello"},
		{"chunked byte by byte", []Option{Body(iotest.OneByteReader(strings.NewReader("hello")))}, "Transfer-Encoding: chunked\r\n", "hello"},
		{"chunked long", []Option{Body(iotest.DataErrReader(plainReader{strings.NewReader(long)}))}, "Transfer-Encoding: chunked\r\n", long},
		{"chunked empty", []Option{Body(plainReader{strings.NewReader("")})}, "Transfer-Encoding: chunked\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := record(t, nil)
			session := newSession(t, Config{})
			resp, err := session.Post(t.Context(), server.URL, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			got := server.last(t)
			_, head, _ := strings.Cut(got.head, codingsLine)
			if head != c.head+"\r\n" || got.body != c.body {
				t.Errorf("got  %q %.60q\nwant %q %.60q", head, got.body, c.head+"\r\n", c.body)
			}
			if resp.Text() != "ok" {
				t.Errorf("answer %q", resp.Text())
			}
			// The connection is as good as new.
			if _, err := session.Get(t.Context(), server.URL); err != nil {
				t.Fatal(err)
			}
			if n := server.opened(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestBodyInMemoryIsNotUsedUp: the same reader serves two calls, of any size.
func TestBodyInMemoryIsNotUsedUp(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{})
	for _, size := range []int{10, smallBody, smallBody + 1} {
		text := strings.Repeat("x", size)
		for _, body := range []io.Reader{strings.NewReader(text), bytes.NewReader([]byte(text)), bytes.NewBufferString(text)} {
			for range 2 {
				if _, err := session.Put(t.Context(), server.URL, Body(body)); err != nil {
					t.Fatal(err)
				}
				if got := server.last(t).body; got != text {
					t.Errorf("%T of %d: sent %d bytes", body, size, len(got))
				}
			}
		}
	}
}

func TestJSONBesideDataIsNotEncoded(t *testing.T) {
	var asked bool
	if _, err := encode("POST", "http://h/", false, JSON(unmarshalable{&asked}), Data{"a": "b"}); err != nil || asked {
		t.Errorf("asked %v, %v", asked, err)
	}
}

// badReader misbehaves as it is told.
type badReader struct {
	plainReader
	length func() int
}

func (b badReader) Len() int { return b.length() }

type panicky struct{}

func (panicky) Read([]byte) (int, error)     { panic("read panics") }
func (panicky) MarshalJSON() ([]byte, error) { panic(errors.New("marshal panics")) }

func TestBodyErrorsBeforeSending(t *testing.T) {
	for _, c := range []struct {
		name, field, says string
		opt               Option
	}{
		{"negative Len", "Body", "Len is -1", Body(badReader{length: func() int { return -1 }})},
		{"Len panics", "Body", "len panics", Body(badReader{length: func() int { panic("len panics") }})},
		{"nil bytes.Reader", "Body", "nil pointer", Body((*bytes.Reader)(nil))},
		{"nil bytes.Buffer", "Body", "nil pointer", Body((*bytes.Buffer)(nil))},
		{"JSON panics", "JSON", "marshal panics", JSON(panicky{})},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := encode("POST", "http://h/", false, c.opt)
			var input *InputError
			if !errors.As(err, &input) || input.Field != c.field || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestBodyErrorsMidway: the reader fails when the head is out already; the call
// fails, the connection ends, the session goes on.
func TestBodyErrorsMidway(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		name string
		body io.Reader
		is   error
		says string
	}{
		{"read error", plainReader{io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken))}, broken, "on fire"},
		{"read error with Len", lenReader{iotest.ErrReader(broken), 3}, broken, "on fire"},
		{"shorter than Len", lenReader{strings.NewReader("ab"), 3}, io.ErrUnexpectedEOF, "2 of 3"},
		{"panic", panicky{}, nil, "read panics"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := record(t, nil)
			session := newSession(t, Config{})
			resp, err := session.Post(t.Context(), server.URL, Body(c.body))
			if resp != nil || err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, %v", resp, err)
			}
			var io *IOError
			if c.is != nil && (!errors.As(err, &io) || io.Op != OpWrite) {
				t.Errorf("got %T %v, want an *IOError of write", err, err)
			}
			if _, err := session.Get(t.Context(), server.URL); err != nil {
				t.Errorf("the next call: %v", err)
			}
			if got := server.all(); len(got) != 1 {
				t.Errorf("the server took %d requests as whole, want the last alone", len(got))
			}
		})
	}
}

// dyingConn fails its second Write before a byte is out, as a socket does whose
// peer has reset it a moment ago.
type dyingConn struct {
	net.Conn
	writes atomic.Int32
}

func (c *dyingConn) Write(p []byte) (int, error) {
	if c.writes.Add(1) == 2 {
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(p)
}

// TestBodyOnAnotherConnection: where an idle connection turns out dead, the next
// one is sent the same request, byte for byte.
func TestBodyOnAnotherConnection(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return &dyingConn{Conn: c}, err
	})})
	for range 2 {
		if _, err := session.Post(t.Context(), server.URL, Data{"a": "b"}); err != nil {
			t.Fatal(err)
		}
	}
	got := server.all()
	if len(got) != 2 || got[1].conn != 2 || got[1].raw != got[0].raw {
		t.Errorf("got %+v", got)
	}
}

// exiting is a reader that ends its goroutine, as t.FailNow does.
type exiting struct{}

func (exiting) Read([]byte) (int, error) { runtime.Goexit(); return 0, nil }

func TestBodyReaderExits(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{})
	_, err := session.Post(t.Context(), server.URL, Body(exiting{}), Timeout(5*time.Minute))
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want an error at once", err)
	}
}
