package api

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed53b03582/troupe/api/internal/multipart"
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
	part   multipart.Part // but for the content of what follows
	file   File           // of a FilePart
	reader io.Reader      // of a ReaderPart
}

// Field is a form's field. Its value is sent as it is, line ends too.
func Field(name, value string) Part {
	return Part{part: multipart.Part{Name: name, Value: value}}
}

// FilePart is a file of a form: exactly f.Size bytes, from its start, by the rules
// of File, and closed as a Body is. The Content-Type follows from the filename's extension
// (mime.TypeByExtension, which knows what the machine knows), else it is
// application/octet-stream. With an empty filename the part is a field without a
// Content-Type whose value is f's content.
func FilePart(name, filename string, f File) Part {
	p := Part{part: multipart.Part{Name: name, Filename: filename, MIMEType: multipart.TypeOf(filename)}, file: f}
	if f == nil || f == (*DiskFile)(nil) {
		p.part.Missing = "file"
	}
	return p
}

// ReaderPart is FilePart for a reader, by the rules of Body: what has a Len is sent
// from where it stands, a File from its start, both with a known length. Any other is
// read until io.EOF, and the whole body goes out in chunks. What can be closed is
// closed as a Body is.
func ReaderPart(name, filename string, r io.Reader) Part {
	p := Part{part: multipart.Part{Name: name, Filename: filename, MIMEType: multipart.TypeOf(filename)}, reader: r}
	if r == nil {
		p.part.Missing = "reader"
	}
	return p
}

// MIMEType is the part with another Content-Type. An empty one changes nothing.
func (p Part) MIMEType(value string) Part {
	p.part = p.part.WithType(value)
	return p
}

// Header is the part with one more header. Content-Type is what MIMEType sets. A
// Content-Disposition, a name that is no token and a control character in the value
// are an *InputError of the call.
func (p Part) Header(name, value string) Part {
	p.part = p.part.WithHeader(name, value)
	return p
}

type multipartOption []Part

func (o multipartOption) apply(r *request) {
	r.given |= optMultipart
	for i := range o {
		r.owns(o[i].file)
		r.owns(o[i].reader)
	}
	var parts []multipart.Part
	if r.multipart != nil {
		parts = slices.Clone(r.multipart.Parts())
	}
	for _, p := range o {
		parts = append(parts, p.encoded())
	}
	err := guard("Multipart", func() (err error) {
		r.multipart, err = newMultipart(parts, rand.Text())
		return err
	})
	if r.fault == nil {
		r.fault = err
	}
}

// newMultipart makes the form of one call. Methods of the user's are called in here.
func newMultipart(parts []multipart.Part, boundary string) (*multipart.Body, error) {
	m, err := multipart.New(parts, boundary, smallBody)
	var fault *multipart.Error
	if errors.As(err, &fault) {
		err = &InputError{Field: "Multipart", Reason: fault.Reason, Fix: fault.Fix}
	}
	return m, err
}

// loadMultipart makes the form the payload.
func (r *request) loadMultipart() error {
	m := r.multipart
	r.contentType = m.ContentType()
	if b := m.Bytes(); b != nil {
		r.setBytes(b)
		return nil
	}
	open := func() (io.Reader, error) {
		body, err := m.Open()
		if err != nil {
			return nil, fileError(err)
		}
		return body, nil
	}
	body, err := open()
	if err != nil {
		return err
	}
	reopen := open
	if !m.Replayable() {
		reopen = nil
	}
	r.setReader(body, m.Size(), reopen)
	return nil
}

// encoded is the part with its content.
func (p Part) encoded() multipart.Part {
	part := p.part
	switch {
	case p.file != nil:
		part.Content = func() (multipart.Content, error) { return p.ofFile(p.file) }
	case p.reader != nil:
		part.Content = p.ofReader
	}
	return part
}

func (p Part) ofFile(f File) (multipart.Content, error) {
	size := f.Size()
	if size < 0 {
		return multipart.Content{}, multipart.Fault(p.part.Name, fmt.Sprintf("the Size of its file is %d", size),
			"give one whose size is known, or use ReaderPart with a plain reader")
	}
	return multipart.Content{Size: size, Open: func() (io.Reader, error) { return fromStart(f, size) }, Again: restarts(f)}, nil
}

// ofReader follows loadReader.
func (p Part) ofReader() (multipart.Content, error) {
	once := func() (io.Reader, error) { return p.reader, nil }
	switch r := p.reader.(type) {
	case *bytes.Buffer:
		return multipart.Section(bytes.NewReader(r.Bytes()), 0, int64(r.Len())), nil
	case *bytes.Reader:
		return multipart.Section(r, r.Size()-int64(r.Len()), int64(r.Len())), nil
	case *strings.Reader:
		return multipart.Section(r, r.Size()-int64(r.Len()), int64(r.Len())), nil
	case interface{ Len() int }:
		n := int64(r.Len())
		if n < 0 {
			return multipart.Content{}, multipart.Fault(p.part.Name, fmt.Sprintf("the Len of its reader is %d", n), "return what is left to read")
		}
		return multipart.Content{Size: n, Open: once}, nil
	case File:
		return p.ofFile(r)
	}
	return multipart.Content{Size: -1, Open: once}, nil
}
