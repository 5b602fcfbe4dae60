package api

import (
	"context"
	"io"
	"strconv"

	"github.com/seed53b03582/troupe/actors"
)

const (
	defaultChunk = 512

	// firstChunk is how much memory a stream takes before bytes have come: the
	// size is the caller's wish and may be far beyond what the answer holds.
	firstChunk = 64 << 10
)

// stream is where the body goes when it is not to be kept.
type stream struct {
	fn   func(chunk []byte) error
	size int // of a chunk, in bytes
}

// Stream hands the answer's body, decoded, to fn in pieces of exactly size bytes; the
// last one may be shorter. size <= 0 means 512. fn runs on the caller's goroutine, and
// a chunk is valid until it returns. Content is the last chunk afterwards. Answers that
// are not the last, as redirects, do not get to fn.
//
// An error of fn ends the call and is returned as it is; the connection is closed
// then, unless little of the body was left. A panic goes on to the caller.
func Stream(fn func(chunk []byte) error, size int) Option { return stream{fn, size} }

func (o stream) apply(r *request) {
	r.given |= optStream
	if o.fn == nil {
		r.refuse("Stream", "has no function", "give one, or leave the option out")
	}
	if o.size <= 0 {
		o.size = defaultChunk
	}
	r.stream = o
}

// streamTo reads the body of an answer whose head has come and hands it over. Whatever
// ends it before the body's end, a panic and runtime.Goexit included, gives the
// connection up. The answer's Buf holds the latest chunk behind the head.
func (r *request) streamTo(ctx context.Context, resp *Response) error {
	src := r.intake(ctx, resp, true)
	defer src.close()
	a := resp.answer.Load()
	likely := r.stream.likely(src, a)
	for last := 0; ; {
		chunk, err := r.stream.next(src, a, likely)
		if err != nil && err != io.EOF {
			return err
		}
		if len(chunk) == 0 { // the body ended with the chunk before, which is still there
			a.Buf = a.Buf[:a.BodyAt+last]
			return nil
		}
		over := err == io.EOF
		if err := r.stream.fn(chunk); err != nil || over {
			return err
		}
		last = len(chunk)
	}
}

// likely is how long the first chunk will be, as far as the answer tells.
func (o *stream) likely(src *intake, a *actors.Answer) int {
	n, err := strconv.Atoi(string(a.Get("Content-Length")))
	if err != nil || src.dec != nil {
		n = firstChunk
	}
	return min(n, o.size)
}

// next reads one chunk. It is short only at the body's end, with io.EOF.
func (o *stream) next(src *intake, a *actors.Answer, likely int) (chunk []byte, err error) {
	sched := src.r.session.sched
	buf := a.Buf[:a.BodyAt]
	for err == nil && len(buf)-a.BodyAt < o.size {
		missing := o.size - (len(buf) - a.BodyAt)
		if len(buf) == cap(buf) {
			buf = sched.Grow(buf, 1, min(missing, max(len(buf), likely, 1))) // doubles
		}
		room := buf[len(buf):cap(buf)]
		var n int
		n, err = src.Read(room[:min(missing, len(room))])
		buf = buf[:len(buf)+n]
		a.Buf = buf // its old memory may serve others by now
	}
	return buf[a.BodyAt:], err
}
