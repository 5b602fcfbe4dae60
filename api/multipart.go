package api

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/textproto"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/http1"
)

// Multipart is a form of fields and files in the order given, with Content-Type
// multipart/form-data (RFC 7578); several Multipart options make one form. The
// files are read as they are sent, never whole into memory, and closed as a Body is. Content-Length is
// announced where the length of every part is known; otherwise the body is sent in
// chunks.
//
// No parts at all make an empty form, sent as browsers do, which some servers do
// not read: RFC 2046 §5.1.1 wants one part at least. A part that can't be sent is
// an *InputError. The option may be used by several calls, also at once, where the
// parts' files may; one that can be closed is closed by each.
func Multipart(parts ...Part) Option { return multipartOption(parts) }

// Part is one part of a Multipart body, made by Field, FilePart or ReaderPart.
//
// Names and filenames are sent as browsers do (WHATWG HTML, multipart/form-data
// encoding algorithm): in UTF-8, with %22 for a quote, %0D and %0A for a line's end.
// A backslash is doubled, which that algorithm leaves out, as else one at the end
// would hide the closing quote. An empty name and other control characters are an
// *InputError.
type Part struct {
	name     string
	filename string
	mimeType string
	headers  []field

	// The content: of a Field, a FilePart, a ReaderPart.
	value  string
	file   File
	reader io.Reader
	lacks  string // what was nil
}

// Field is a form's field. Its value is sent as it is, line ends too.
func Field(name, value string) Part { return Part{name: name, value: value} }

// FilePart is a file of a form: exactly f.Size bytes, from its start, by the rules
// of File, and closed as a Body is. The Content-Type follows from the filename's extension
// (mime.TypeByExtension, which knows what the machine knows), else it is
// application/octet-stream. With an empty filename the part is a field without a
// Content-Type whose value is f's content.
func FilePart(name, filename string, f File) Part {
	p := Part{name: name, filename: filename, mimeType: typeOf(filename), file: f}
	if f == nil || f == (*DiskFile)(nil) {
		p.lacks = "file"
	}
	return p
}

// ReaderPart is FilePart for a reader, by the rules of Body: what has a Len is sent
// from where it stands, a File from its start, both with a known length. Any other is
// read until io.EOF, and the whole body goes out in chunks. What can be closed is
// closed as a Body is.
func ReaderPart(name, filename string, r io.Reader) Part {
	p := Part{name: name, filename: filename, mimeType: typeOf(filename), reader: r}
	if r == nil {
		p.lacks = "reader"
	}
	return p
}

func typeOf(filename string) string {
	if filename == "" {
		return ""
	}
	return cmp.Or(mime.TypeByExtension(path.Ext(filename)), "application/octet-stream")
}

// MIMEType is the part with another Content-Type. An empty one changes nothing.
func (p Part) MIMEType(value string) Part {
	p.mimeType = cmp.Or(value, p.mimeType)
	return p
}

// Header is the part with one more header. Content-Type is what MIMEType sets. A
// Content-Disposition, a name that is no token and a control character in the value
// are an *InputError of the call.
func (p Part) Header(name, value string) Part {
	if strings.EqualFold(name, "Content-Type") {
		return p.MIMEType(value)
	}
	p.headers = append(slices.Clip(p.headers), field{name: name, value: value})
	return p
}

type multipartOption []Part

func (o multipartOption) apply(r *request) {
	r.given |= optMultipart
	for i := range o {
		r.owns(o[i].file)
		r.owns(o[i].reader)
	}
	var before []Part
	if r.multipart != nil {
		before = r.multipart.parts
	}
	err := guard("Multipart", func() (err error) {
		r.multipart, err = newMultipart(slices.Concat(before, o), rand.Text())
		return err
	})
	if r.fault == nil {
		r.fault = err
	}
}

// multipartBody is the form of one call: what is in memory, and the files between.
type multipartBody struct {
	parts    []Part
	mimeType string
	length   int64 // -1 where a part's is unknown
	segments []segment
	tail     []byte // what follows the last segment: all, where there is none
}

// segment is a part's content that is read when it is sent, behind the bytes
// before it.
type segment struct {
	before []byte
	name   string
	source
}

// source is where a part's content comes from.
type source struct {
	size  int64                     // -1 means until io.EOF
	open  func() (io.Reader, error) // may give more than size bytes, or fewer
	again bool                      // open can be asked again
}

// newMultipart encodes all but the files. Methods of the user's are called in here.
func newMultipart(parts []Part, boundary string) (*multipartBody, error) {
	m := &multipartBody{parts: parts}
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	if err := w.SetBoundary(boundary); err != nil {
		return nil, err
	}
	m.mimeType = w.FormDataContentType()
	for i := range parts {
		p := &parts[i]
		head, err := p.head()
		if err != nil {
			return nil, err
		}
		inline, err := w.CreatePart(head)
		if err != nil {
			return nil, err
		}
		if p.isField() && buf.Len()+len(p.value) <= smallBody {
			io.WriteString(inline, p.value)
			continue
		}
		src, err := p.source()
		if err != nil {
			return nil, err
		}
		m.segments = append(m.segments, segment{bytes.Clone(buf.Bytes()), p.name, src})
		buf.Reset()
	}
	w.Close() // a bytes.Buffer does not fail
	m.tail = buf.Bytes()
	if len(parts) == 0 { // Close begins with the line end that a part would need
		m.tail = bytes.TrimPrefix(m.tail, []byte("\r\n"))
	}
	return m, m.measure()
}

// measure sums the length up.
func (m *multipartBody) measure() error {
	m.length = int64(len(m.tail))
	for i := range m.segments {
		s := &m.segments[i]
		if s.size < 0 {
			m.length = -1
			return nil
		}
		piece := int64(len(s.before))
		if s.size > math.MaxInt64-m.length-piece {
			return partError(s.name, "its size is more than a length can tell", "send less")
		}
		m.length += piece + s.size
	}
	return nil
}

func (m *multipartBody) contentType() string { return m.mimeType }

// size is the body's length in bytes, or -1 where it is unknown.
func (m *multipartBody) size() int64 { return m.length }

// bytes is the whole body where it is in memory already, else nil.
func (m *multipartBody) bytes() []byte {
	if len(m.segments) > 0 {
		return nil
	}
	return m.tail
}

// replayable tells whether open may be called again.
func (m *multipartBody) replayable() bool {
	return !slices.ContainsFunc(m.segments, func(s segment) bool { return !s.again })
}

// open reads the body from its start. Readers of the same body are independent
// as far as the parts' files allow.
func (m *multipartBody) open() (io.Reader, error) {
	readers := make([]io.Reader, 0, 2*len(m.segments)+1)
	for i := range m.segments {
		s := &m.segments[i]
		// What can't be opened is told before anything is sent. Opened for good it
		// is when its turn comes: two parts may share a file that is set by Seek.
		if _, err := s.open(); err != nil {
			return nil, fileError(s.failed(err))
		}
		readers = append(readers, bytes.NewReader(s.before), &partReader{segment: s})
	}
	return io.MultiReader(append(readers, bytes.NewReader(m.tail))...), nil
}

func (s *segment) failed(err error) error { return fmt.Errorf("the part %.40q: %w", s.name, err) }

// partReader gives exactly the size of its segment.
type partReader struct {
	*segment
	src io.Reader // nil before its turn
	got int64
}

func (r *partReader) Read(p []byte) (n int, err error) {
	if r.got == r.size {
		return 0, io.EOF
	}
	if r.src == nil {
		if r.src, err = r.open(); err != nil {
			return 0, r.failed(err)
		}
	}
	if r.size >= 0 {
		p = p[:min(int64(len(p)), r.size-r.got)]
	}
	n, err = r.src.Read(p)
	r.got += int64(n)
	switch {
	case err == io.EOF && r.got < r.size:
		return n, r.failed(&conn.ShortFileError{Want: r.size, Got: r.got})
	case err != nil && err != io.EOF:
		return n, r.failed(err)
	}
	return n, err
}

func (p *Part) isField() bool { return p.file == nil && p.reader == nil }

// head checks the part and makes its headers.
func (p *Part) head() (textproto.MIMEHeader, error) {
	switch {
	case p.name == "":
		return nil, partError("", "has no name (RFC 7578 §4.2)", "give one")
	case strings.ContainsFunc(p.name+p.filename, isForbidden):
		return nil, partError(p.name, "its name or filename has a control character", "take it out")
	case p.lacks != "":
		return nil, partError(p.name, "its "+p.lacks+" is nil", "give one, or use Field")
	}
	disposition := `form-data; name="` + escapeName.Replace(p.name) + `"`
	if p.filename != "" {
		disposition += `; filename="` + escapeName.Replace(p.filename) + `"`
	}
	head := textproto.MIMEHeader{"Content-Disposition": {disposition}}
	for _, h := range p.headers {
		if strings.EqualFold(h.name, "Content-Disposition") {
			return nil, partError(p.name, "its Content-Disposition can't be given", "leave it out; it is made of name and filename")
		}
		if err := p.add(head, h.name, h.value); err != nil {
			return nil, err
		}
	}
	if p.mimeType != "" {
		return head, p.add(head, "Content-Type", p.mimeType)
	}
	return head, nil
}

// add puts a header in by the rules for those of the request.
func (p *Part) add(head textproto.MIMEHeader, name, value string) error {
	_, err := http1.AppendField(nil, name, value)
	var f *http1.FieldError
	if errors.As(err, &f) {
		return partError(p.name, fmt.Sprintf("the %s of %.80q is not valid: %s", f.What, f.Name, f.Reason), "take out what is not allowed (RFC 9110 §5)")
	}
	head[name] = append(head[name], strings.Trim(value, " \t"))
	return nil
}

// escapeName is for what stands between quotes.
var escapeName = strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22", `\`, `\\`)

// isForbidden are the control characters that have no escape.
func isForbidden(c rune) bool { return c < ' ' && c != '\r' && c != '\n' || c == unicode.MaxASCII }

func partError(name, reason, fix string) error {
	if name != "" {
		reason = fmt.Sprintf("the part %.40q: %s", name, reason)
	} else {
		reason = "a part " + reason
	}
	return &InputError{Field: "Multipart", Reason: reason, Fix: fix}
}

// source finds out how long the content is and how it is read.
func (p *Part) source() (source, error) {
	switch {
	case p.file != nil:
		return p.fileSource(p.file)
	case p.reader != nil:
		return p.readerSource()
	}
	size := int64(len(p.value))
	return sectionSource(strings.NewReader(p.value), 0, size), nil
}

func (p *Part) fileSource(f File) (source, error) {
	size := f.Size()
	if size < 0 {
		return source{}, partError(p.name, fmt.Sprintf("the Size of its file is %d", size), "give one whose size is known, or use ReaderPart with a plain reader")
	}
	return source{size, func() (io.Reader, error) { return fromStart(f, size) }, restarts(f)}, nil
}

// readerSource follows loadReader.
func (p *Part) readerSource() (source, error) {
	once := func() (io.Reader, error) { return p.reader, nil }
	switch r := p.reader.(type) {
	case *bytes.Buffer:
		return sectionSource(bytes.NewReader(r.Bytes()), 0, int64(r.Len())), nil
	case *bytes.Reader:
		return sectionSource(r, r.Size()-int64(r.Len()), int64(r.Len())), nil
	case *strings.Reader:
		return sectionSource(r, r.Size()-int64(r.Len()), int64(r.Len())), nil
	case interface{ Len() int }:
		n := int64(r.Len())
		if n < 0 {
			return source{}, partError(p.name, fmt.Sprintf("the Len of its reader is %d", n), "return what is left to read")
		}
		return source{size: n, open: once}, nil
	case File:
		return p.fileSource(r)
	}
	return source{size: -1, open: once}, nil
}

func sectionSource(r io.ReaderAt, at, size int64) source {
	return source{size, func() (io.Reader, error) { return io.NewSectionReader(r, at, size), nil }, true}
}
