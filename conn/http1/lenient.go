package http1

import "bytes"

// What a lenient reader takes beyond the grammar, as browsers do, and no more: it never
// decides how long a body is.
//
//	a line whose name is no token, is missing, or has no colon   skipped, with its continuation lines
//	a continuation line before the first field                   skipped (RFC 9112 §2.2)
//	blanks before a field's colon                                left out
//	several blanks before the status                             one
//	blanks behind a chunk size                                   left out
//	Transfer-Encoding: identity, alone, and at most one
//	Content-Length                                               no Transfer-Encoding
//
// None of that is for a line that some other reader may take for a framing field: its name,
// all that is no token character or a dash taken out, is one of framingNames, or one of its
// words is a length. Nor for NUL and CR, wherever they stand, nor for a control character in
// what would be a value.

// framingNames are the fields whose misreading changes where a message ends, or what follows it.
var framingNames = [...]string{"Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade"}

// lengthNames are those of them that say how long a body is.
var lengthNames = framingNames[:2]

// lenientField reads the field line buf[from:to] that parseField has refused with err. skip
// tells that it is to be left out; without that and an error, blanks stood before the colon.
func lenientField(buf []byte, from, to int, err error) (s span, skip bool, _ error) {
	line := buf[from:to]
	if err == errValue || !harmless(line) {
		return span{}, false, err
	}
	colon := bytes.IndexByte(line, ':')
	_, end := trimOWS(line, 0, max(colon, 0))
	if end == 0 || tokenEnd(line[:end], 0) != end {
		return span{}, true, nil
	}
	value, last := trimOWS(line, colon+1, len(line))
	at := uint32(from)
	return span{at, at + uint32(end), at + uint32(value), at + uint32(last)}, false, nil
}

// harmless tells whether a line that is no field can be none to anybody.
func harmless(line []byte) bool {
	named := bytes.TrimLeft(line, ": \t")
	name, value, _ := bytes.Cut(named, []byte{':'})
	if len(named) < len(line) && !onlyValue(name) { // it is the value of no name
		return false
	}
	return bytes.IndexByte(name, 0) < 0 && bytes.IndexByte(name, '\r') < 0 && onlyValue(value) && !framesBody(name)
}

// framesBody tells whether a damaged name may be that of a framing field.
func framesBody(name []byte) bool {
	for _, s := range framingNames {
		if foldDamaged(name, s) {
			return true
		}
	}
	for len(name) > 0 {
		end := tokenEnd(name, 0)
		for _, s := range lengthNames {
			if fold(name[:end], s) {
				return true
			}
		}
		name = name[min(end+1, len(name)):]
	}
	return false
}

// foldDamaged is fold over the token characters of name alone, and without dashes.
func foldDamaged(name []byte, s string) bool {
	i := 0
	for _, c := range name {
		if c == '-' || class[c]&isToken == 0 {
			continue
		}
		if i < len(s) && s[i] == '-' {
			i++
		}
		if i == len(s) || c|0x20 != s[i]|0x20 {
			return false
		}
		i++
	}
	return i == len(s)
}
