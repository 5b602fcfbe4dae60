package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/seed53b03582/troupe/actors"
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
//
// A body that is an io.Closer is closed by the call, however that ends: once, behind
// the last try and before the answer is returned or streamed, at a redirect that takes
// the body away, or at once where the call is refused, a nil context and an option
// beside it included. Between two tries it is not closed. A Close that is called while a
// Read blocks should end that Read: what stays in a Read for ever is all that the end of
// a session can't end, and the error of Session.Close then tells where the call was made.
// Close runs on a goroutine of its own; the call waits up to 50 ms for it, and ignores
// its error. A body given to several calls is closed by each. One that is to stay open
// goes without its Close: struct{ io.ReadSeeker }{file}, or, for a File of known size,
// io.NewSectionReader(file, 0, file.Size()).
func Body(body io.Reader) Option { return bodyOption{body} }

type bodyOption struct{ body io.Reader }

func (o bodyOption) apply(r *request) {
	if o.body != nil && o.body != http.NoBody {
		r.given |= optBody
		r.body = o.body
		r.owns(o.body)
	}
}

// owns notes what the call closes at its end, if it can be closed.
func (r *request) owns(reader any) {
	if c, ok := reader.(io.Closer); ok && c != (*DiskFile)(nil) {
		r.closers = append(r.closers, c)
	}
}

// closeBody closes what the call was given to read, each reader once, also where it was
// given twice. Nothing of it is read after that.
func (r *request) closeBody() {
	if len(r.closers) == 0 {
		return
	}
	var distinct []io.Closer
	for _, c := range r.closers {
		is := func(other any) bool { return other != nil && reflect.ValueOf(other).Comparable() && other == any(c) }
		if !is(r.uploaded) && !slices.ContainsFunc(distinct, func(o io.Closer) bool { return is(o) }) {
			distinct = append(distinct, c)
		}
	}
	r.closers = emptied(r.closers)
	r.session.sched.CloseReaders(distinct)
}

// payload is a request's body.
type payload struct {
	present     bool
	contentType string // the default
	actors.Body
	reopen  func() (io.Reader, error) // gives Reader from its start again; nil: it can't be
	claimed *DiskFile                 // whose file it is, to be given back after the call
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
	case r.has(optMultipart):
		return guard("Multipart", r.loadMultipart)
	}
	return nil
}

// replayable tells whether the body can be sent from its start again.
func (r *request) replayable() bool {
	return r.Reader == nil || r.reopen != nil || r.tries > 0 && r.call.Unread()
}

// rewind sets the body to its start again, once nobody reads it any more.
func (r *request) rewind(ctx context.Context) error {
	if r.File != nil {
		_, err := r.File.Seek(0, io.SeekStart)
		return err
	}
	if r.Reader == nil || r.call.Unread() {
		return nil // a body that a redirect took away may block for ever
	}
	if err := r.session.sched.AwaitReader(ctx, r.call); err != nil {
		return err
	}
	return r.reopened()
}

// reopened sets the Reader to its start. A panic in there is no *InputError: something
// was sent before.
func (r *request) reopened() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a method of the body panicked as it was to be sent again: %w", panicCause(v))
		}
	}()
	r.Reader, err = r.reopen()
	return err
}

// guard turns a panic of the user's code, while nothing was sent yet, into an error.
func guard(field string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &InputError{Field: field, Reason: "one of its methods panicked", Err: panicCause(v), Fix: "correct its type"}
		}
	}()
	return f()
}

func panicCause(v any) error {
	if cause, ok := v.(error); ok {
		return cause
	}
	return plainError(fmt.Sprint(v))
}

func (r *request) setBytes(b []byte) { r.present, r.Bytes = true, b }

// setReader makes body the payload. reopen, where it can be read again, gives it from
// its start.
func (r *request) setReader(body io.Reader, size int64, reopen func() (io.Reader, error)) {
	r.present, r.Size = true, size
	if size != 0 {
		r.Reader, r.reopen = body, reopen
	}
}

// setSection makes n bytes of src from offset at the payload. They are read by
// position, so any number of calls may do so.
func (r *request) setSection(src io.ReaderAt, at, n int64) {
	section := func() (io.Reader, error) { return io.NewSectionReader(src, at, n), nil }
	body, _ := section()
	r.setReader(body, n, section)
}

// seekable tells how to go back to where a reader of the user's stands now.
func seekable(body io.Reader) func() (io.Reader, error) {
	s, ok := body.(io.Seeker)
	if !ok {
		return nil
	}
	start, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil // a pipe in the guise of a file
	}
	return func() (io.Reader, error) {
		_, err := s.Seek(start, io.SeekStart)
		return body, err
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
		r.setReader(r.body, int64(n), seekable(r.body))
	case File:
		return r.loadFile("Body", b)
	default:
		r.setReader(b, -1, seekable(b))
	}
	return nil
}

// loadMemory takes n bytes from offset at of what is in memory already.
func (r *request) loadMemory(src io.ReaderAt, at int64, n int) error {
	if n > smallBody {
		r.setSection(src, at, int64(n))
		r.Quick = true
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
