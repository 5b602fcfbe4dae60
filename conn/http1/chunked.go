package http1

import (
	"bytes"
	"math"
)

// state is where in a body its reader stands. The chunked states are a machine that reads framing byte
// by byte, so that input may be cut anywhere, and payload in bulk. Only what the table names is taken;
// every other byte makes the body failed, which it stays.
//
//	state         byte           next           effect
//	sizeFirst     hex digit      size           begin a size
//	size          hex digit      size           size*16 + digit: 16 digits and 2^63-1 at most
//	              SP HTAB        sizePad        counts as extension
//	              ;              ext            counts as extension
//	              CR             sizeLF
//	sizePad       SP HTAB        sizePad        counts as extension
//	              ;              ext            counts as extension
//	              CR             sizeLF         only where lenient
//	ext           not a control  ext            counts as extension
//	              CR             sizeLF
//	sizeLF        LF             inChunk        size > 0
//	                             trailerStart   size = 0
//	inChunk       payload        dataCR         when all of the chunk is taken (Took)
//	dataCR        CR             dataLF
//	dataLF        LF             sizeFirst
//	trailerStart  CR             endLF
//	              others         trailerLine    without taking the byte
//	trailerLine   up to LF       trailerStart   keep the line; parse it when it is whole
//	endLF         LF             done           drop the trailers that have no place there
//
// Without chunks: inLength and inUntilClose become done by Took and by End.
type state uint8

const (
	done state = iota
	failed
	inLength
	inUntilClose
	inChunk
	sizeFirst // from here on framing comes next
	size
	sizePad
	ext
	sizeLF
	dataCR
	dataLF
	trailerStart
	trailerLine
	endLF
)

const (
	// A size line's extension is bounded like a header line of common servers. None is in use that is
	// longer than a signature of some hundred bytes.
	maxExtLine = 4 << 10
	// Extensions cost us work and give the caller nothing. Each byte of payload pays for one of them, so
	// that chunks which are each signed may go on for ever; beyond that a body may have these 16 KiB
	// (what net/http allows), else a peer could keep a caller busy with a body that never grows.
	maxExcess = 16 << 10
	// 16 digits are what 64 bits take; more could only be leading zeros, and endless ones at that.
	maxSizeDigits = 16
)

// frame takes framing bytes until payload comes next, the body is done, or in is used up.
func (b *Body) frame(in []byte) (n int, err error) {
	for n < len(in) && b.state >= sizeFirst {
		took := b.skip(in[n:])
		if took == 0 {
			if b.state == trailerLine {
				took, err = b.takeTrailer(in[n:])
			} else {
				took, err = b.step(in[n])
			}
			if err != nil {
				return n, b.fail(quoted(err, b.wrong(in[n:]), b.secret))
			}
		}
		n += took
	}
	return n, nil
}

// wrong is what a fault was found in, of which in is the rest: a size line, as far as it is there, what
// stands behind a chunk's data, or a trailer line.
func (b *Body) wrong(in []byte) []byte {
	if i := bytes.IndexByte(in, '\n'); i >= 0 {
		in = in[:i+1]
	}
	switch b.state {
	case dataCR, dataLF:
		return in[:min(len(in), len("\r\n"))] // the rest is somebody's data
	case trailerLine:
		return b.trail[b.line:]
	case trailerStart, endLF:
		return in
	case sizeFirst:
		b.trail = b.trail[:0]
	}
	return append(b.trail, bytes.TrimSuffix(in, crlf)...)
}

var crlf = []byte("\r\n")

// keep keeps a byte of a size line for an error to show.
func (b *Body) keep(c byte) {
	if len(b.trail) < maxFound {
		b.trail = append(b.trail, c)
	}
}

// skip takes at once what nearly every chunk has and takes nothing else: CRLF behind data, and a size
// line without extension that is all there. It halves the time of small chunks, and goes where step
// would go: the tests feed both ways and compare.
func (b *Body) skip(in []byte) int {
	switch b.state {
	case dataCR:
		if len(in) >= 2 && in[0] == '\r' && in[1] == '\n' {
			b.state = sizeFirst
			return 2
		}
	case sizeFirst:
		n := int64(0)
		for i, c := range in[:min(len(in), maxSizeDigits)] { // 15 digits and CR: can't overflow
			d := hexDigit(c)
			if d >= 0 {
				n = n<<4 | d
				continue
			}
			if i > 0 && c == '\r' && i+1 < len(in) && in[i+1] == '\n' {
				b.left = n
				b.sizeDone()
				return i + 2
			}
			return 0
		}
	}
	return 0
}

// step takes one framing byte, or none if it only changes state.
func (b *Body) step(c byte) (took int, err error) {
	switch b.state {
	case sizeFirst:
		b.left, b.digits, b.ext, b.trail = 0, 0, 0, b.trail[:0]
		return 1, b.sizeDigit(c)
	case size:
		switch {
		case c == '\r':
			b.state = sizeLF
		case c == ';':
			return 1, b.extByte(c, ext)
		case isOWS(c):
			return 1, b.extByte(c, sizePad)
		default:
			return 1, b.sizeDigit(c)
		}
	case sizePad:
		switch {
		case c == ';':
			return 1, b.extByte(c, ext)
		case isOWS(c):
			return 1, b.extByte(c, sizePad)
		case c == '\r' && b.lenient:
			b.state = sizeLF
		default:
			return 0, errChunkSize
		}
	case ext:
		switch {
		case c == '\r':
			b.state = sizeLF
		case class[c]&isValue != 0:
			return 1, b.extByte(c, ext)
		default:
			return 0, errExt
		}
	case sizeLF:
		if c != '\n' {
			return 0, errChunkLine
		}
		b.sizeDone()
	case dataCR:
		if c != '\r' {
			return 0, errChunkEnd
		}
		b.state = dataLF
	case dataLF:
		if c != '\n' {
			return 0, errChunkEnd
		}
		b.state = sizeFirst
	case trailerStart:
		if c != '\r' {
			b.state = trailerLine
			return 0, nil
		}
		b.state = endLF
	case endLF:
		if c != '\n' {
			return 0, errTrailLine
		}
		b.dropMisplaced()
		b.state = done
	}
	return 1, nil
}

func (b *Body) sizeDigit(c byte) error {
	d := hexDigit(c)
	if d < 0 {
		return errChunkSize
	}
	if b.digits == maxSizeDigits || b.left > math.MaxInt64>>4 {
		return errChunkLarge
	}
	b.left = b.left<<4 | d
	b.digits++
	b.keep(c)
	b.state = size
	return nil
}

func (b *Body) extByte(c byte, next state) error {
	b.ext++
	b.excess++
	if b.ext > maxExtLine || b.excess > maxExcess {
		return errExtLarge
	}
	b.keep(c)
	b.state = next
	return nil
}

func (b *Body) sizeDone() {
	if b.left == 0 {
		b.state, b.trail = trailerStart, b.trail[:0]
		return
	}
	b.excess -= int(min(int64(b.excess), b.left))
	b.state = inChunk
}

func hexDigit(c byte) int64 {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int64(c|0x20-'a') + 10
	}
	return -1
}
