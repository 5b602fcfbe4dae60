package conn

import "math/bits"

// This file is a textMasker within a secret, of which nothing is shown but where it begins
// and ends.

// secretValue is what is known of the secret at hand. Neither pair nor member: it goes to
// the end of the line.
type secretValue struct {
	pair   bool // behind name=
	member bool // behind "name":

	depth  uint8 // of percent-encoding that the pair's "=" stands in
	gap    bool  // blanks stand before the "="
	quote  byte  // what mark it stands in
	level  uint8 // of that mark; or of the strings around a nest
	nest   int   // brackets or elements that are open
	inner  uint8 // the level of the open string in a nest, plus one
	last   byte  // the symbol before, in an element
	comma  bool  // behind the secret one has come
	indent int   // of its line
}

// begin is behind the separator.
func (m *textMasker) begin(v secretValue) {
	v.indent = m.indent
	m.secret, m.mode = v, atValue
}

// readSecret takes a symbol of a secret, or around one.
func (m *textMasker) readSecret(s *symbol) {
	switch m.mode {
	case atValue:
		m.readValue(s)
	case inPair:
		switch {
		case m.endsPair(s):
			m.backTo(s)
		case !m.form && !m.whole && (s.ch == '"' || s.ch == '{' || s.ch == '['): // blanks in there end nothing
			m.mode = inLine
		}
	case inString:
		m.readString(s)
	case inNest:
		m.readNest(s)
	case inLiteral:
		m.readLiteral(s)
	case behind:
		m.readBehind(s)
	case inLine:
		m.readLine(s)
	}
}

// backTo reads on as text, from s.
func (m *textMasker) backTo(s *symbol) {
	m.mode = inText
	m.read(s)
}

// mask shows that something is hidden, and goes on as mode.
func (m *textMasker) mask(mode textMode) {
	if m.secret.member && mode != inString {
		m.emit(m.marks)
		m.emit([]byte(Masked))
		m.emit(m.marks)
	} else {
		m.emit([]byte(Masked))
	}
	m.mode = mode
}

// readValue finds out what kind of value begins.
func (m *textMasker) readValue(s *symbol) {
	v := &m.secret
	free := v.pair && (m.form || m.whole) // nothing but "&" ends it
	switch {
	case s.space() && !free:
		m.readBlank(s)
	case m.endsPair(s) && v.pair, v.member && (s.ch == ',' || s.ch == '}' || s.ch == ']'):
		m.backTo(s) // it is empty
	case free:
		m.mask(inPair)
	case v.pair && (s.ch == '=' || s.ch == '>'): // as in name => value
		m.emit(s.raw)
	case s.mark:
		v.quote, v.level = s.ch, min(s.level, 7)
		m.emit(s.bare())
		m.mask(inString)
	case s.ch == '{' || s.ch == '[':
		v.nest, v.level = 1, uint8(bits.Len8(m.open))
		m.mask(inNest)
	case m.prose && v.member && (s.ch < '0' || s.ch > '9') && s.ch != '-':
		m.backTo(s)
	case v.pair && !v.gap:
		m.mask(inPair)
	case v.member && isLiteral(s.ch):
		m.mask(inLiteral)
	default:
		m.mask(inLine)
	}
}

// readBlank is between the separator and the value.
func (m *textMasker) readBlank(s *symbol) {
	v := &m.secret
	switch {
	case v.pair && (!v.gap || s.newline()):
		m.backTo(s) // it is empty
	case !v.pair && !v.member && s.newline():
		m.nextLine(s)
	default:
		m.emit(s.raw)
	}
}

// isLiteral tells of what numbers, true, false and null are made of.
func isLiteral(c byte) bool {
	return letterKind(c) != letterNone || c == '-' || c == '+' || c == '.'
}

// closes tells whether s ends the string that the secret stands in.
func (m *textMasker) closes(s *symbol) bool {
	return s.mark && s.ch == '"' && m.open>>min(s.level, 7) != 0
}

func (m *textMasker) endsPair(s *symbol) bool {
	switch {
	case s.ch == '&' && s.depth <= m.secret.depth:
		return true
	case m.form:
		return false
	case m.whole:
		return s.ch == '#' && s.depth == 0
	}
	return s.space() || m.mode != atValue && m.closes(s)
}

func (m *textMasker) readString(s *symbol) {
	v := &m.secret
	switch {
	case s.mark && s.ch == v.quote && s.level <= v.level:
		m.emit(s.bare())
		if s.ch == '"' {
			m.open &= 1<<min(s.level, 7) - 1
		}
		m.endValue()
	case v.quote == '\'' && m.closes(s):
		m.backTo(s)
	}
}

// endValue is at the end of a value that has one.
func (m *textMasker) endValue() {
	switch v := &m.secret; {
	case v.member && !m.prose:
		m.mode = behind
	case v.pair, v.member:
		m.mode = inText
		m.forget()
	default:
		m.mode = inLine
	}
}

func (m *textMasker) readNest(s *symbol) {
	v := &m.secret
	switch {
	case s.mark && s.ch == '"' && s.level < v.level: // the string around it is over
		m.backTo(s)
	case s.mark && s.ch == '"' && v.inner == 0:
		v.inner = min(s.level, 7) + 1
	case s.mark && s.ch == '"' && s.level < v.inner:
		v.inner = 0
	case v.inner > 0:
	case s.ch == '{' || s.ch == '[':
		v.nest++
	case s.ch == '}' || s.ch == ']':
		if v.nest--; v.nest > 0 {
			return
		}
		if m.endValue(); v.pair { // more may follow: what is shown must be sure
			m.mode = inPair
		}
	}
}

func (m *textMasker) readLiteral(s *symbol) {
	switch {
	case s.ch == ',' || s.ch == '}' || s.ch == ']' || s.newline() || m.closes(s):
		m.readBehind(s)
	case s.mark, !isLiteral(s.ch) && s.ch != ' ' && s.ch != '\t' && s.ch != '\r':
		m.mode = inLine // it was none
	}
}

// readBehind makes sure that a member of JSON is over. Where something follows that can't,
// the secret has a quotation mark or a comma in it.
func (m *textMasker) readBehind(s *symbol) {
	v := &m.secret
	m.mode = behind
	switch {
	case s.newline(), m.closes(s):
		m.backTo(s)
	case s.ch == ' ', s.ch == '\t', s.ch == '\r':
		m.emit(s.raw)
	case s.ch == ',' && !v.comma:
		v.comma = true
		m.emit(s.raw)
	case s.ch == '}', s.ch == ']', s.ch == ')', s.ch == ';', s.ch == ':', s.ch == '&':
		m.backTo(s)
	case v.comma && s.mark:
		m.backTo(s)
	default:
		m.mode = inLine
	}
}

func (m *textMasker) readLine(s *symbol) {
	v := &m.secret
	switch {
	case m.closes(s):
		m.backTo(s)
	case s.newline() && (v.member || v.pair):
		m.backTo(s)
	case s.newline():
		m.nextLine(s)
	}
}

// nextLine is at the end of a secret's line. Those below that are indented under it are its
// own, as in a folded header field or in YAML.
func (m *textMasker) nextLine(s *symbol) {
	m.emit(s.raw)
	m.mode, m.open = inIndent, 0
	m.hold = m.hold[:0]
}

func (m *textMasker) readIndent(s *symbol) {
	switch {
	case s.newline():
		m.emit(s.raw)
		m.hold = m.hold[:0]
	case s.space():
		if len(m.hold) < maxHold {
			m.hold = append(m.hold, s.raw...)
		}
	case len(m.hold) > m.secret.indent:
		m.mask(inLine)
		m.readLine(s)
	default:
		m.indent, m.indenting = len(m.hold), false
		m.emit(m.hold)
		m.backTo(s)
	}
}

// endsTag tells whether s ends the name of a secret element. Two names are too common in
// HTML and XML to be taken for secrets there.
func (m *textMasker) endsTag(s *symbol) bool {
	if !m.tag || m.cand != bareName || m.gap || m.bare.is("code") || m.bare.is("Code") || m.bare.is("key") || m.bare.is("Key") || !m.bare.secret() {
		return false
	}
	m.forget()
	m.tag, m.secret = false, secretValue{}
	if m.mode = inTag; s.ch == '>' {
		m.mask(inElement)
	}
	return true
}

func (m *textMasker) readElement(s *symbol) {
	v := &m.secret
	last := v.last
	v.last = s.ch
	switch {
	case m.mode == inTag && s.ch == '>':
		m.emit([]byte(Masked + ">"))
		if m.mask(inElement); last == '/' {
			m.mode = inText
		}
	case m.mode == inTag:
	case s.ch == '/' && last == '<' && v.nest == 0:
		m.emit([]byte("</"))
		m.mode = inText
	case s.ch == '/' && last == '<', s.ch == '>' && last == '/':
		v.nest = max(0, v.nest-1)
	case last == '<' && letterKind(s.ch) != letterNone:
		v.nest++
	}
}
