package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/seed53b03582/troupe/conn"
)

// form builds one with a boundary that is known.
func form(t testing.TB, parts ...Part) *multipartBody {
	t.Helper()
	m, err := newMultipart(parts, "B")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func readAll(t testing.TB, m *multipartBody) string {
	t.Helper()
	r, err := m.open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMultipartBytes(t *testing.T) {
	const disposition = "--B\r\nContent-Disposition: form-data; "
	hello := strings.NewReader("hello")
	for _, c := range []struct {
		name  string
		parts []Part
		want  string
	}{
		{"no parts", nil, "--B--\r\n"},
		{"field", []Part{Field("a", "1")}, disposition + "name=\"a\"\r\n\r\n1\r\n--B--\r\n"},
		{"empty field", []Part{Field("a", "")}, disposition + "name=\"a\"\r\n\r\n\r\n--B--\r\n"},
		{"value as it is", []Part{Field("a", "x\ny\x00\xff--B")}, disposition + "name=\"a\"\r\n\r\nx\ny\x00\xff--B\r\n--B--\r\n"},
		{"in order", []Part{Field("b", "1"), Field("a", "2"), Field("b", "3")},
			disposition + "name=\"b\"\r\n\r\n1\r\n" + disposition + "name=\"a\"\r\n\r\n2\r\n" + disposition + "name=\"b\"\r\n\r\n3\r\n--B--\r\n"},
		{"file", []Part{FilePart("f", "x.png", hello)},
			disposition + "name=\"f\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\nhello\r\n--B--\r\n"},
		{"file between fields", []Part{Field("a", "1"), FilePart("f", "x", hello), Field("b", "2")},
			disposition + "name=\"a\"\r\n\r\n1\r\n" +
				disposition + "name=\"f\"; filename=\"x\"\r\nContent-Type: application/octet-stream\r\n\r\nhello\r\n" +
				disposition + "name=\"b\"\r\n\r\n2\r\n--B--\r\n"},
		{"unknown extension", []Part{FilePart("f", "x.nobody-knows", hello)},
			disposition + "name=\"f\"; filename=\"x.nobody-knows\"\r\nContent-Type: application/octet-stream\r\n\r\nhello\r\n--B--\r\n"},
		{"no filename", []Part{FilePart("f", "", hello)}, disposition + "name=\"f\"\r\n\r\nhello\r\n--B--\r\n"},
		{"own type", []Part{FilePart("f", "x.png", hello).MIMEType("a/b")},
			disposition + "name=\"f\"; filename=\"x.png\"\r\nContent-Type: a/b\r\n\r\nhello\r\n--B--\r\n"},
		{"empty type", []Part{FilePart("f", "x.png", hello).MIMEType("")},
			disposition + "name=\"f\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\nhello\r\n--B--\r\n"},
		{"typed field", []Part{Field("f", "{}").MIMEType("application/json")},
			disposition + "name=\"f\"\r\nContent-Type: application/json\r\n\r\n{}\r\n--B--\r\n"},
		{"headers", []Part{Field("f", "1").Header("x-b", " 2\t").Header("X-A", "1").Header("X-A", "ä").Header("content-type", "a/b")},
			disposition + "name=\"f\"\r\nContent-Type: a/b\r\nX-A: 1\r\nX-A: ä\r\nx-b: 2\r\n\r\n1\r\n--B--\r\n"},
		{"escapes", []Part{FilePart("ä\"\\", "€ \r\n\"%22\\", hello).MIMEType("a/b")},
			disposition + "name=\"ä%22\\\\\"; filename=\"€ %0D%0A%22%22\\\\\"\r\nContent-Type: a/b\r\n\r\nhello\r\n--B--\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := form(t, c.parts...)
			if got := readAll(t, m); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if m.size() != int64(len(c.want)) || m.contentType() != "multipart/form-data; boundary=B" {
				t.Errorf("size %d of %d, type %q", m.size(), len(c.want), m.contentType())
			}
			inMemory := !strings.Contains(c.want, "hello")
			if b := m.bytes(); inMemory != (b != nil) || inMemory && string(b) != c.want {
				t.Errorf("in memory: %q", b)
			}
		})
	}
}

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
		if m.replayable() != replay {
			t.Errorf("replayable: %v", m.replayable())
		}
		for range 2 {
			got := readAll(t, m)
			if known && m.size() != int64(len(got)) || !known && m.size() != -1 {
				t.Errorf("size %d of %d", m.size(), len(got))
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

// formServer answers with what net/http makes of a form.
func formServer(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, "length", r.ContentLength > 0, r.TransferEncoding)
		for _, name := range []string{"a", "b"} {
			if values, ok := r.MultipartForm.Value[name]; ok {
				fmt.Fprintf(w, "%s=%q\n", name, values)
			}
		}
		for _, h := range r.MultipartForm.File["f"] {
			f, err := h.Open()
			if err != nil {
				t.Error(err)
				return
			}
			b, err := io.ReadAll(f)
			f.Close()
			fmt.Fprintf(w, "%q %s %d %.10q %v\n", h.Filename, h.Header["Content-Type"], h.Size, b, err)
		}
		if err := r.MultipartForm.RemoveAll(); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestMultipartServer(t *testing.T) {
	url := formServer(t)
	long := strings.Repeat("0123456789", 200_000)
	disk := onDisk(t, long)
	for _, c := range []struct {
		name string
		opts []Option
		want string
	}{
		{"fields", []Option{Multipart(Field("a", "1"), Field("b", "ä"), Field("a", "2"))}, "length true []\na=[\"1\" \"2\"]\nb=[\"ä\"]\n"},
		{"two options", []Option{Multipart(Field("a", "1")), Multipart(Field("a", "2"))}, "length true []\na=[\"1\" \"2\"]\n"},
		{"empty", []Option{Multipart()}, "length true []\n"},
		{"long field", []Option{Multipart(Field("a", long[:100_000]), Field("b", "2"))}, "length true []\na=[\"" + long[:100_000] + "\"]\nb=[\"2\"]\n"},
		{"many fields", []Option{Multipart(Field("a", long[:60_000]), Field("b", long[:60_000]))},
			"length true []\na=[\"" + long[:60_000] + "\"]\nb=[\"" + long[:60_000] + "\"]\n"},
		{"files", []Option{Multipart(FilePart("f", "ä.png", strings.NewReader("hello")), Field("a", "1"), FilePart("f", "y", disk))},
			"length true []\na=[\"1\"]\n\"ä.png\" [image/png] 5 \"hello\" <nil>\n\"y\" [application/octet-stream] 2000000 \"0123456789\" <nil>\n"},
		{"chunked", []Option{Multipart(ReaderPart("f", "x.png", plainReader{strings.NewReader(long)}), Field("a", "1"))},
			"length false [chunked]\na=[\"1\"]\n\"x.png\" [image/png] 2000000 \"0123456789\" <nil>\n"},
		{"file as a field", []Option{Multipart(FilePart("a", "", strings.NewReader("hello")))}, "length true []\na=[\"hello\"]\n"},
		{"one file twice", []Option{Multipart(FilePart("f", "x", disk), FilePart("f", "y", disk))},
			"length true []\n\"x\" [application/octet-stream] 2000000 \"0123456789\" <nil>\n\"y\" [application/octet-stream] 2000000 \"0123456789\" <nil>\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, err := Post(t.Context(), url, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(resp.Content()); got != c.want {
				t.Errorf("got %.500q\nwant %.500q", got, c.want)
			}
		})
	}
}

// TestMultipartLongFields: values are copied up to a bound only.
func TestMultipartLongFields(t *testing.T) {
	long := strings.Repeat("0", smallBody/2)
	for n, inMemory := range []bool{true, true, false, false} {
		parts := make([]Part, n)
		for i := range parts {
			parts[i] = Field("a", long)
		}
		if m := form(t, parts...); (m.bytes() != nil) != inMemory {
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
	option := Multipart(Field("a", "1"), FilePart("f", "x", onDisk(t, long)), FilePart("g", "y", strings.NewReader(long)))
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
		first, err := m.open()
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
	r, err := m.open()
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

func TestMultipartInputErrors(t *testing.T) {
	server := record(t, nil)
	hello := strings.NewReader("hello")
	var noFile *DiskFile
	for _, c := range []struct {
		name, says string
		part       Part
	}{
		{"zero part", "no name", Part{}},
		{"empty name", "no name", Field("", "v")},
		{"NUL in name", "control character", Field("a\x00", "v")},
		{"tab in name", "control character", Field("a\tb", "v")},
		{"DEL in filename", "control character", FilePart("f", "\x7f", hello)},
		{"nil file", "file is nil", FilePart("f", "x", nil)},
		{"nil DiskFile", "file is nil", FilePart("f", "x", noFile)},
		{"nil pointer", "panicked", FilePart("f", "x", (*strings.Reader)(nil))},
		{"nil reader", "reader is nil", ReaderPart("f", "x", nil)},
		{"negative Size", "Size of its file is -1", FilePart("f", "x", sized(hello, -1))},
		{"negative Len", "Len of its reader is -1", ReaderPart("f", "x", lenReader{hello, -1})},
		{"Size panics", "size panics", FilePart("f", "x", file{hello, func() int64 { panic("size panics") }})},
		{"too large", "more than a length can tell", FilePart("f", "x", sized(hello, math.MaxInt64))},
		{"injecting type", `value of "Content-Type"`, Field("f", "x").MIMEType("a/b\r\nc: d")},
		{"injecting header", `value of "X"`, Field("f", "x").Header("X", "secret\r\nc: d")},
		{"no token", "header name", Field("f", "x").Header("X: secret", "v")},
		{"empty header name", "header name", Field("f", "x").Header("", "v")},
		{"own disposition", "Content-Disposition", Field("f", "x").Header("content-disposition", "secret")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Post(t.Context(), server.URL, Multipart(Field("a", "1"), c.part))
			var input *InputError
			if !errors.As(err, &input) || input.Field != "Multipart" || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := Post(t.Context(), server.URL, Multipart(FilePart("f", "x", unseekable{sized(hello, 5)})))
	var bad *IOError
	if !errors.As(err, &bad) || bad.Op != OpWrite || bad.Sent != SentNothing || bad.URL == "" || !strings.Contains(err.Error(), `part "f"`) {
		t.Errorf("Seek fails: got %v", err)
	}
	if n := server.opened(); n != 0 {
		t.Errorf("%d connections were opened", n)
	}
}

func TestPartIsAValue(t *testing.T) {
	base := Field("f", "1").Header("V", "0").Header("W", "0").Header("X", "0") // three: append would have room
	one, two := base.Header("X", "1"), base.Header("X", "2").MIMEType("a/b")
	for _, c := range []struct {
		part Part
		want string
	}{
		{base, "V: 0\r\nW: 0\r\nX: 0\r\n\r\n"},
		{one, "V: 0\r\nW: 0\r\nX: 0\r\nX: 1\r\n\r\n"},
		{two, "Content-Type: a/b\r\nV: 0\r\nW: 0\r\nX: 0\r\nX: 2\r\n\r\n"},
	} {
		if got := readAll(t, form(t, c.part)); !strings.Contains(got, "name=\"f\"\r\n"+c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// FuzzMultipart: a form is refused, or a parser reads back what was given, but for
// the three characters that have an escape, and the length is exact.
func FuzzMultipart(f *testing.F) {
	f.Add("a", "1", "x.png", "a/b")
	f.Add("ä\"\\", "--B--\r\n", "\r\n%22\\", "")
	f.Add("\\", "\r\n--B", "a\x00", "text/plain; charset=utf-8")
	f.Add("\xff; filename=\"", "", "c:\\x\\\"", "a\r\nb: c")
	escape := strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22")
	f.Fuzz(func(t *testing.T, name, value, filename, mimeType string) {
		const boundary = "the-boundary-is-not-in-the-value"
		parts := []Part{
			Field(name, value),
			FilePart(name, filename, strings.NewReader(value)).MIMEType(mimeType),
			Field(name, "end"),
		}
		m, err := newMultipart(parts, boundary)
		bad := name == "" || strings.ContainsFunc(name+filename, isForbidden) || strings.ContainsFunc(mimeType, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
		if bad != (err != nil) {
			t.Fatalf("bad %v, got %v", bad, err)
		}
		if err != nil || strings.Contains(value, boundary) {
			return
		}
		got := readAll(t, m)
		if m.size() != int64(len(got)) {
			t.Fatalf("size %d of %d", m.size(), len(got))
		}
		r := multipart.NewReader(strings.NewReader(got), boundary)
		for i, want := range []string{value, value, "end"} {
			part, err := r.NextRawPart()
			if err != nil {
				t.Fatal(err)
			}
			kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
			if err != nil || kind != "form-data" || params["name"] != escape.Replace(name) {
				t.Fatalf("part %d: %q, name %q, %v", i, kind, params["name"], err)
			}
			wantFile := ""
			if i == 1 {
				wantFile = escape.Replace(filename)
			}
			if params["filename"] != wantFile {
				t.Fatalf("part %d: filename %q, want %q", i, params["filename"], wantFile)
			}
			if b, err := io.ReadAll(part); err != nil || string(b) != want {
				t.Fatalf("part %d: %q, want %q, %v", i, b, want, err)
			}
		}
		if _, err := r.NextRawPart(); err != io.EOF {
			t.Fatalf("behind the last part: %v", err)
		}
	})
}
