package conn

import "math/bits"

// symbol is one character of a text as a reader of its syntax sees it: "&" may come as
// itself, as %26 within a query, or as \u0026 within JSON.
type symbol struct {
	ch      byte
	depth   uint8 // how often it is percent-encoded
	mark    bool  // a quotation mark, of which level tells in how many strings it is
	level   uint8
	escaped bool   // it stands for a control character in a string: \n, \t …
	raw     []byte // as it came; good until the next one
}

// bare is a mark without the backslashes of what stands before it.
func (s *symbol) bare() []byte {
	if own := 1 << min(s.level, 7); s.raw[len(s.raw)-1] == s.ch && len(s.raw) > own {
		return s.raw[len(s.raw)-own:]
	}
	return s.raw
}

// space tells of white space as it came, not of any that is encoded.
func (s *symbol) space() bool {
	return s.depth == 0 && !s.escaped && (s.ch == ' ' || s.ch == '\t' || s.ch == '\n' || s.ch == '\r')
}

func (s *symbol) newline() bool { return s.depth == 0 && !s.escaped && s.ch == '\n' }

type lexState uint8

const (
	lexPlain   lexState = iota
	lexPercent          // behind a "%", or a "%25", which is one again
	lexSlash            // behind backslashes
	lexUnicode          // behind a backslash and u
)

const (
	maxPercent = 3  // how often it looks through an encoding of an encoding
	maxSlashes = 64 // an even number: what it means goes on as if it had not been cut
)

// lexer makes symbols of bytes, one at a time, so that it does not matter where the text
// is cut.
type lexer struct {
	state  lexState
	depth  uint8
	digits uint8
	value  uint16
	raw    []byte // of the symbol under way
}

// next takes a byte. Each symbol that is whole goes to m.
func (l *lexer) next(m *textMasker, b byte) {
	switch l.state {
	case lexPercent:
		l.percent(m, b)
	case lexSlash:
		l.slash(m, b)
	case lexUnicode:
		l.unicode(m, b)
	default:
		l.plain(m, b)
	}
}

func (l *lexer) plain(m *textMasker, b byte) {
	l.raw = append(l.raw[:0], b)
	switch b {
	case '%':
		l.state, l.depth, l.digits, l.value = lexPercent, 0, 0, 0
	case '\\':
		l.state = lexSlash
	default:
		m.symbol(&symbol{ch: b, mark: isMark(b), raw: l.raw})
	}
}

func isMark(b byte) bool { return b == '"' || b == '\'' }

func (l *lexer) percent(m *textMasker, b byte) {
	if !l.digit(b) {
		l.giveUp(m)
		l.plain(m, b)
		return
	}
	if l.digits < 2 {
		return
	}
	ch := byte(l.value)
	l.depth++
	if ch == '%' && l.depth < maxPercent {
		l.digits, l.value = 0, 0
		return
	}
	l.state = lexPlain
	m.symbol(&symbol{ch: ch, depth: l.depth, mark: isMark(ch), raw: l.raw})
}

// digit takes a hexadecimal digit of an escape.
func (l *lexer) digit(b byte) bool {
	var v byte
	switch {
	case '0' <= b && b <= '9':
		v = b - '0'
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		v = b | 0x20 - 'a' + 10
	default:
		return false
	}
	l.raw = append(l.raw, b)
	l.digits++
	l.value = l.value<<4 | uint16(v)
	return true
}

// slash is behind backslashes. In JSON within a string of JSON each of its quotation marks
// has one, in JSON within that three: its level is how many ones the number ends with.
func (l *lexer) slash(m *textMasker, b byte) {
	n := len(l.raw)
	switch {
	case b == '\\':
		if l.raw = append(l.raw, b); n+1 == maxSlashes {
			l.giveUp(m)
			l.state = lexSlash
		}
	case isMark(b):
		l.state = lexPlain
		l.raw = append(l.raw, b)
		m.symbol(&symbol{ch: b, mark: true, level: uint8(bits.TrailingZeros(^uint(n))), raw: l.raw})
	case b == 'u' && n > 0 && m.quoted():
		l.state, l.digits, l.value = lexUnicode, 0, 0
		l.raw = append(l.raw, b)
	case b == '/' && n > 0:
		l.state = lexPlain
		l.raw = append(l.raw, b)
		m.symbol(&symbol{ch: '/', raw: l.raw})
	case n > 0 && m.quoted() && (b == 'n' || b == 'r' || b == 't' || b == 'b' || b == 'f'):
		l.state = lexPlain
		l.raw = append(l.raw, b)
		m.symbol(&symbol{ch: ' ', escaped: true, raw: l.raw})
	default:
		l.giveUp(m)
		l.plain(m, b)
	}
}

func (l *lexer) unicode(m *textMasker, b byte) {
	if !l.digit(b) {
		l.giveUp(m)
		l.plain(m, b)
		return
	}
	if l.digits < 4 {
		return
	}
	l.state = lexPlain
	s := symbol{ch: byte(l.value), raw: l.raw}
	switch {
	case l.value >= 0x80:
		s.ch = 0x80
	case l.value < ' ':
		s.ch, s.escaped = ' ', true
	case l.value == '"': // no end of the string that it stands in
		s.mark, s.level = true, 1
	}
	m.symbol(&s)
}

// giveUp gives what was no escape as the bytes it is.
func (l *lexer) giveUp(m *textMasker) {
	l.state = lexPlain
	for i, b := range l.raw {
		m.symbol(&symbol{ch: b, raw: l.raw[i : i+1]})
	}
	l.raw = l.raw[:0]
}

// end gives what is left.
func (l *lexer) end(m *textMasker) {
	if l.state != lexPlain {
		l.giveUp(m)
	}
}
