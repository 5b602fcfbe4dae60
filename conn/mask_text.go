package conn

// textMasker hides what stands under the names of secrets in a text that comes in pieces,
// and user info in URLs. What it knows:
//
//	name=value        in a query, a form, a list of attributes
//	"name": value     in JSON, whatever the value is, also where JSON is not valid, or within a string of JSON
//	name: value       to the end of the line and of those indented under it (lines)
//	<name>value</name>
//	scheme://user:password@host
//
// It looks at one symbol after the other, so that it does not matter how the text is cut,
// and never keeps more than a few hundred bytes. Where a text leaves open what
// belongs to a secret, it hides too much rather than too little.
//
//	mode       is in                               until
//	inText     text that is shown                  the name of a secret and what separates it from its value
//	atValue    the blanks before a secret          its first symbol
//	inPair     the value of a name=                "&", white space, or the end of the string it stands in
//	inString   a secret in quotation marks         the closing one
//	inNest     a secret object or array            its closing bracket
//	inLiteral  a secret number, true, null         "," or a closing bracket
//	behind     the end of a secret member          what may stand there; else the text is broken: inLine
//	inLine     a secret to the end of the line     that, or the end of the string it stands in
//	inIndent   the blanks of the line below        another symbol: inLine if it is indented under the secret's
//	inTag      the tag of a secret element         its ">"
//	inElement  a secret element                    "</"
//	inUser     what may be user info               "@": it was, or what can't stand in it: it was a host
//	inLongUser user info with a "/" in it          "@", or white space
type textMasker struct {
	lines bool // name: value is known
	whole bool // the text is a URL: blanks end no value
	prose bool // the text is a sentence: "name": may be followed by what is no value
	form  bool // name=value&…: nothing but "&" ends a value
	sniff bool // so far it may be a form

	out   []byte // where to
	print printer
	lex   lexer
	mode  textMode

	bare  maskName // the word that was read last
	key   maskName // the string that was read last
	field maskName // the name of the form's field
	named bool     // its "=" has come
	cand  candidate
	gap   bool   // blanks follow the candidate
	open  uint8  // which levels of quotation marks are open, a bit each
	marks []byte // the last one, as it came
	level uint8  // of the last one, plus one where it may be JSON's

	slashes   int  // of a "//" that may begin a URL
	boundary  bool // a URL may begin without a scheme
	tag       bool // within the first word behind a "<"
	indenting bool // in the blanks that begin a line
	indent    int  // how many there are

	secret secretValue
	user   userInfo
	hold   []byte // not shown yet: what may be user info, or an indent
}

type textMode uint8

const (
	inText textMode = iota
	atValue
	inPair
	inString
	inNest
	inLiteral
	behind
	inLine
	inIndent
	inTag
	inElement
	inUser
	inLongUser
)

// candidate is what would be a name if a separator followed.
type candidate uint8

const (
	noName candidate = iota
	bareName
	quotedName
)

// maxHold bounds what is kept back; user info that is longer is hidden unseen.
const maxHold = 512

// maskName is a name as it is read. One too long to be kept is taken for a secret's.
type maskName struct {
	text [128]byte
	n    int
	long bool
}

func (n *maskName) reset() { n.n, n.long = 0, false }

func (n *maskName) add(c byte) {
	if n.n == len(n.text) {
		n.long = true
		return
	}
	n.text[n.n] = c
	n.n++
}

func (n *maskName) secret() bool { return n.long || SecretName(string(n.text[:n.n])) }

func (n *maskName) is(s string) bool { return string(n.text[:n.n]) == s }

// appendTo takes in the next piece of the text.
func (m *textMasker) appendTo(dst, piece []byte) []byte {
	m.out = dst
	for _, b := range piece {
		m.lex.next(m, b)
	}
	dst, m.out = m.out, nil
	return dst
}

// end shows what is left. cut tells that the text had not come to its end.
func (m *textMasker) end(dst []byte, cut bool) []byte {
	m.out = dst
	m.lex.end(m)
	switch m.mode {
	case inUser:
		m.endUser(cut)
	case inIndent:
		m.emit(m.hold)
	}
	dst, m.out = m.print.end(m.out), nil
	return dst
}

func (m *textMasker) emit(raw []byte) {
	for _, b := range raw {
		m.out = m.print.put(m.out, b)
	}
}

// quoted tells whether the text may be within quotation marks, where \n and \u0026 are escapes.
func (m *textMasker) quoted() bool { return m.open != 0 || m.mode != inText }

// symbol takes one symbol.
func (m *textMasker) symbol(s *symbol) {
	if s.ch == 0 && s.depth == 0 && !s.escaped { // UTF-16 has one beside each letter
		if m.mode == inText || m.mode == behind || m.mode == atValue {
			m.emit(s.raw)
		}
		return
	}
	if m.form && s.ch == '&' && s.depth == 0 {
		m.nextField(s)
		return
	}
	switch m.mode {
	case inText:
		m.read(s)
	case inUser, inLongUser:
		m.readUser(s)
	case inTag, inElement:
		m.readElement(s)
	case inIndent:
		m.readIndent(s)
	default:
		m.readSecret(s)
	}
}

// nextField begins anew behind a form's "&".
func (m *textMasker) nextField(s *symbol) {
	if m.mode == inUser {
		m.endUser(false)
	}
	m.mode, m.open = inText, 0
	m.forget()
	m.field.reset()
	m.named = false
	m.emit(s.raw)
}

// forget drops the candidate for a name.
func (m *textMasker) forget() { m.cand, m.gap = noName, false }

// read takes a symbol of text that is shown.
func (m *textMasker) read(s *symbol) {
	m.emit(s.raw)
	m.keep(s)
	boundary := m.boundary
	m.boundary = false
	switch {
	case s.mark:
		m.readMark(s)
		m.boundary = true
	case s.ch == '/':
		m.readSlash(s, boundary)
		return
	case s.ch == '=', s.ch == ':':
		m.readSeparator(s)
		m.boundary = s.ch == '='
		return
	case s.ch == ' ', s.ch == '\t', s.ch == '\n', s.ch == '\r':
		m.readSpace(s)
	case s.ch == '<':
		m.forget()
		m.tag, m.slashes, m.sniff = !m.prose, 0, false
		return
	case s.ch == '>':
		if m.endsTag(s) {
			return
		}
		m.forget()
	case isNameSymbol(s.ch):
		m.readName(s)
	default:
		m.forget()
		m.boundary = true
	}
	if s.depth == 0 && !isNameSymbol(s.ch) {
		m.sniff = false
	}
	m.slashes = 0
	m.tag = m.tag && isNameSymbol(s.ch)
}

// keep notes what may turn out to be a name, and how far the line is indented.
func (m *textMasker) keep(s *symbol) {
	if !m.named && (m.form || m.sniff) {
		m.field.add(s.ch)
	}
	switch {
	case m.open == 0 || s.mark:
	case isNameSymbol(s.ch):
		m.key.add(s.ch)
	default:
		m.key.add(' ')
	}
	switch {
	case s.newline():
		m.indenting, m.indent, m.open = true, 0, 0 // no string of JSON goes over lines
	case m.indenting && s.space():
		m.indent++
	default:
		m.indenting = false
	}
}

// isNameSymbol tells what names may be made of. Few things can't be in one: which words
// there are is for SecretName to find.
func isNameSymbol(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '"', '\'', '&', '?', '#', ';', ',', '{', '}', '<', '>', '=', ':', '/', '\\':
		return false
	}
	return true
}

func (m *textMasker) readName(s *symbol) {
	if m.cand != bareName || m.gap {
		m.bare.reset()
	}
	m.cand, m.gap = bareName, false
	m.bare.add(s.ch)
}

func (m *textMasker) readSpace(s *symbol) {
	if s.space() && m.tag && m.endsTag(s) {
		return
	}
	switch {
	case m.cand == bareName && s.newline():
		m.forget()
	case m.cand != noName:
		m.gap = true
	}
	m.boundary = true
}

// readMark takes a quotation mark. What stands between two may be a name, and so may a
// word right before one, as in JSON that misses a mark.
func (m *textMasker) readMark(s *symbol) {
	adjacent := m.cand == bareName && !m.gap
	m.marks, m.level = append(m.marks[:0], s.raw...), 0
	if s.ch == '"' {
		level := min(s.level, 7)
		m.level = level + 1
		closes := m.open>>level != 0
		if m.open &= 1<<level - 1; closes {
			m.cand, m.gap = quotedName, false
			return
		}
		m.open |= 1 << level
	}
	if !adjacent {
		m.key.reset()
		m.forget()
		return
	}
	m.key = m.bare
	m.key.add(' ')
	m.cand = quotedName
}

// readSeparator is at "=" or ":", behind which a secret may stand.
func (m *textMasker) readSeparator(s *symbol) {
	cand, gap := m.cand, m.gap
	m.forget()
	m.slashes = 0
	secret := cand == bareName && m.bare.secret() || cand == quotedName && m.key.secret()
	if s.ch == ':' {
		if cand == quotedName && m.level > 0 { // behind a member's name no string is open, whatever it looked like
			m.open &= 1<<(m.level-1) - 1
		}
		m.sniff = m.sniff && s.depth > 0
		if secret && (cand == quotedName || m.lines) {
			m.begin(secretValue{member: cand == quotedName})
			return
		}
		m.slashes = 1
		return
	}
	m.tag = false
	m.form = m.form || m.sniff && cand == bareName && !gap && s.depth == 0
	m.sniff = m.sniff && s.depth > 0
	if m.form && !m.named && s.depth == 0 {
		m.named = true
		secret = secret || m.field.secret()
	}
	if secret {
		m.begin(secretValue{pair: true, depth: s.depth, gap: gap})
	}
}

// readSlash is at a "/". Two of them behind a colon begin what may be user info.
func (m *textMasker) readSlash(s *symbol, boundary bool) {
	m.sniff = m.sniff && s.depth > 0
	m.forget()
	m.tag = false
	switch {
	case m.slashes == 0 && boundary:
		m.slashes = 2
	case m.slashes == 1:
		m.slashes = 2
	case m.slashes == 2:
		m.slashes = 0
		m.beginUser(s.depth)
	default:
		m.slashes = 0
	}
}

// MaskText hides what stands under the names of secrets in a sentence, as an error's text is
// one, and user info in URLs. What looks like neither stays: a secret that bears no such name
// can't be known.
func MaskText(s string) string { return maskString(s, textMasker{boundary: true, prose: true}) }

// MaskURL hides user info, and what stands under the names of secrets, in a URL.
func MaskURL(s string) string { return maskString(s, textMasker{whole: true, boundary: true}) }

func maskString(s string, m textMasker) string {
	if !mayHide(s) {
		return s
	}
	m.print.exact = true
	return string(m.end(m.appendTo(nil, []byte(s)), false))
}

// mayHide tells quickly of a text that has neither names with values nor user info.
func mayHide(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '=', '@', '%', '"', '\'', '<':
			return true
		}
	}
	return false
}
