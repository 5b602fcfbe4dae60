package conn

// userInfo is what is known of the authority of a URL, while it may begin with user info
// (RFC 3986 §3.2.1).
type userInfo struct {
	depth uint8 // how often the URL is percent-encoded
	at    int   // where in hold the host begins; 0: no "@" has come
	colon bool
	odd   bool // what follows the colon is no port
	stop  bool // behind the port there is what may end a sentence
}

// beginUser is behind a "//".
func (m *textMasker) beginUser(depth uint8) {
	m.user = userInfo{depth: depth}
	m.hold = m.hold[:0]
	m.mode = inUser
}

// readUser keeps the authority back until it is known what it is.
func (m *textMasker) readUser(s *symbol) {
	u := &m.user
	own := s.depth <= u.depth // else it is part of a name or password
	over := s.mark || s.space() && !m.whole || s.escaped || own && (s.ch == '<' || s.ch == '>')
	switch {
	case m.mode == inLongUser && over:
		m.backTo(s)
	case m.mode == inLongUser:
		if own && s.ch == '@' {
			m.emit(s.raw)
			m.mode = inText
		}
	case over, own && (s.ch == '/' || s.ch == '?' || s.ch == '#' || s.ch == '&' || s.ch == '\\'):
		m.endAuthority(s, over)
	default:
		m.keepUser(s, own)
	}
}

func (m *textMasker) keepUser(s *symbol, own bool) {
	u := &m.user
	if len(m.hold) > maxHold {
		m.emit([]byte(Masked))
		m.mode = inLongUser
		m.readUser(s)
		return
	}
	bracket := len(m.hold) > 0 && m.hold[0] == '['
	m.hold = append(m.hold, s.raw...)
	switch {
	case own && s.ch == '@':
		u.at, u.colon, u.odd, u.stop = len(m.hold), false, false, false
	case own && s.ch == ':' && !bracket:
		u.colon = true
	case u.colon && (s.ch == ',' || s.ch == ';' || s.ch == ')' || s.ch == '.'):
		u.stop = true
	case u.colon && (u.stop || s.ch < '0' || s.ch > '9'):
		u.odd = true
	}
}

// endAuthority is at what ends an authority, or, where it looks as if user and password had
// begun and no "@" had come, at a "/" in the password.
func (m *textMasker) endAuthority(s *symbol, over bool) {
	if u := &m.user; u.at == 0 && u.odd && !over {
		m.emit([]byte(Masked))
		m.mode = inLongUser
		return
	}
	again := s.ch == '/' && len(m.hold) > 0 && m.hold[len(m.hold)-1] == ':' // a list of URLs
	m.endUser(false)
	if m.mode = inText; again {
		m.slashes = 1
	}
	m.read(s)
}

// endUser shows the host. cut: the rest may have been cut off.
func (m *textMasker) endUser(cut bool) {
	u := &m.user
	switch {
	case u.at > 0:
		m.emit([]byte(Masked + "@"))
		m.emit(m.hold[u.at:])
	case u.odd, cut && len(m.hold) > 0:
		m.emit([]byte(Masked))
	default:
		m.emit(m.hold)
	}
	m.hold, m.user = m.hold[:0], userInfo{}
}
