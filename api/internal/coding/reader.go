package coding

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/seed53b03582/troupe/conn"
)

const (
	// readSize is how much a coding may read ahead of what it decodes, in bytes.
	readSize = 16 << 10

	// decodeStep is how much is decoded, in bytes, before the call's end is looked at
	// again. The libraries decode about a gigabyte a second.
	decodeStep = 64 << 10

	// An outer coding may give the next one hollowSlack bytes, and hollowRatio
	// more for each that comes out: else a few bytes could hide a terabyte of
	// empty gzip members, and one Read would go through all of them. A server that
	// flushes byte by byte stays below ten; a zstd block is at most 128 KiB.
	hollowSlack = 1 << 20
	hollowRatio = 16
)

var (
	errHollow = fmt.Errorf("%w: coded more than once, it holds next to nothing", conn.ErrTooLarge)
	errClosed = errors.New("troupe: the body was closed")
)

// Decoders lends out what decodes a coding: the tables and windows are worth
// keeping. The zero value is ready; it is safe for concurrent use.
type Decoders struct {
	stages [numCodings]sync.Pool

	// Grow gives dst room for need bytes more, better for want. nil means slices.Grow.
	Grow func(dst []byte, need, want int) []byte
	// Halted is why the call of ctx can't go on, nil while it can. nil means the Err of ctx.
	Halted func(ctx context.Context) error
}

// Reader decodes src for as long as ctx goes on: a few bytes may take long to decode. What
// it read ahead is lost to others. An empty src is an empty body and no error, as some
// servers answer so.
func (d *Decoders) Reader(ctx context.Context, c List, src io.Reader) *Reader {
	r := &Reader{pools: d, ctx: ctx, top: src}
	for i, coding := range slices.Backward(c) {
		s, _ := d.stages[coding].Get().(*stage)
		if s == nil {
			s = &stage{coding: coding}
			s.in = bufio.NewReaderSize(&s.src, readSize)
		}
		s.start(r, r.top, i < len(c)-1)
		r.stages[i], r.top = s, s
	}
	return r
}

// AppendAll appends the decoded form of src, a whole body, to dst; the two must
// not overlap. More than limit bytes are conn.ErrTooLarge, with no more than limit
// of them appended; limit <= 0 means no bound. The end of ctx ends it too.
func (d *Decoders) AppendAll(ctx context.Context, dst, src []byte, c List, limit int64) ([]byte, error) {
	if limit <= 0 || limit == math.MaxInt64 {
		limit = math.MaxInt64 - 1
	}
	r := d.Reader(ctx, c, bytes.NewReader(src))
	defer r.Close()

	start := len(dst)
	guess := min(4*len(src), 1<<20) // text shrinks to a third or a fifth; what a body claims of itself is no guide
	for {
		got := int64(len(dst) - start)
		if got > limit {
			return dst[:start+int(limit)], conn.ErrTooLarge
		}
		if len(dst) == cap(dst) || got == 0 {
			dst = d.room(dst, int(min(limit-got+1, max(got, int64(guess), bytes.MinRead)))) // doubles
		}
		room := dst[len(dst):cap(dst)]
		n, err := r.Read(room[:min(int64(len(room)), limit-got+1)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

func (d *Decoders) room(dst []byte, n int) []byte {
	if d.Grow == nil {
		return slices.Grow(dst, n)
	}
	return d.Grow(dst, n, n)
}

// Reader is the decoded form of one body. It is for one goroutine.
type Reader struct {
	pools  *Decoders
	ctx    context.Context    // of the call
	stages [maxCodings]*stage // in the order of codings: the last is decoded first
	top    io.Reader          // the first of them; nil once closed
}

// Read gives what can be decoded of the bytes that have come, and waits only where
// that is nothing. It returns data or an error, never both. io.EOF tells that every
// coding came to its end, and the source too; a body cut short wraps
// io.ErrUnexpectedEOF. An error of the source is returned as it is.
func (r *Reader) Read(p []byte) (int, error) {
	if r.top == nil {
		return 0, errClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.halted(); err != nil { // much may come out of what little has gone in
		return 0, err
	}
	return r.top.Read(p[:min(len(p), decodeStep)])
}

// halted is why the call can't go on; nil: it can.
func (r *Reader) halted() error {
	if f := r.pools.Halted; f != nil {
		return f(r.ctx)
	}
	return r.ctx.Err()
}

// Close hands back what was lent. It does not close the source; it is idempotent.
func (r *Reader) Close() {
	r.top = nil
	for i, s := range r.stages {
		if s != nil {
			s.src = codedSource{} // the pool must keep no connection alive
			r.stages[i] = nil
			r.pools.stages[s.coding].Put(s)
		}
	}
}

// codedSource is what a stage reads. It keeps the error that ended it: the libraries
// take some errors of a source for their own, or for a clean end.
type codedSource struct {
	of    *Reader
	r     io.Reader
	inner bool  // r is a stage
	left  int64 // how much an inner one may still give
	err   error
}

func (s *codedSource) Read(p []byte) (n int, err error) {
	for try := 0; n == 0 && s.err == nil; try++ {
		if s.err = s.of.halted(); s.err != nil { // no byte may come out of all that goes in
			break
		}
		n, s.err = s.r.Read(p)
		if n == 0 && s.err == nil && try == 100 {
			s.err = io.ErrNoProgress
		}
	}
	if n == 0 {
		return 0, s.err
	}
	if s.left -= int64(n); s.inner && s.left < 0 {
		s.err = errHollow
		return 0, s.err
	}
	return n, nil
}
