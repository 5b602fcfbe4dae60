package multipart

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/textproto"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/seed53b03582/troupe/conn/http1"
)

// Part is one part of a form.
type Part struct {
	Name     string
	Filename string // empty: the part is a field
	MIMEType string // empty: no Content-Type
	Header   []Field
	Missing  string // what was given as nil in the content's place, to be named in the error

	Value   string                  // the content, where the next is nil
	Content func() (Content, error) // asked once for each New, after the rest was checked
}

// Field is a header of a part.
type Field struct{ Name, Value string }

// Content is where the bytes of a part come from.
type Content struct {
	Size  int64                     // in bytes; -1 means until io.EOF
	Open  func() (io.Reader, error) // may give more than Size bytes, or fewer
	Again bool                      // Open can be asked again
}

// Section is the content of size bytes of r from offset at.
func Section(r io.ReaderAt, at, size int64) Content {
	return Content{size, func() (io.Reader, error) { return io.NewSectionReader(r, at, size), nil }, true}
}

// TypeOf is the Content-Type that follows from a filename's extension; empty where there is
// no filename.
func TypeOf(filename string) string {
	if filename == "" {
		return ""
	}
	return cmp.Or(mime.TypeByExtension(path.Ext(filename)), "application/octet-stream")
}

// WithType is the part with another Content-Type. An empty one changes nothing.
func (p Part) WithType(value string) Part {
	p.MIMEType = cmp.Or(value, p.MIMEType)
	return p
}

// WithHeader is the part with one more header. Content-Type is what WithType sets.
func (p Part) WithHeader(name, value string) Part {
	if strings.EqualFold(name, "Content-Type") {
		return p.WithType(value)
	}
	p.Header = append(slices.Clip(p.Header), Field{name, value})
	return p
}

// head checks the part and makes its headers.
func (p *Part) head() (textproto.MIMEHeader, error) {
	switch {
	case p.Name == "":
		return nil, Fault("", "has no name (RFC 7578 §4.2)", "give one")
	case strings.ContainsFunc(p.Name+p.Filename, isForbidden):
		return nil, Fault(p.Name, "its name or filename has a control character", "take it out")
	case p.Missing != "":
		return nil, Fault(p.Name, "its "+p.Missing+" is nil", "give one, or use Field")
	}
	disposition := `form-data; name="` + escapeName.Replace(p.Name) + `"`
	if p.Filename != "" {
		disposition += `; filename="` + escapeName.Replace(p.Filename) + `"`
	}
	head := textproto.MIMEHeader{"Content-Disposition": {disposition}}
	for _, h := range p.Header {
		if strings.EqualFold(h.Name, "Content-Disposition") {
			return nil, Fault(p.Name, "its Content-Disposition can't be given", "leave it out; it is made of name and filename")
		}
		if err := p.add(head, h.Name, h.Value); err != nil {
			return nil, err
		}
	}
	if p.MIMEType != "" {
		return head, p.add(head, "Content-Type", p.MIMEType)
	}
	return head, nil
}

// add puts a header in by the rules for those of the request.
func (p *Part) add(head textproto.MIMEHeader, name, value string) error {
	_, err := http1.AppendField(nil, name, value)
	var f *http1.FieldError
	if errors.As(err, &f) {
		return Fault(p.Name, fmt.Sprintf("the %s of %.80q is not valid: %s", f.What, f.Name, f.Reason), "take out what is not allowed (RFC 9110 §5)")
	}
	head[name] = append(head[name], strings.Trim(value, " \t"))
	return nil
}

// content finds out how long the part's content is and how it is read.
func (p *Part) content() (Content, error) {
	if p.Content != nil {
		return p.Content()
	}
	return Section(strings.NewReader(p.Value), 0, int64(len(p.Value))), nil
}

// escapeName is for what stands between quotes.
var escapeName = strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22", `\`, `\\`)

// isForbidden are the control characters that have no escape.
func isForbidden(c rune) bool { return c < ' ' && c != '\r' && c != '\n' || c == unicode.MaxASCII }

// Error is a part that can't be sent. Its texts show no header's value.
type Error struct {
	Reason string // why, with the part's name
	Fix    string // what to do instead
}

// Error gives the reason and the fix.
func (e *Error) Error() string { return e.Reason + "; " + e.Fix }

// Fault is an *Error over the part of a name; an empty name is that of a part without one.
func Fault(name, reason, fix string) error {
	if name != "" {
		reason = fmt.Sprintf("the part %.40q: %s", name, reason)
	} else {
		reason = "a part " + reason
	}
	return &Error{Reason: reason, Fix: fix}
}
