package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// JSON is a body that encoding/json makes of v, with Content-Type
// application/json; JSON(nil) sends null. It is ignored, and not encoded, where
// Data or Form are given too. A v that can't be encoded is an *InputError.
func JSON(v any) Option { return jsonOption{v} }

type jsonOption struct{ v any }

func (o jsonOption) apply(r *request) {
	r.given |= optJSON
	r.json = o.v
}

// Body is a raw body, without a Content-Type of its own. Its length is announced
// where it is known: what Len tells, or else the Size of a File, which is sent
// from its start. Any other reader is sent in chunks until io.EOF (RFC 9112 §7.1).
//
// A *bytes.Reader, *strings.Reader or *bytes.Buffer is sent from where it stands
// and not used up; it must not change during the call. Body(nil) and
// Body(http.NoBody) mean no body. A Read that fails, or panics, is an error of
// the call and closes the connection.
func Body(body io.Reader) Option { return bodyOption{body} }

type bodyOption struct{ body io.Reader }

func (o bodyOption) apply(r *request) {
	if o.body != nil && o.body != http.NoBody {
		r.given |= optBody
		r.body = o.body
	}
}

// payload is a request's body: bytes, file or reader, or none of them where it
// is empty.
type payload struct {
	present     bool
	contentType string // the default
	bytes       []byte
	file        *os.File
	reader      io.Reader
	quick       bool      // reader is memory and never blocks
	size        int64     // of file or reader; -1 means until io.EOF
	claimed     *DiskFile // whose file it is, to be given back after the call
}

// smallBody is up to where a body in memory is copied to go out with the head in
// one write; beyond, the copy costs more than it saves.
const smallBody = 64 << 10

// loadBody makes the payload of whatever option has one. Methods of the user's
// are called in here: their panics become errors while nothing is sent yet.
func (r *request) loadBody() error {
	switch {
	case r.has(optUpload):
		r.contentType = r.mimeType
		return guard("File", func() error { return r.loadFile("File", r.uploaded) })
	case r.has(optData | optForm):
		r.contentType = "application/x-www-form-urlencoded"
		r.buf = appendPairs(r, r.buf[:0], r.data, r.form)
		r.setBytes(r.buf)
	case r.has(optJSON):
		r.contentType = "application/json"
		return guard("JSON", r.loadJSON)
	case r.has(optBody):
		return guard("Body", r.loadReader)
	}
	return nil
}

// guard turns a panic of the user's code into an error.
func guard(field string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			cause, ok := p.(error)
			if !ok {
				cause = plainError(fmt.Sprint(p))
			}
			err = &InputError{Field: field, Reason: "one of its methods panicked", Err: cause, Fix: "correct its type"}
		}
	}()
	return f()
}

func (r *request) setBytes(b []byte) { r.present, r.bytes = true, b }

func (r *request) setReader(body io.Reader, size int64) {
	r.present, r.size = true, size
	if size != 0 {
		r.reader = body
	}
}

func (r *request) loadJSON() error {
	b, err := json.Marshal(r.json)
	if err != nil {
		return &InputError{Field: "JSON", Reason: "the value can't be encoded", Err: err, Fix: "give one that encoding/json can encode"}
	}
	r.setBytes(b)
	return nil
}

// loadReader handles Body.
func (r *request) loadReader() error {
	switch b := r.body.(type) {
	case *bytes.Buffer:
		r.setBytes(b.Bytes())
	case *bytes.Reader:
		return r.loadMemory(b, b.Size()-int64(b.Len()), b.Len())
	case *strings.Reader:
		return r.loadMemory(b, b.Size()-int64(b.Len()), b.Len())
	case interface{ Len() int }:
		n := b.Len()
		if n < 0 {
			return &InputError{Field: "Body", Reason: fmt.Sprintf("its Len is %d", n), Fix: "return what is left to read"}
		}
		r.setReader(r.body, int64(n))
	case File:
		return r.loadFile("Body", b)
	default:
		r.setReader(b, -1)
	}
	return nil
}

// loadMemory takes n bytes from offset at of what is in memory already.
func (r *request) loadMemory(src io.ReaderAt, at int64, n int) error {
	if n > smallBody {
		r.setReader(io.NewSectionReader(src, at, int64(n)), int64(n))
		r.quick = true
		return nil
	}
	if cap(r.buf) < n {
		r.buf = make([]byte, n)
	}
	r.buf = r.buf[:n]
	if got, err := src.ReadAt(r.buf, at); got < n { // the user changes it at this moment
		return &InputError{Field: "Body", Reason: "it changed while it was read", Err: err, Fix: "leave it alone during the call"}
	}
	r.setBytes(r.buf)
	return nil
}
