package multipart

import (
	"errors"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed53b03582/troupe/conn"
)

func field(name, value string) Part { return Part{Name: name, Value: value} }

// file is a part whose content is read when it is sent.
func file(name, filename, content string) Part {
	return Part{Name: name, Filename: filename, MIMEType: TypeOf(filename), Content: func() (Content, error) {
		return Section(strings.NewReader(content), 0, int64(len(content))), nil
	}}
}

// from is a part that is to be size bytes long, and is what r gives.
func from(r io.Reader, size int64) Part {
	return Part{Name: "f", Content: func() (Content, error) {
		return Content{Size: size, Open: func() (io.Reader, error) { return r, nil }}, nil
	}}
}

// form builds one with a boundary that is known.
func form(t testing.TB, parts ...Part) *Body {
	t.Helper()
	m, err := New(parts, "B", 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func readAll(t testing.TB, m *Body) string {
	t.Helper()
	r, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestBytes(t *testing.T) {
	const disposition = "--B\r\nContent-Disposition: form-data; "
	for _, c := range []struct {
		name  string
		parts []Part
		want  string
	}{
		{"no parts", nil, "--B--\r\n"},
		{"field", []Part{field("a", "1")}, disposition + "name=\"a\"\r\n\r\n1\r\n--B--\r\n"},
		{"empty field", []Part{field("a", "")}, disposition + "name=\"a\"\r\n\r\n\r\n--B--\r\n"},
		{"value as it is", []Part{field("a", "x\ny\x00\xff--B")}, disposition + "name=\"a\"\r\n\r\nx\ny\x00\xff--B\r\n--B--\r\n"},
		{"in order", []Part{field("b", "1"), field("a", "2"), field("b", "3")},
			disposition + "name=\"b\"\r\n\r\n1\r\n" + disposition + "name=\"a\"\r\n\r\n2\r\n" + disposition + "name=\"b\"\r\n\r\n3\r\n--B--\r\n"},
		{"file", []Part{file("f", "x.png", "hello")},
			disposition + "name=\"f\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\nhello\r\n--B--\r\n"},
		{"file between fields", []Part{field("a", "1"), file("f", "x", "hello"), field("b", "2")},
			disposition + "name=\"a\"\r\n\r\n1\r\n" +
				disposition + "name=\"f\"; filename=\"x\"\r\nContent-Type: application/octet-stream\r\n\r\nhello\r\n" +
				disposition + "name=\"b\"\r\n\r\n2\r\n--B--\r\n"},
		{"unknown extension", []Part{file("f", "x.nobody-knows", "hello")},
			disposition + "name=\"f\"; filename=\"x.nobody-knows\"\r\nContent-Type: application/octet-stream\r\n\r\nhello\r\n--B--\r\n"},
		{"no filename", []Part{file("f", "", "hello")}, disposition + "name=\"f\"\r\n\r\nhello\r\n--B--\r\n"},
		{"own type", []Part{file("f", "x.png", "hello").WithType("a/b")},
			disposition + "name=\"f\"; filename=\"x.png\"\r\nContent-Type: a/b\r\n\r\nhello\r\n--B--\r\n"},
		{"empty type", []Part{file("f", "x.png", "hello").WithType("")},
			disposition + "name=\"f\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\nhello\r\n--B--\r\n"},
		{"typed field", []Part{field("f", "{}").WithType("application/json")},
			disposition + "name=\"f\"\r\nContent-Type: application/json\r\n\r\n{}\r\n--B--\r\n"},
		{"headers", []Part{field("f", "1").WithHeader("x-b", " 2\t").WithHeader("X-A", "1").WithHeader("X-A", "ä").WithHeader("content-type", "a/b")},
			disposition + "name=\"f\"\r\nContent-Type: a/b\r\nX-A: 1\r\nX-A: ä\r\nx-b: 2\r\n\r\n1\r\n--B--\r\n"},
		{"escapes", []Part{file("ä\"\\", "€ \r\n\"%22\\", "hello").WithType("a/b")},
			disposition + "name=\"ä%22\\\\\"; filename=\"€ %0D%0A%22%22\\\\\"\r\nContent-Type: a/b\r\n\r\nhello\r\n--B--\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := form(t, c.parts...)
			if got := readAll(t, m); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if m.Size() != int64(len(c.want)) || m.ContentType() != "multipart/form-data; boundary=B" {
				t.Errorf("size %d of %d, type %q", m.Size(), len(c.want), m.ContentType())
			}
			inMemory := !strings.Contains(c.want, "hello")
			if b := m.Bytes(); inMemory != (b != nil) || inMemory && string(b) != c.want {
				t.Errorf("in memory: %q", b)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		part Part
		says string
	}{
		"zero part":        {Part{}, "a part has no name (RFC 7578 §4.2); give one"},
		"NUL in name":      {field("a\x00", "v"), "control character"},
		"DEL in filename":  {file("f", "\x7f", ""), "control character"},
		"missing":          {Part{Name: "f", Missing: "file"}, `the part "f": its file is nil; give one, or use Field`},
		"injecting type":   {field("f", "x").WithType("a/b\r\nc: d"), `value of "Content-Type"`},
		"injecting header": {field("f", "x").WithHeader("X", "secret\r\nc: d"), `value of "X"`},
		"no token":         {field("f", "x").WithHeader("X: secret", "v"), "header name"},
		"own disposition":  {field("f", "x").WithHeader("content-disposition", "secret"), "Content-Disposition"},
		"too large":        {from(nil, math.MaxInt64), "more than a length can tell"},
		"not to be had":    {Part{Name: "f", Content: func() (Content, error) { return Content{}, broken }}, "broken"},
	} {
		_, err := New([]Part{field("a", "1"), c.part}, "B", 64<<10)
		var fault *Error
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") || !errors.As(err, &fault) && err != broken {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A content is neither shorter nor longer than it was to be, and its errors name the part.
func TestContentOfAnotherLength(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		part Part
		want string
		is   error
	}{
		"longer":               {from(strings.NewReader("hello, world"), 5), "hello", nil},
		"unknown":              {from(strings.NewReader("hello"), -1), "hello", nil},
		"empty, never read":    {from(iotest.ErrReader(broken), 0), "", nil},
		"shorter":              {from(strings.NewReader("hel"), 5), "hel", &conn.ShortFileError{Want: 5, Got: 3}},
		"shorter, end at once": {from(iotest.DataErrReader(strings.NewReader("hel")), 5), "hel", &conn.ShortFileError{Want: 5, Got: 3}},
		"fails":                {from(iotest.ErrReader(broken), 5), "", broken},
	} {
		r, err := form(t, field("a", "1"), c.part, field("b", "2")).Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		_, got, _ := strings.Cut(string(b), "name=\"f\"\r\n\r\n")
		got, _, whole := strings.Cut(got, "\r\n--B")
		if got != c.want || whole != (c.is == nil) || (err == nil) != whole {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		var short *conn.ShortFileError
		switch want := c.is.(type) {
		case nil:
		case *conn.ShortFileError:
			if !errors.As(err, &short) || *short != *want {
				t.Errorf("%s: got %v, want %v", name, err, want)
			}
		default:
			if !errors.Is(err, want) || !strings.Contains(err.Error(), `the part "f"`) {
				t.Errorf("%s: got %v, want %v", name, err, want)
			}
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
			field(name, value),
			file(name, filename, value).WithType(mimeType),
			field(name, "end"),
		}
		m, err := New(parts, boundary, 64<<10)
		bad := name == "" || strings.ContainsFunc(name+filename, isForbidden) || strings.ContainsFunc(mimeType, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
		if bad != (err != nil) {
			t.Fatalf("bad %v, got %v", bad, err)
		}
		if err != nil || strings.Contains(value, boundary) {
			return
		}
		got := readAll(t, m)
		if m.Size() != int64(len(got)) {
			t.Fatalf("size %d of %d", m.Size(), len(got))
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
