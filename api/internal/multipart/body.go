package multipart

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"slices"

	"github.com/seed53b03582/troupe/conn"
)

// Body is the form of one call: what is in memory, and the contents between.
type Body struct {
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
	Content
}

// New encodes all but the contents. Values are copied into memory as long as what stands
// between two contents is at most inline bytes; a longer one counts as a content. A part that
// can't be sent is an *Error; the Content of each part is asked for in here, and its error
// returned as it is.
func New(parts []Part, boundary string, inline int) (*Body, error) {
	m := &Body{parts: parts}
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
		value, err := w.CreatePart(head)
		if err != nil {
			return nil, err
		}
		if p.Content == nil && buf.Len()+len(p.Value) <= inline {
			io.WriteString(value, p.Value)
			continue
		}
		c, err := p.content()
		if err != nil {
			return nil, err
		}
		m.segments = append(m.segments, segment{bytes.Clone(buf.Bytes()), p.Name, c})
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
func (m *Body) measure() error {
	m.length = int64(len(m.tail))
	for i := range m.segments {
		s := &m.segments[i]
		if s.Size < 0 {
			m.length = -1
			return nil
		}
		piece := int64(len(s.before))
		if s.Size > math.MaxInt64-m.length-piece {
			return Fault(s.name, "its size is more than a length can tell", "send less")
		}
		m.length += piece + s.Size
	}
	return nil
}

// Parts are those that the form was made of.
func (m *Body) Parts() []Part { return m.parts }

// ContentType is the form's Content-Type, with its boundary.
func (m *Body) ContentType() string { return m.mimeType }

// Size is the body's length in bytes, or -1 where it is unknown.
func (m *Body) Size() int64 { return m.length }

// Bytes is the whole body where it is in memory already, else nil.
func (m *Body) Bytes() []byte {
	if len(m.segments) > 0 {
		return nil
	}
	return m.tail
}

// Replayable tells whether Open may be called again.
func (m *Body) Replayable() bool {
	return !slices.ContainsFunc(m.segments, func(s segment) bool { return !s.Again })
}

// Open reads the body from its start. Readers of the same body are independent
// as far as the parts' contents allow. An error names the part.
func (m *Body) Open() (io.Reader, error) {
	readers := make([]io.Reader, 0, 2*len(m.segments)+1)
	for i := range m.segments {
		s := &m.segments[i]
		// What can't be opened is told before anything is sent. Opened for good it
		// is when its turn comes: two parts may share a file that is set by Seek.
		if _, err := s.Open(); err != nil {
			return nil, s.failed(err)
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
	if r.got == r.Size {
		return 0, io.EOF
	}
	if r.src == nil {
		if r.src, err = r.Open(); err != nil {
			return 0, r.failed(err)
		}
	}
	if r.Size >= 0 {
		p = p[:min(int64(len(p)), r.Size-r.got)]
	}
	n, err = r.src.Read(p)
	r.got += int64(n)
	switch {
	case err == io.EOF && r.got < r.Size:
		return n, r.failed(&conn.ShortFileError{Want: r.Size, Got: r.got})
	case err != nil && err != io.EOF:
		return n, r.failed(err)
	}
	return n, err
}
