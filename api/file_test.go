package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestUpload(t *testing.T) {
	const octets = "Content-Type: application/octet-stream\r\n"
	for _, c := range []struct {
		name string
		opts []Option
		line string
		head string
	}{
		{"default", nil, "POST / HTTP/1.1", octets + "Content-Length: 5\r\n"},
		{"empty options", []Option{MIMEType(""), Method("")}, "POST / HTTP/1.1", octets + "Content-Length: 5\r\n"},
		{"MIME type", []Option{MIMEType("image/png")}, "POST / HTTP/1.1", "Content-Type: image/png\r\nContent-Length: 5\r\n"},
		{"own content type", []Option{MIMEType("image/png"), Headers{"CONTENT-TYPE": "a/b"}}, "POST / HTTP/1.1", "Content-Length: 5\r\nCONTENT-TYPE: a/b\r\n"},
		{"PUT", []Option{Method("PUT")}, "PUT / HTTP/1.1", octets + "Content-Length: 5\r\n"},
		{"put", []Option{Method("put")}, "PUT / HTTP/1.1", octets + "Content-Length: 5\r\n"},
		{"post", []Option{Method("Post")}, "POST / HTTP/1.1", octets + "Content-Length: 5\r\n"},
		{"params", []Option{Params{"a": "b"}}, "POST /?a=b HTTP/1.1", octets + "Content-Length: 5\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := record(t, nil)
			session := newSession(t, Config{})
			if _, err := session.Upload(t.Context(), server.URL, strings.NewReader("hello"), c.opts...); err != nil {
				t.Fatal(err)
			}
			got := server.last(t)
			line, _, _ := strings.Cut(got.head, "\r\n")
			_, head, _ := strings.Cut(got.head, codingsLine)
			if line != c.line || head != c.head+"\r\n" || got.body != "hello" {
				t.Errorf("got %q %q %q", line, head, got.body)
			}
		})
	}
}

// file is a File made of parts.
type file struct {
	io.Reader
	size func() int64
}

func (f file) Size() int64 { return f.size() }

func sized(r io.Reader, n int64) file { return file{r, func() int64 { return n }} }

// counting embeds a file and overrides Read, as a progress bar does.
type counting struct {
	*bytes.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// atOnly reads by position alone.
type atOnly struct {
	io.Reader
	io.ReaderAt
}

func (atOnly) Size() int64 { return 5 }

// unseekable claims a Seek that fails.
type unseekable struct{ file }

func (unseekable) Seek(int64, int) (int64, error) { return 0, errors.New("no seeking here") }

func readSome[R io.Reader](r R) R {
	io.ReadFull(r, make([]byte, 2))
	return r
}

func TestUploadFiles(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	count := &counting{Reader: readSome(bytes.NewReader([]byte("hello")))}
	for _, c := range []struct {
		name string
		fd   File
		want string
	}{
		{"bytes.Reader from its start", readSome(bytes.NewReader([]byte("hello"))), "hello"},
		{"strings.Reader from its start", readSome(strings.NewReader("hello")), "hello"},
		{"long strings.Reader", readSome(strings.NewReader(long)), long},
		{"section from its start", readSome(io.NewSectionReader(strings.NewReader("hello"), 1, 3)), "ell"},
		{"own Read is used, from the start", count, "hello"},
		{"by position", readSome(atOnly{strings.NewReader("hello"), strings.NewReader("hello")}), "hello"},
		{"as it stands", sized(strings.NewReader("hello"), 5), "hello"},
		{"longer than its Size", sized(strings.NewReader("hello, world"), 5), "hello"},
		{"empty", sized(strings.NewReader(""), 0), ""},
		{"Size 0", sized(strings.NewReader("hello"), 0), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := record(t, nil)
			session := newSession(t, Config{})
			for range 2 {
				// Any connection is good enough for a PUT, however long it has idled.
				if _, err := session.Upload(t.Context(), server.URL, c.fd, Method("PUT")); err != nil {
					t.Fatal(err)
				}
				if got := server.last(t).body; got != c.want {
					t.Errorf("sent %.40q, want %.40q", got, c.want)
				}
				if _, plain := c.fd.(file); plain {
					break // it can't be set back to its start
				}
			}
			if n := server.opened(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
	if count.n != 10 {
		t.Errorf("the overriding Read saw %d bytes, want 10", count.n)
	}
}

func TestUploadInputErrors(t *testing.T) {
	server := record(t, nil)
	hello := strings.NewReader("hello")
	var noFile *DiskFile
	for _, c := range []struct {
		name, field, says string
		fd                File
		opts              []Option
	}{
		{"nil", "File", "nil", nil, nil},
		{"nil DiskFile", "File", "nil", noFile, nil},
		{"nil pointer", "File", "panicked", (*strings.Reader)(nil), nil},
		{"negative Size", "File", "Size is -1", sized(hello, -1), nil},
		{"Size panics", "File", "size panics", file{hello, func() int64 { panic("size panics") }}, nil},
		{"GET", "Method", "POST or PUT", hello, []Option{Method("GET")}},
		{"injecting method", "Method", "POST or PUT", hello, []Option{Method("PUT / HTTP/1.1\r\n")}},
		{"injecting type", "Headers", "Content-Type", hello, []Option{MIMEType("a\r\nb: c")}},
		{"with Data", "Data", "Upload", hello, []Option{Data{"a": "b"}}},
		{"with Form", "Form", "Upload", hello, []Option{Form(url.Values{})}},
		{"with JSON", "JSON", "Upload", hello, []Option{JSON(1)}},
		{"with Body", "Body", "Upload", hello, []Option{Body(hello)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Upload(t.Context(), server.URL, c.fd, c.opts...)
			var input *InputError
			if !errors.As(err, &input) || input.Field != c.field || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := Upload(t.Context(), server.URL, unseekable{sized(hello, 5)})
	var bad *IOError
	if !errors.As(err, &bad) || bad.Op != OpWrite || bad.Sent != SentNothing {
		t.Errorf("Seek fails: got %v", err)
	}
	if n := server.opened(); n != 0 {
		t.Errorf("%d connections were opened", n)
	}
}

func TestUploadErrorsMidway(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		name string
		fd   File
		is   error
	}{
		{"ends early", sized(strings.NewReader("hel"), 5), io.ErrUnexpectedEOF},
		{"ends at once", sized(strings.NewReader(""), 5), io.ErrUnexpectedEOF},
		{"Read fails", sized(io.MultiReader(strings.NewReader("h"), failing{broken}), 5), broken},
		{"Read panics", sized(panicky{}, 5), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := record(t, nil)
			session := newSession(t, Config{})
			_, err := session.Upload(t.Context(), server.URL, c.fd)
			var bad *IOError
			if err == nil || c.is != nil && (!errors.Is(err, c.is) || !errors.As(err, &bad) || bad.Op != OpWrite) {
				t.Fatalf("got %v", err)
			}
			if _, err := session.Get(t.Context(), server.URL); err != nil {
				t.Fatal(err)
			}
			if n := len(server.all()); n != 1 {
				t.Errorf("the server took %d requests as whole, want the last alone", n)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// onDisk writes a file and opens it.
func onDisk(t *testing.T, content string) *DiskFile {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestDiskFile(t *testing.T) {
	long := strings.Repeat("0123456789", 100_000)
	server := record(t, nil)
	session := newSession(t, Config{})
	f := readSome(onDisk(t, long))
	if f.Size() != int64(len(long)) || filepath.Base(f.Name()) != "file" {
		t.Errorf("size %d, name %q", f.Size(), f.Name())
	}
	for range 2 {
		if _, err := session.Upload(t.Context(), server.URL, f); err != nil {
			t.Fatal(err)
		}
		if _, err := session.Post(t.Context(), server.URL, Body(readSome(onDisk(t, long)))); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range server.all() {
		if r.body != long || !strings.Contains(r.head, "Content-Length: 1000000\r\n") {
			t.Errorf("%d: %d bytes", i, len(r.body))
		}
	}
	// What is appended after OpenFile is not sent.
	small := onDisk(t, "hello")
	if err := os.WriteFile(small.Name(), []byte("hello, world"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Upload(t.Context(), server.URL, small); err != nil || server.last(t).body != "hello" {
		t.Errorf("sent %q, %v", server.last(t).body, err)
	}
	// What was cut off is missed.
	if err := os.Truncate(small.Name(), 2); err != nil {
		t.Fatal(err)
	}
	var bad *IOError
	if _, err := session.Upload(t.Context(), server.URL, small); !errors.As(err, &bad) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated: %v", err)
	}
	if _, err := session.Upload(t.Context(), server.URL, onDisk(t, "")); err != nil || server.last(t).body != "" {
		t.Errorf("empty: %v", err)
	}
	small.Close()
	if _, err := session.Upload(t.Context(), server.URL, small); !errors.As(err, &bad) || !errors.Is(err, fs.ErrClosed) || bad.Sent != SentNothing {
		t.Errorf("closed: %v", err)
	}
}

// progress is a DiskFile whose Read is watched.
type progress struct {
	*DiskFile
	n int
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.DiskFile.Read(b)
	p.n += n
	return n, err
}

func TestDiskFileWrapped(t *testing.T) {
	server := record(t, nil)
	session := newSession(t, Config{})
	fd := &progress{DiskFile: readSome(onDisk(t, "hello"))}
	for range 2 {
		if _, err := session.Upload(t.Context(), server.URL, fd); err != nil || server.last(t).body != "hello" {
			t.Errorf("sent %q, %v", server.last(t).body, err)
		}
	}
	if fd.n != 10 {
		t.Errorf("its Read saw %d bytes, want 10", fd.n)
	}
	at := make([]byte, 3)
	if _, err := fd.ReadAt(at, 1); err != nil || string(at) != "ell" {
		t.Errorf("ReadAt: %q, %v", at, err)
	}
}

// TestDiskFileConcurrently: each call sends the whole of it.
func TestDiskFileConcurrently(t *testing.T) {
	long := strings.Repeat("0123456789", 50_000)
	server := record(t, nil)
	session := newSession(t, Config{})
	f := onDisk(t, long)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := session.Upload(t.Context(), server.URL, f); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i, r := range server.all() {
		if r.body != long {
			t.Errorf("%d: %d bytes", i, len(r.body))
		}
	}
	if f.busy.Load() {
		t.Error("the file is still claimed")
	}
}

func TestOpenFileErrors(t *testing.T) {
	folder := t.TempDir()
	for _, c := range []struct {
		name string
		is   error
		says string
	}{
		{filepath.Join(folder, "none"), fs.ErrNotExist, "none"},
		{folder, nil, "is a directory"},
		{os.DevNull, nil, "not a regular file"},
		{"", fs.ErrNotExist, ""},
	} {
		f, err := OpenFile(c.name)
		var bad *IOError
		if f != nil || !errors.As(err, &bad) || bad.Op != OpWrite || bad.Sent != SentNothing ||
			c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: got %v", c.name, err)
		}
	}
}

// TestUploadCancelled: the call returns though the file's Read blocks.
func TestUploadCancelled(t *testing.T) {
	address, received := quietServer(t)
	session := newSession(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	defer w.Close()
	go func() {
		w.Write([]byte("he"))
		<-received
		cancel()
	}()
	_, err := session.Upload(ctx, "http://"+address, sized(r, 5))
	var bad *IOError
	if !errors.Is(err, context.Canceled) || !errors.As(err, &bad) || bad.Op != OpWrite {
		t.Errorf("got %v", err)
	}
}

func TestUploadOfAClosedFileNamesTheURL(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	_, err = encode("POST", "http://h/up", false, upload{f})
	var e *IOError
	if !errors.As(err, &e) || e.URL != "http://h/up" || e.Sent != SentNothing {
		t.Errorf("got %#v", err)
	}
}
