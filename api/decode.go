package api

import (
	"context"
	"errors"
	"io"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/coding"
	"github.com/seed53b03582/troupe/conn"
)

// codingsOf is what an answer's body was encoded with, if that is to be undone: we
// asked for it, and know all of it.
func (r *request) codingsOf(a *actors.Answer) (coding.List, bool) {
	if !r.decodes || a.Get("Content-Encoding") == nil {
		return nil, false // most answers
	}
	return coding.Parse(a.Values("Content-Encoding")...)
}

// decode replaces the body of a whole answer by what it encodes.
func (r *request) decode(ctx context.Context, resp *Response) error {
	a := resp.answer.Load()
	codings, ok := r.codingsOf(a)
	if !ok || r.call.Stream || len(a.Body()) == 0 {
		return nil
	}
	b, err := r.decoded(ctx, a, codings, r.call.MaxBody)
	if err != nil {
		return r.broken(resp, err)
	}
	r.replace(resp, b)
	return nil
}

// decodeStep decodes what was read of a redirect's body. What can't be decoded stays as it
// came: nobody waits for it.
func (r *request) decodeStep(ctx context.Context, resp *Response) {
	a := resp.answer.Load()
	codings, ok := r.codingsOf(a)
	if !ok || len(a.Body()) == 0 {
		return
	}
	b, err := r.decoded(ctx, a, codings, int64(r.stepRoom()))
	switch {
	case err == nil, resp.truncated && errors.Is(err, io.ErrUnexpectedEOF):
	case errors.Is(err, conn.ErrTooLarge):
		resp.truncated = true
	default:
		return
	}
	r.replace(resp, b)
}

// decoded is the head of a with its body decoded, up to limit bytes of that. What could be
// decoded is there also where there is an error.
func (r *request) decoded(ctx context.Context, a *actors.Answer, c coding.List, limit int64) (b *actors.Answer, err error) {
	b = r.session.sched.NewAnswer() // for its memory
	b.Buf, err = r.session.decoders.AppendAll(ctx, append(b.Buf[:0], a.Buf[:a.BodyAt]...), a.Body(), c, limit)
	return b, err
}

// replace gives the answer the memory of b.
func (r *request) replace(resp *Response, b *actors.Answer) {
	a := resp.answer.Load()
	a.Buf, b.Buf = b.Buf, a.Buf
	r.session.sched.FreeAnswer(b)
	resp.setDecoded()
}

// broken is the error of a body that came whole but can't be decoded, or not in time.
func (r *request) broken(resp *Response, err error) error {
	f := failure{URL: r.to.String(), Op: OpRead, Sent: SentAll, RemoteAddr: resp.connection.RemoteAddr(), Err: err, Trace: resp.Trace()}
	e := IOError(f)
	return &e
}

// setDecoded takes out the headers that are true of the encoded body only, also where
// somebody has asked for the headers before.
func (r *Response) setDecoded() {
	r.decoded = true
	delete(r.headers, "Content-Encoding")
	delete(r.headers, "Content-Length")
}

// intake reads the body of a streamed answer, decoded. It belongs to the goroutine
// that reads.
type intake struct {
	r    *request
	resp *Response
	fill bool // a Read waits until it has filled all it was given
	dec  *coding.Reader
	over bool // the whole body came off the connection
}

// intake is where the body of a streamed answer is read.
func (r *request) intake(ctx context.Context, resp *Response, fill bool) *intake {
	s := &r.incoming
	*s = intake{r: r, resp: resp, fill: fill}
	if c, ok := r.codingsOf(resp.answer.Load()); ok && !r.call.Finished() { // HEAD, 204, 304 and an empty body have nothing to decode
		s.dec = r.session.decoders.Reader(ctx, c, (*wire)(s))
		resp.setDecoded()
	}
	return s
}

// Read gives decoded bytes, and io.EOF when the whole answer came in.
func (s *intake) Read(p []byte) (int, error) {
	if s.dec == nil {
		return (*wire)(s).Read(p)
	}
	n, err := s.dec.Read(p)
	if err != nil && err != io.EOF && s.r.lost == nil { // the bytes were whole, but not what they should be
		err = s.r.broken(s.resp, err)
	}
	return n, err
}

// close gives up what was not read.
func (s *intake) close() {
	if s.dec != nil {
		s.dec.Close()
	}
	if !s.over {
		s.r.session.sched.Abandon(s.r.call)
	}
}

// wire is an intake's body as it comes off the connection.
type wire intake

// splice is Read, but that it fills pipe instead of p where that can be. Only for a body
// that is not decoded.
func (w *wire) splice(p []byte, pipe *conn.Pipe) (n int, piped bool, err error) {
	if w.over {
		return 0, false, io.EOF
	}
	n, piped, done, err := w.r.session.sched.Splice(w.r.call, p, pipe)
	if err != nil {
		return n, piped, w.r.explain(err, w.resp.Trace())
	}
	if w.over = done; done && n == 0 {
		err = io.EOF
	}
	return n, piped, err
}

func (w *wire) Read(p []byte) (int, error) {
	if w.over {
		return 0, io.EOF
	}
	n, done, err := w.r.session.sched.Read(w.r.call, p, w.fill && w.dec == nil)
	if err != nil {
		return n, w.r.explain(err, w.resp.Trace())
	}
	if w.over = done; done && n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
