package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/seed53b03582/troupe/conn"
)

// partContent is a way to give the bytes of a part.
type partContent struct {
	name          string
	part          func(name string) Part
	want          string
	known, replay bool
}

func partContents(t *testing.T) []partContent {
	long := strings.Repeat("0123456789", 10_000)
	file := func(f func() File, want string, replay bool) func(string) partContent {
		return func(name string) partContent {
			return partContent{name, func(part string) Part { return FilePart(part, "x", f()) }, want, true, replay}
		}
	}
	reader := func(f func() io.Reader, want string, known, replay bool) func(string) partContent {
		return func(name string) partContent {
			return partContent{name, func(part string) Part { return ReaderPart(part, "x", f()) }, want, known, replay}
		}
	}
	disk := readSome(onDisk(t, long))
	return []partContent{
		{"field", func(name string) Part { return Field(name, "v") }, "v", true, true},
		{"empty field", func(name string) Part { return Field(name, "") }, "", true, true},
		{"long field", func(name string) Part { return Field(name, long) }, long, true, true},
		file(func() File { return disk }, long, true)("disk"),
		file(func() File { return readSome(bytes.NewReader([]byte("hello"))) }, "hello", true)("bytes.Reader"),
		file(func() File { return readSome(strings.NewReader(long)) }, long, true)("strings.Reader"),
		file(func() File { return readSome(io.NewSectionReader(strings.NewReader("hello"), 1, 3)) }, "ell", true)("section"),
		file(func() File { return &counting{Reader: readSome(bytes.NewReader([]byte("hello")))} }, "hello", true)("with Seek"),
		file(func() File { return readSome(atOnly{strings.NewReader("hello"), strings.NewReader("hello")}) }, "hello", true)("with ReadAt"),
		file(func() File { return sized(strings.NewReader("hello, world"), 5) }, "hello", false)("plain file"),
		file(func() File { return sized(iotest.DataErrReader(strings.NewReader("hello")), 5) }, "hello", false)("end with data"),
		file(func() File { return sized(failing{errors.New("not to be read")}, 0) }, "", false)("empty file"),
		reader(func() io.Reader { return readSome(strings.NewReader("hello")) }, "llo", true, true)("rest of a strings.Reader"),
		reader(func() io.Reader { return readSome(bytes.NewReader([]byte("hello"))) }, "llo", true, true)("rest of a bytes.Reader"),
		reader(func() io.Reader { return readSome(bytes.NewBufferString("hello")) }, "llo", true, true)("rest of a buffer"),
		reader(func() io.Reader { return lenReader{strings.NewReader("hello, world"), 5} }, "hello", true, false)("Len"),
		reader(func() io.Reader { return readSome(io.NewSectionReader(strings.NewReader("hello"), 1, 3)) }, "ell", true, true)("a File as reader"),
		reader(func() io.Reader { return plainReader{strings.NewReader(long)} }, long, false, false)("plain reader"),
		reader(func() io.Reader { return iotest.DataErrReader(plainReader{strings.NewReader("hello")}) }, "hello", false, false)("reader whose end comes with data"),
		reader(func() io.Reader { return iotest.OneByteReader(strings.NewReader("hello")) }, "hello", false, false)("slow reader"),
		reader(func() io.Reader { return http.NoBody }, "", false, false)("empty reader"),
	}
}

// TestMultipartLength sends every way to give a part beside every other: the length
// is exact or unknown, and what is read back is what was given.
func TestMultipartLength(t *testing.T) {
	all := partContents(t)
	check := func(t *testing.T, given ...partContent) {
		t.Helper()
		known, replay := true, true
		parts := make([]Part, len(given))
		for i, c := range given {
			parts[i] = c.part(fmt.Sprint(i))
			known, replay = known && c.known, replay && c.replay
		}
		m := form(t, parts...)
		if m.Replayable() != replay {
			t.Errorf("replayable: %v", m.Replayable())
		}
		for range 2 {
			got := readAll(t, m)
			if known && m.Size() != int64(len(got)) || !known && m.Size() != -1 {
				t.Errorf("size %d of %d", m.Size(), len(got))
			}
			r := multipart.NewReader(strings.NewReader(got), "B")
			for i, c := range given {
				part, err := r.NextRawPart()
				if err != nil {
					t.Fatal(err)
				}
				if b, err := io.ReadAll(part); err != nil || string(b) != c.want || part.FormName() != fmt.Sprint(i) {
					t.Errorf("part %d %q is %.40q, want %.40q, %v", i, part.FormName(), b, c.want, err)
				}
			}
			if _, err := r.NextRawPart(); err != io.EOF {
				t.Errorf("behind the last part: %v", err)
			}
			if !replay {
				break
			}
		}
	}
	for _, a := range all {
		t.Run(a.name, func(t *testing.T) {
			check(t, a)
			for _, b := range all {
				check(t, a, b)
				check(t, field0, a, b, field0)
			}
		})
	}
}

// field0 is a field to stand beside other parts.
var field0 = partContent{"", func(name string) Part { return Field(name, "v0") }, "v0", true, true}

// TestMultipartLongFields: values are copied up to a bound only.
func TestMultipartLongFields(t *testing.T) {
	long := strings.Repeat("0", smallBody/2)
	for n, inMemory := range []bool{true, true, false, false} {
		parts := make([]Part, n)
		for i := range parts {
			parts[i] = Field("a", long)
		}
		if m := form(t, parts...); (m.Bytes() != nil) != inMemory {
			t.Errorf("%d fields: in memory %v", n, !inMemory)
		}
	}
}

// TestMultipartSeekTwice: a file that can only be set by Seek stands in two parts.
func TestMultipartSeekTwice(t *testing.T) {
	f := &counting{Reader: bytes.NewReader([]byte("hello"))}
	m := form(t, FilePart("f", "", f), Field("x", "y"), FilePart("g", "", f))
	if got := readAll(t, m); strings.Count(got, "hello") != 2 {
		t.Errorf("got %q", got)
	}
}

// TestMultipartConcurrently: one option, one file, many calls.
func TestMultipartConcurrently(t *testing.T) {
	long := strings.Repeat("0123456789", 50_000)
	server := record(t, nil)
	session := newSession(t, Config{})
	disk := io.NewSectionReader(onDisk(t, long), 0, int64(len(long))) // which can't be closed
	option := Multipart(Field("a", "1"), FilePart("f", "x", disk), FilePart("g", "y", strings.NewReader(long)))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := session.Post(t.Context(), server.URL, option); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	boundaries := map[string]bool{}
	for i, got := range server.all() {
		_, boundary, _ := strings.Cut(got.head, "Content-Type: multipart/form-data; boundary=")
		boundary, _, _ = strings.Cut(boundary, "\r\n")
		boundaries[boundary] = true
		parsed, err := multipart.NewReader(strings.NewReader(got.body), boundary).ReadForm(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Value["a"][0] != "1" || parsed.File["f"][0].Size != 500_000 || parsed.File["g"][0].Size != 500_000 || strings.Count(got.body, long) != 2 {
			t.Errorf("%d: %d bytes", i, len(got.body))
		}
	}
	if len(boundaries) != 8 {
		t.Errorf("%d boundaries in 8 calls", len(boundaries))
	}
}

// TestMultipartReplay: a second reader starts at the start, wherever the first is.
func TestMultipartReplay(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	m := form(t, Field("a", "1"), FilePart("f", "x", onDisk(t, long)), FilePart("g", "y", &counting{Reader: bytes.NewReader([]byte(long))}))
	whole := readAll(t, m)
	for _, n := range []int{0, 1, 70, 200, 50_000, len(whole) - 50_000, len(whole) - 1, len(whole)} {
		first, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(first, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, m); got != whole {
			t.Errorf("after %d bytes: %d bytes, want %d", n, len(got), len(whole))
		}
	}
}

// TestMultipartStreams: a file is not held in memory.
func TestMultipartStreams(t *testing.T) {
	const size = 128 << 20
	m := form(t, FilePart("f", "x", sized(zeros{}, size)), ReaderPart("g", "y", io.LimitReader(zeros{}, size)))
	r, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 32<<10))
	runtime.ReadMemStats(&after)
	if err != nil || n < 2*size || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("%d bytes copied, %d allocated, %v", n, after.TotalAlloc-before.TotalAlloc, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestMultipartErrorsMidway(t *testing.T) {
	broken := errors.New("disk on fire")
	closed := onDisk(t, "hello")
	closed.Close()
	short := &conn.ShortFileError{Want: 5, Got: 3}
	for _, c := range []struct {
		name  string
		part  func() Part
		is    error
		short *conn.ShortFileError
		says  string
	}{
		{"ends early", func() Part { return FilePart("f", "x", sized(strings.NewReader("hel"), 5)) }, io.ErrUnexpectedEOF, short, `part "f"`},
		{"ends early, with data", func() Part { return FilePart("f", "x", sized(iotest.DataErrReader(strings.NewReader("hel")), 5)) }, io.ErrUnexpectedEOF, short, `part "f"`},
		{"Len too much", func() Part { return ReaderPart("f", "x", lenReader{strings.NewReader("hel"), 5}) }, io.ErrUnexpectedEOF, short, `part "f"`},
		{"Read fails", func() Part { return FilePart("f", "x", sized(failing{broken}, 5)) }, broken, nil, `part "f"`},
		{"Read of a reader fails", func() Part { return ReaderPart("f", "x", failing{broken}) }, broken, nil, `part "f"`},
		{"Read panics", func() Part { return FilePart("f", "x", sized(panicky{}, 5)) }, nil, nil, "read panics"},
		{"closed", func() Part { return FilePart("f", "x", closed) }, nil, nil, "closed"},
		{"negative count", func() Part { return FilePart("f", "x", sized(miscounting(-1), 5)) }, nil, nil, "impossible count"},
		{"count too large", func() Part { return ReaderPart("f", "x", miscounting(1<<20)) }, nil, nil, "impossible count"},
	} {
		for _, beside := range []struct {
			name string
			part Part
		}{
			{"known length", Field("a", "1")},
			{"chunked", ReaderPart("a", "", http.NoBody)},
		} {
			t.Run(c.name+"/"+beside.name, func(t *testing.T) {
				server := record(t, nil)
				session := newSession(t, Config{})
				_, err := session.Post(t.Context(), server.URL, Multipart(beside.part, c.part(), Field("b", "2")))
				if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("got %v", err)
				}
				var got *conn.ShortFileError
				if errors.As(err, &got) != (c.short != nil) || got != nil && *got != *c.short {
					t.Errorf("got %v", got)
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
}

type miscounting int

func (n miscounting) Read([]byte) (int, error) { return int(n), nil }
