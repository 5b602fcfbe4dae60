package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/conn"
)

// acceptEncoding asks for what can be decoded, where the caller asks for nothing.
const acceptEncoding = "gzip, deflate, br, zstd"

// maxCodings bounds the codings of one body. One is the rule, two come of a
// gateway that compresses what its origin had compressed, three leave room. Each
// further one would only multiply what a few hostile bytes cost.
const maxCodings = 3

const (
	// readSize is how much a coding may read ahead of what it decodes, in bytes.
	readSize = 16 << 10

	// decodeStep is how much is decoded, in bytes, before the call's end is looked at
	// again. The libraries decode about a gigabyte a second.
	decodeStep = 64 << 10

	// maxWindow is what a zstd frame may ask the recipient to remember (RFC 9659
	// §3). brotli's windows end at 16 MiB, deflate's at 32 KiB.
	maxWindow = 8 << 20

	// An outer coding may give the next one hollowSlack bytes, and hollowRatio
	// more for each that comes out: else a few bytes could hide a terabyte of
	// empty gzip members, and one Read would go through all of them. A server that
	// flushes byte by byte stays below ten; a zstd block is at most 128 KiB.
	hollowSlack = 1 << 20
	hollowRatio = 16
)

// blank is deflate data that holds nothing but two code tables, for an end and a
// distance. klauspost's flate takes a block without codes, which is invalid, to have
// those of the block before: this one's, so that it is never another body's.
const (
	blank     = "\x05\xc0\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x00"
	blankZlib = "\x78\x9c" + blank + "\x00\x00\x00\x01"
	blankGzip = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + blank + "\x00\x00\x00\x00\x00\x00\x00\x00"
)

var (
	errHollow        = fmt.Errorf("%w: coded more than once, it holds next to nothing", conn.ErrTooLarge)
	errTrailing      = errors.New("bytes follow the end of the compressed data")
	errDecoderClosed = errors.New("troupe: the body was closed")
)

// coding is a content coding of RFC 9110 §8.4.1 that can be decoded.
type coding uint8

const (
	codingGzip coding = iota
	codingDeflate
	codingBrotli
	codingZstd
	numCodings
)

func (c coding) String() string { return [...]string{"gzip", "deflate", "br", "zstd"}[c] }

// codings are those of a body, in the order in which they were applied: 1 to
// maxCodings.
type codings []coding

// parseCodings reads the values of all Content-Encoding fields, in their order. It
// reports false where there is nothing to decode, and where the body is to be
// handed over as it is: with a coding that is unknown (RFC 9110 §8.4 wants that),
// or with more than maxCodings.
func parseCodings(values ...[]byte) (c codings, ok bool) {
	for _, value := range values {
		for name := range bytes.SplitSeq(value, []byte(",")) {
			name = bytes.Trim(name, " \t")
			if len(name) == 0 || bytes.EqualFold(name, []byte("identity")) {
				continue
			}
			one, known := parseCoding(name)
			if !known || len(c) == maxCodings {
				return nil, false
			}
			c = append(c, one)
		}
	}
	return c, len(c) > 0
}

func parseCoding(name []byte) (c coding, known bool) {
	for c := range numCodings {
		if bytes.EqualFold(name, []byte(c.String())) {
			return c, true
		}
	}
	return codingGzip, bytes.EqualFold(name, []byte("x-gzip")) // RFC 9110 §8.4.1.3
}

// decoders lends out what decodes a coding: the tables and windows are worth
// keeping. The zero value is ready; it is safe for concurrent use.
type decoders struct {
	stages [numCodings]sync.Pool
	grow   func(dst []byte, need, want int) []byte // as conn.Buffers.Grow; nil: slices.Grow
	halted func(context.Context) error             // as Scheduler.Halted; nil: actors.Ended
}

// reader decodes src for as long as ctx goes on: a few bytes may take long to decode. What
// it read ahead is lost to others. An empty src is an empty body and no error, as some
// servers answer so.
func (d *decoders) reader(ctx context.Context, c codings, src io.Reader) *decoder {
	r := &decoder{pools: d, ctx: ctx, top: src}
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

// appendAll appends the decoded form of src, a whole body, to dst; the two must
// not overlap. More than limit bytes are conn.ErrTooLarge, with no more than limit
// of them appended; limit <= 0 means no bound. The end of ctx ends it too.
func (d *decoders) appendAll(ctx context.Context, dst, src []byte, c codings, limit int64) ([]byte, error) {
	if limit <= 0 || limit == math.MaxInt64 {
		limit = math.MaxInt64 - 1
	}
	r := d.reader(ctx, c, bytes.NewReader(src))
	defer r.close()

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

func (d *decoders) room(dst []byte, n int) []byte {
	if d.grow == nil {
		return slices.Grow(dst, n)
	}
	return d.grow(dst, n, n)
}

// decoder is the decoded form of one body. It is for one goroutine.
type decoder struct {
	pools  *decoders
	ctx    context.Context    // of the call
	stages [maxCodings]*stage // in the order of codings: the last is decoded first
	top    io.Reader          // the first of them; nil once closed
}

// Read gives what can be decoded of the bytes that have come, and waits only where
// that is nothing. It returns data or an error, never both. io.EOF tells that every
// coding came to its end, and the source too; a body cut short wraps
// io.ErrUnexpectedEOF. An error of the source is returned as it is.
func (r *decoder) Read(p []byte) (int, error) {
	if r.top == nil {
		return 0, errDecoderClosed
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
func (r *decoder) halted() error {
	if f := r.pools.halted; f != nil {
		return f(r.ctx)
	}
	return actors.Ended(r.ctx)
}

// close hands back what was lent. It does not close the source; it is idempotent.
func (r *decoder) close() {
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
	of    *decoder
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

// stage decodes one coding.
type stage struct {
	coding coding
	src    codedSource
	in     *bufio.Reader // of src
	z      io.Reader     // the one in use; nil until the first byte has come
	err    error         // what ended it
	blank  strings.Reader

	// The libraries' readers, made when first needed. All can be reset, whatever
	// state a body left them in.
	gzip   *gzip.Reader
	zlib   io.Reader
	flate  io.Reader
	brotli *brotli.Reader
	zstd   *zstd.Decoder
}

func (s *stage) start(of *decoder, src io.Reader, inner bool) {
	s.src = codedSource{of: of, r: src, inner: inner, left: hollowSlack}
	s.in.Reset(&s.src)
	s.z, s.err = nil, nil
}

func (s *stage) Read(p []byte) (n int, err error) {
	for n == 0 && s.err == nil {
		n, err = s.decode(p)
		s.err = s.explain(err)
	}
	if n > 0 {
		s.src.left += hollowRatio * int64(n)
		return n, nil
	}
	return 0, s.err
}

func (s *stage) decode(p []byte) (int, error) {
	if s.z == nil {
		if _, err := s.in.Peek(1); err != nil {
			return 0, err
		}
		if err := s.open(); err != nil {
			return 0, noEOF(err)
		}
	}
	n, err := s.z.Read(p)
	if err != io.EOF {
		return n, err
	}
	if n > 0 {
		return n, nil // what follows the end may be long in coming; z says io.EOF again
	}
	return 0, s.finish()
}

// noEOF is for where the data must go on: klauspost's gzip gives a bare io.EOF for
// a header that ends within a name.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// explain says whose error it is.
func (s *stage) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case s.src.err != nil && s.src.err != io.EOF:
		return s.src.err
	case err == io.EOF:
		return io.EOF
	default:
		return fmt.Errorf("the body can't be decoded, its Content-Encoding is %s: %w", s.coding, err)
	}
}

func (s *stage) open() error {
	switch s.coding {
	case codingGzip:
		return s.openGzip()
	case codingDeflate:
		return s.openDeflate()
	case codingBrotli:
		if s.brotli == nil {
			s.brotli = new(brotli.Reader)
		}
		s.z = s.brotli
		return s.brotli.Reset(s.in)
	default:
		return s.openZstd()
	}
}

func (s *stage) openGzip() error {
	if s.gzip == nil {
		s.gzip = new(gzip.Reader)
	}
	s.blank.Reset(blankGzip)
	s.gzip.Reset(&s.blank)
	s.gzip.Read(nil)
	s.z = s.gzip
	return s.openMember()
}

// openMember opens one gzip member alone: so its data is out before another, which
// may be long in coming, is awaited.
func (s *stage) openMember() error {
	err := s.gzip.Reset(s.in)
	s.gzip.Multistream(false)
	return err
}

// openDeflate decides by the first two bytes between the zlib format, which the
// coding is (RFC 9110 §8.4.1.2), and bare deflate data, which some servers send.
// The two can't be confused: a zlib header read as deflate is a stored block with
// a bit set among the padding, and compressors leave those zero.
func (s *stage) openDeflate() (err error) {
	head, err := s.in.Peek(2)
	if err != nil {
		return err
	}
	if head[0]&0x0f == 8 && head[0]>>4 <= 7 && (uint(head[0])<<8|uint(head[1]))%31 == 0 { // RFC 1950 §2.2
		return s.openZlib()
	}
	s.blank.Reset(blank)
	if s.flate == nil {
		s.flate = flate.NewReader(&s.blank)
	} else if err := s.flate.(flate.Resetter).Reset(&s.blank, nil); err != nil {
		return err
	}
	s.flate.Read(nil)
	s.z = s.flate
	return s.flate.(flate.Resetter).Reset(s.in, nil)
}

func (s *stage) openZlib() (err error) {
	s.blank.Reset(blankZlib)
	if s.zlib == nil {
		s.zlib, err = zlib.NewReader(&s.blank)
	} else {
		err = s.zlib.(zlib.Resetter).Reset(&s.blank, nil)
	}
	if err != nil {
		return err
	}
	s.zlib.Read(nil)
	s.z = s.zlib
	return s.zlib.(zlib.Resetter).Reset(s.in, nil)
}

// openZstd: with a concurrency of one, the library starts no goroutines.
func (s *stage) openZstd() (err error) {
	if s.zstd == nil {
		s.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
	}
	s.z = s.zstd
	return s.zstd.Reset(s.in)
}

// finish decides what the bytes behind the end of the compressed data mean. A
// checksum has proved what gzip and zlib gave to be whole: as browsers and Requests
// do, the rest is dropped, but for what begins like another gzip member (RFC 1952
// §2.2), which has to be one. Where nothing has proved it, the rest is an error.
func (s *stage) finish() error {
	switch {
	case s.coding == codingGzip:
		next, err := s.in.Peek(2)
		if len(next) == 0 {
			return err
		}
		if next[0] == 0x1f && (len(next) == 1 || next[1] == 0x8b) {
			return noEOF(s.openMember())
		}
	case s.coding != codingDeflate:
		return io.EOF // these two look behind the end themselves
	case s.z == s.flate:
		if _, err := s.in.Peek(1); err != nil {
			return err
		}
		return errTrailing
	}
	if _, err := io.Copy(io.Discard, s.in); err != nil {
		return err
	}
	return io.EOF
}
