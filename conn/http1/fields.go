package http1

import (
	"bytes"
	"math"
)

// span is the place of one field in its buffer.
type span struct {
	name, colon, value, end uint32 // buf[name:colon] and buf[value:end], whitespace around it left out
}

func (s *span) in(buf []byte) (name, value []byte) {
	// The capacities are cut so that appending to one never runs into its neighbour.
	return buf[s.name:s.colon:s.colon], buf[s.value:s.end:s.end]
}

// parseField reads the field line buf[from:to], its line end left out.
func parseField(buf []byte, from, to int) (span, error) {
	line := buf[from:to]
	i := 0
	for i < len(line) && class[line[i]]&isToken != 0 {
		i++
	}
	if i == len(line) || line[i] != ':' || i == 0 {
		return span{}, nameFault(line, i)
	}
	value, end := trimOWS(line, i+1, len(line))
	if !onlyValue(line[value:end]) {
		return span{}, errValue
	}
	at := uint32(from)
	return span{at, at + uint32(i), at + uint32(value), at + uint32(end)}, nil
}

// nameFault says why the name that ends at line[i] is refused.
func nameFault(line []byte, i int) error {
	switch {
	case bytes.IndexByte(line, ':') < 0:
		return errNoColon
	case line[i] == ':':
		return errNoName
	case isOWS(line[i]):
		return errNameSpace
	}
	return errName
}

// unfold adds the continuation line buf[from:to] to the value of the field before it, and overwrites
// what lies between the two with spaces: whitespace, line end, whitespace (RFC 9112 §5.2).
func (s *span) unfold(buf []byte, from, to int) error {
	from, to = trimOWS(buf, from, to)
	if !onlyValue(buf[from:to]) {
		return errValue
	}
	switch {
	case from == to: // nothing but whitespace: it would be trimmed as the value's end anyway
		return nil
	case s.value == s.end:
		s.value = uint32(from)
	default:
		for i := int(s.end); i < from; i++ {
			buf[i] = ' '
		}
	}
	s.end = uint32(to)
	return nil
}

// facts are what the fields that frame a message said, gathered while they were parsed.
type facts struct {
	length int64  // Content-Length, if flagLength
	digits uint32 // how it was spelled: 5 and 05 are not alike
	flags  factFlags
}

type factFlags uint16

const (
	flagLength      factFlags = 1 << iota // Content-Length came
	flagBadLength                         // one of them is malformed
	flagRepeated                          // it came more than once
	flagLengths                           // they differ
	flagCoding                            // Transfer-Encoding came
	flagChunked                           // with chunked
	flagIdentity                          // with identity
	flagOtherCoding                       // with something else, or with one of them again
	flagClose                             // Connection: close
	flagKeep                              // Connection: keep-alive
)

// kind is which of the framing fields a name is.
type kind uint8

const (
	ordinary kind = iota
	contentLength
	transferEncoding
	connection
)

// framingLengths has a bit for the length of each framing field's name: one look clears most names.
const framingLengths = 1<<len("Connection") | 1<<len("Content-Length") | 1<<len("Transfer-Encoding")

// kindOf compares with the usual spelling first, which takes two or three instructions.
func kindOf(name []byte) kind {
	switch {
	case string(name) == "Content-Length" || fold(name, "Content-Length"):
		return contentLength
	case string(name) == "Connection" || fold(name, "Connection"):
		return connection
	case string(name) == "Transfer-Encoding" || fold(name, "Transfer-Encoding"):
		return transferEncoding
	}
	return ordinary
}

// nameBit is one of 64 bits, the same for all spellings of a name. The factors are such that no name
// common in answers shares its bit with one that is asked for after every answer: TestNameBitsApart.
func nameBit[T string | []byte](name T) uint64 {
	first, last := name[0]|0x20, name[len(name)-1]|0x20
	return 1 << ((uint(len(name)) + 11*uint(first) + uint(last)) % 64)
}

// note takes in one field. A value of several members is handled member by member.
func (f *facts) note(k kind, value []byte) {
	if k == transferEncoding {
		f.flags |= flagCoding // even if the list is empty
	}
	for from := 0; from <= len(value); {
		to := from
		for to < len(value) && value[to] != ',' {
			to++
		}
		start, end := trimOWS(value, from, to)
		switch member := value[start:end]; k {
		case contentLength:
			f.noteLength(member)
		case transferEncoding:
			f.noteCoding(member)
		case connection:
			f.noteConnection(member)
		}
		from = to + 1
	}
}

// noteLength takes digits only. An empty member is malformed: Content-Length is no list by its
// grammar, and RFC 9112 §6.3 forgives nothing but repetition.
func (f *facts) noteLength(digits []byte) {
	n := int64(0)
	for _, c := range digits {
		const most = math.MaxInt64 / 10
		if c < '0' || c > '9' || n > most || n == most && c > '7' {
			f.flags |= flagBadLength
			break
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) == 0 {
		f.flags |= flagBadLength
	}
	if f.flags&flagLength != 0 {
		f.flags |= flagRepeated
		if n != f.length || uint32(len(digits)) != f.digits {
			f.flags |= flagLengths
		}
	}
	f.length, f.digits = n, uint32(len(digits))
	f.flags |= flagLength
}

// noteCoding tells chunked and identity, once each, from others. Empty members are skipped (RFC 9110
// §5.6.1).
func (f *facts) noteCoding(coding []byte) {
	switch {
	case len(coding) == 0:
	case f.flags&flagChunked == 0 && fold(coding, "chunked"):
		f.flags |= flagChunked
	case f.flags&flagIdentity == 0 && fold(coding, "identity"):
		f.flags |= flagIdentity
	default:
		f.flags |= flagOtherCoding
	}
}

func (f *facts) noteConnection(option []byte) {
	switch {
	case fold(option, "close"):
		f.flags |= flagClose
	case string(option) == "keep-alive" || fold(option, "keep-alive"):
		f.flags |= flagKeep
	}
}

// codings are what Transfer-Encoding may have said.
const codings = flagCoding | flagChunked | flagIdentity | flagOtherCoding

// framing decides how a body that is there ends (RFC 9112 §6.3, rules 3 to 8). identity, which is no
// coding and was one until RFC 7230, is left out where lenient.
func (f *facts) framing(minor uint8, lenient bool) (Framing, error) {
	has := f.flags
	if lenient && has&(codings|flagRepeated) == flagCoding|flagIdentity {
		has &^= codings
	}
	switch {
	case has&flagCoding != 0 && minor == 0:
		return FramingNone, errCodingOld
	case has&flagCoding != 0 && has&flagLength != 0:
		return FramingNone, errBoth
	case has&flagCoding != 0 && has&codings != flagCoding|flagChunked:
		return FramingNone, errCoding
	case has&flagCoding != 0:
		return FramingChunked, nil
	case has&flagBadLength != 0:
		return FramingNone, errLength
	case has&flagLengths != 0:
		return FramingNone, errLengths
	case has&flagLength != 0:
		return FramingLength, nil
	}
	return FramingUntilClose, nil
}
