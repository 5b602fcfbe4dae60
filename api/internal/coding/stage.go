package coding

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// blank is deflate data that holds nothing but two code tables, for an end and a
// distance. klauspost's flate takes a block without codes, which is invalid, to have
// those of the block before: this one's, so that it is never another body's.
const (
	blank     = "\x05\xc0\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x00"
	blankZlib = "\x78\x9c" + blank + "\x00\x00\x00\x01"
	blankGzip = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + blank + "\x00\x00\x00\x00\x00\x00\x00\x00"
)

// maxWindow is what a zstd frame may ask the recipient to remember, in bytes (RFC 9659
// §3). brotli's windows end at 16 MiB, deflate's at 32 KiB.
const maxWindow = 8 << 20

var errTrailing = errors.New("bytes follow the end of the compressed data")

// stage decodes one coding.
type stage struct {
	coding Coding
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

func (s *stage) start(of *Reader, src io.Reader, inner bool) {
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
	case Gzip:
		return s.openGzip()
	case Deflate:
		return s.openDeflate()
	case Brotli:
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
// Coding is (RFC 9110 §8.4.1.2), and bare deflate data, which some servers send.
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
	case s.coding == Gzip:
		next, err := s.in.Peek(2)
		if len(next) == 0 {
			return err
		}
		if next[0] == 0x1f && (len(next) == 1 || next[1] == 0x8b) {
			return noEOF(s.openMember())
		}
	case s.coding != Deflate:
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
