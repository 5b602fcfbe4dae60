package api

import (
	"slices"

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

// Stream hands the answer's body to fn in pieces of exactly size bytes; the last
// one may be shorter. size <= 0 means 512. fn runs on the caller's goroutine, and
// a chunk is valid until it returns. Content is the last chunk afterwards.
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

// run reads the body of an answer whose head has come and hands it over. Whatever
// ends it before the body's end, a panic and runtime.Goexit included, gives the
// connection up. a.Buf holds the latest chunk behind the head.
func (o *stream) run(sched *actors.Scheduler, call *actors.Call, a *actors.Answer, to *location) error {
	whole := false
	defer func() {
		if !whole {
			sched.Abandon(call)
		}
	}()
	for last := 0; ; {
		chunk, done, err := o.next(sched, call, a)
		if err != nil {
			return explain(err, to)
		}
		if len(chunk) == 0 { // the body ended with the chunk before, which is still there
			a.Buf = a.Buf[:a.BodyAt+last]
			whole = true
			return nil
		}
		if err := o.fn(chunk); err != nil || done {
			whole = err == nil
			return err
		}
		last = len(chunk)
	}
}

// next reads one chunk. It is short only at the body's end.
func (o *stream) next(sched *actors.Scheduler, call *actors.Call, a *actors.Answer) (chunk []byte, done bool, err error) {
	buf := a.Buf[:a.BodyAt]
	for end := a.BodyAt; !done && err == nil && len(buf)-end < o.size; {
		missing := o.size - (len(buf) - end)
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, min(missing, max(len(buf), firstChunk))) // doubles
		}
		room := buf[len(buf):cap(buf)]
		var n int
		n, done, err = sched.Read(call, room[:min(missing, len(room))])
		buf = buf[:len(buf)+n]
	}
	a.Buf = buf
	return buf[a.BodyAt:], done, err
}
