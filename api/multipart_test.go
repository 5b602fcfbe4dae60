package api

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api/internal/multipart"
)

// form builds one with a boundary that is known.
func form(t testing.TB, parts ...Part) *multipart.Body {
	t.Helper()
	var encoded []multipart.Part
	for _, p := range parts {
		encoded = append(encoded, p.encoded())
	}
	m, err := newMultipart(encoded, "B")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func readAll(t testing.TB, m *multipart.Body) string {
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

// What the options make of their arguments; how that is encoded is tested where it is done.
func TestMultipartParts(t *testing.T) {
	const disposition = "--B\r\nContent-Disposition: form-data; "
	hello := strings.NewReader("hello")
	for name, c := range map[string]struct {
		part Part
		want string
	}{
		"field":      {Field("a", "1"), "name=\"a\"\r\n\r\n1"},
		"file":       {FilePart("f", "x.png", hello), "name=\"f\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\nhello"},
		"reader":     {ReaderPart("f", "x", hello), "name=\"f\"; filename=\"x\"\r\nContent-Type: application/octet-stream\r\n\r\nhello"},
		"own type":   {FilePart("f", "x.png", hello).MIMEType("a/b"), "name=\"f\"; filename=\"x.png\"\r\nContent-Type: a/b\r\n\r\nhello"},
		"empty type": {FilePart("f", "x.png", hello).MIMEType(""), "name=\"f\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\nhello"},
		"headers": {Field("f", "1").Header("x-b", " 2\t").Header("X-A", "1").Header("content-type", "a/b"),
			"name=\"f\"\r\nContent-Type: a/b\r\nX-A: 1\r\nx-b: 2\r\n\r\n1"},
	} {
		m := form(t, c.part)
		if got, want := readAll(t, m), disposition+c.want+"\r\n--B--\r\n"; got != want || m.Size() != int64(len(want)) {
			t.Errorf("%s: size %d\ngot  %q\nwant %q", name, m.Size(), got, want)
		}
	}
}

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
	disk, again := onDisk(t, long), onDisk(t, long)
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
		{"one file twice", []Option{Multipart(FilePart("f", "x", again), FilePart("f", "y", again))},
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
