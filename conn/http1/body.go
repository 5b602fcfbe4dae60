package http1

import "math"

// Framing is how a body ends.
type Framing uint8

const (
	FramingNone       Framing = iota // there is no body
	FramingLength                    // after Content-Length bytes
	FramingChunked                   // with the last chunk
	FramingUntilClose                // when the peer closes the connection
)

func (f Framing) String() string {
	switch f {
	case FramingNone:
		return "none"
	case FramingLength:
		return "length"
	case FramingChunked:
		return "chunked"
	case FramingUntilClose:
		return "until-close"
	}
	return "unknown"
}

// Body frames one answer's body. The zero value is a finished body. [Body.Start] makes it that of an
// answer, [Body.Next] takes what was read until [Body.Done].
type Body struct {
	length  int64 // the Content-Length
	left    int64 // payload that comes next: the rest of the body or of the chunk
	err     error // what went wrong, when state is failed
	state   state
	framing Framing
	digits  uint8 // of the chunk size being read
	lenient bool
	ext     int // bytes of extensions in the size line being read
	excess  int // bytes of extensions not yet paid for by payload

	trail  []byte // the size line being read, as far as an error shows it; then the trailer section as it came
	line   int    // where its line begins that is not yet read
	spans  []span // its fields
	skipAt int    // len(spans)+1 when a line was last skipped
	secret func(name string) bool
}

// Start decides how the body ends of the final answer to a request with that method (RFC 9112 §6.3). An
// *Error means that this is in doubt. Whatever b was in before is forgotten; trailers from before are
// gone. h must be whole, head its bytes, and lim what it was parsed with.
func (b *Body) Start(method string, h *Head, head []byte, lim Limits) error {
	if b.framing == FramingChunked { // else the rest of it is as it was: cold, and empty
		*b = Body{trail: b.trail[:0], spans: b.spans[:0]}
	} else {
		b.length, b.left, b.err, b.state = 0, 0, nil, 0
	}
	b.framing = 0
	if bodyless(method, h.Status()) {
		return nil
	}
	framing, err := h.framing(h.minor, lim.Lenient)
	if err != nil {
		return b.fail(quoted(err, h.framingFields(head), public))
	}
	b.framing = framing
	switch framing {
	case FramingLength:
		b.length = h.length
		if b.left = h.length; b.left > 0 {
			b.state = inLength
		}
	case FramingChunked:
		b.state, b.lenient, b.secret = sizeFirst, lim.Lenient, lim.Secret
	case FramingUntilClose:
		b.state = inUntilClose
	}
	return nil
}

// public is for fields that hold no secrets.
func public(string) bool { return false }

// framingFields are the fields that say how the body ends, in one line.
func (h *Head) framingFields(head []byte) (line []byte) {
	for i := range int(h.count) {
		name, value := h.place(i).in(head)
		if k := kindOf(name); k != contentLength && k != transferEncoding {
			continue
		}
		if len(line) > 0 {
			line = append(line, "; "...)
		}
		line = append(append(append(line, name...), ": "...), value...)
	}
	return line
}

// bodyless are rules 1 and 2 of RFC 9112 §6.3: answers without a body, whatever their fields say.
func bodyless(method string, status int) bool {
	return status < 200 || status == 204 || status == 304 ||
		method == "HEAD" || method == "CONNECT" && status < 300
}

// Framing is how the body ends. It stays after the end.
func (b *Body) Framing() Framing { return b.framing }

// Length is the Content-Length if Framing is FramingLength, else -1.
func (b *Body) Length() int64 {
	if b.framing != FramingLength {
		return -1
	}
	return b.length
}

// Done reports whether the whole body has come. For FramingUntilClose that takes [Body.End].
func (b *Body) Done() bool { return b.state == done }

// Next takes n bytes from the start of in. data is the payload among them: a part of in, and empty if
// there were only framing bytes. Bytes behind the body's end are never taken; n counts beside an error
// too.
//
// The error is nil if there is data or the body is done, ErrNeedMore if in is used up before that, an
// *Error if the framing is broken; that one comes after the data before it, and then on every call.
func (b *Body) Next(in []byte) (data []byte, n int, err error) {
	if b.state >= sizeFirst {
		if n, err = b.frame(in); err != nil {
			return nil, n, err
		}
	}
	switch b.state {
	case done:
		return nil, n, nil
	case failed:
		return nil, n, b.err
	}
	take := int(min(b.Want(), int64(len(in)-n)))
	if take == 0 {
		return nil, n, ErrNeedMore
	}
	data = in[n : n+take : n+take]
	b.Took(take)
	n += take
	if b.state >= sizeFirst {
		// The framing behind the data may be all that is missing: tell the end with the last of it.
		// A fault found here is kept for the next call.
		m, _ := b.frame(in[n:])
		n += m
	}
	return data, n, nil
}

// Want is how many bytes of payload come next without framing between them: the rest of a body with a
// length or of a chunk, math.MaxInt64 until close, and 0 if framing comes next or nothing more does.
func (b *Body) Want() int64 {
	switch b.state {
	case inLength, inChunk:
		return b.left
	case inUntilClose:
		return math.MaxInt64
	}
	return 0
}

// Took says that n of the bytes that Want promised were read past Next, straight to where they are
// wanted. It panics if they were not promised.
func (b *Body) Took(n int) {
	if n < 0 || int64(n) > b.Want() {
		panic("http1: took what was not wanted")
	}
	switch b.state {
	case inLength:
		if b.left -= int64(n); b.left == 0 {
			b.state = done
		}
	case inChunk:
		if b.left -= int64(n); b.left == 0 {
			b.state = dataCR
		}
	}
}

// End says that the peer closed the connection. It returns nil if that ends the body or the body had
// ended before, and ErrTruncated if some of it is missing (RFC 9112 §8).
func (b *Body) End() error {
	switch b.state {
	case done:
		return nil
	case inUntilClose:
		b.state = done
		return nil
	}
	return ErrTruncated
}

func (b *Body) fail(err error) error {
	b.state, b.err = failed, err
	return err
}
