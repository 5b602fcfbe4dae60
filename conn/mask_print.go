package conn

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// printer makes a text safe for a log: its lines end with LF, and what is not printable is
// escaped as \xNN. The zero value is ready.
type printer struct {
	exact bool // nothing is changed
	cr    bool // one is held back
	part  [utf8.UTFMax]byte
	n     int // bytes of an unfinished character in part
}

func (p *printer) put(dst []byte, b byte) []byte {
	if p.exact {
		return append(dst, b)
	}
	if p.cr {
		p.cr = false
		if b != '\n' {
			dst = append(dst, `\x0d`...)
		}
	}
	switch {
	case p.n == 0 && b == '\r':
		p.cr = true
	case p.n == 0 && (b >= ' ' && b < 0x7f || b == '\n' || b == '\t'):
		return append(dst, b)
	default:
		p.part[p.n] = b
		p.n++
		return p.characters(dst, false)
	}
	return dst
}

// characters prints what is whole of part; all: the rest too.
func (p *printer) characters(dst []byte, all bool) []byte {
	for p.n > 0 && (all || utf8.FullRune(p.part[:p.n])) {
		r, size := utf8.DecodeRune(p.part[:p.n])
		if r == '\n' || r == '\t' || unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			dst = append(dst, p.part[:size]...)
		} else if r == '\r' && p.n == 1 && !all {
			p.n, p.cr = 0, true
			return dst
		} else {
			for _, b := range p.part[:size] {
				dst = fmt.Appendf(dst, `\x%02x`, b)
			}
		}
		p.n = copy(p.part[:], p.part[size:p.n])
	}
	return dst
}

// end prints what is held back.
func (p *printer) end(dst []byte) []byte {
	if p.cr {
		p.cr = false
		dst = append(dst, `\x0d`...)
	}
	return p.characters(dst, true)
}
