package http1

import (
	"bytes"
	"slices"
)

const (
	// Trailers are checksums, signatures and timings: a few lines. A quarter of a head's default is room
	// enough, and bounds what a Body buffers by itself.
	maxTrailerBytes = 64 << 10
	maxTrailers     = DefaultFields / 4
)

// Trailers is the number of trailer fields, known when the body is done. They are apart from the
// header fields, and nothing here acts on them (RFC 9110 §6.5.1).
func (b *Body) Trailers() int {
	if b.state != done {
		return 0
	}
	return len(b.spans)
}

// Trailer is the i-th trailer field. Both slices are good until the next Start.
func (b *Body) Trailer(i int) (name, value []byte) {
	if uint(i) >= uint(b.Trailers()) {
		panic("http1: no such trailer")
	}
	return b.spans[i].in(b.trail)
}

// takeTrailer keeps the bytes of a trailer line and reads the line when it is whole.
func (b *Body) takeTrailer(in []byte) (n int, err error) {
	i := bytes.IndexByte(in, '\n')
	n = i + 1
	if i < 0 {
		n = len(in)
	}
	if len(b.trail)+n > maxTrailerBytes {
		return 0, errTrailLarge
	}
	b.trail = append(b.trail, in[:n]...)
	if i < 0 {
		return n, nil
	}
	return n, b.parseTrailer()
}

// parseTrailer reads the line at the end of the kept bytes.
func (b *Body) parseTrailer() error {
	from, to := b.line, len(b.trail)-1
	if to == from || b.trail[to-1] != '\r' {
		return errTrailLine
	}
	to--
	b.line = len(b.trail)
	b.state = trailerStart
	if isOWS(b.trail[from]) {
		return b.continueTrailer(from, to)
	}
	if len(b.spans) >= maxTrailers {
		return errTrailLarge
	}
	s, err := parseField(b.trail, from, to)
	if err != nil && b.lenient {
		var skip bool
		if s, skip, err = lenientField(b.trail, from, to, err); skip {
			b.skipAt = len(b.spans) + 1
			return nil
		}
	}
	if err != nil {
		return quoted(err, b.trail[from:to], b.secret)
	}
	b.spans = append(b.spans, s)
	return nil
}

// continueTrailer reads a line that continues the one before.
func (b *Body) continueTrailer(from, to int) error {
	line := b.trail[from:to]
	if len(b.spans) > 0 && b.skipAt != len(b.spans)+1 {
		s := &b.spans[len(b.spans)-1]
		if err := s.unfold(b.trail, from, to); err != nil {
			return quotedFold(err, b.trail[s.name:s.colon], line, b.secret)
		}
		return nil
	}
	if !b.lenient || !harmless(line) {
		return quoted(errFirstFold, line, b.secret)
	}
	b.skipAt = len(b.spans) + 1
	return nil
}

// dropMisplaced leaves out the trailers that would frame, route or decode the message (RFC 9110
// §6.5.1), so that a caller who merges trailers into headers never changes what the answer was.
func (b *Body) dropMisplaced() {
	if len(b.spans) == 0 {
		return
	}
	b.spans = slices.DeleteFunc(b.spans, func(s span) bool {
		name, _ := s.in(b.trail)
		return misplaced(name)
	})
}

func misplaced(name []byte) bool {
	for _, s := range [...]string{
		"Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Host",
		"Content-Encoding", "Content-Type", "Content-Range",
	} {
		if fold(name, s) {
			return true
		}
	}
	return false
}
