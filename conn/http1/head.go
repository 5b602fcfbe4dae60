package http1

import (
	"bytes"
	"math"
)

const (
	// DefaultHeadBytes is what browsers take (Chromium: 256 KiB); servers limit themselves to 8-64 KiB,
	// so a longer head is a fault or an attack. It is also all that a peer can make a client buffer.
	DefaultHeadBytes = 256 << 10
	// DefaultFields is ten times what common servers and proxies send or take (Apache and hyper: 100),
	// and bounds the places a Head keeps to 16 KB.
	DefaultFields = 1000

	inlineFields = 16 // ordinary answers have 5 to 15
)

// Limits bound a response head, and say how it is read. For the numbers zero or less means the
// default; both count inclusively: a head of exactly Bytes bytes and Fields fields is taken.
type Limits struct {
	Bytes  int // of the whole head with its empty line; at most 2 GiB - 1, as offsets are 32 bits
	Fields int // fields, and lines that Lenient skips

	// Lenient takes what browsers take and what can't change where a message ends; see the
	// package's documentation. What is valid without it reads alike with it.
	Lenient bool
	// Secret tells of a field's or parameter's name whether errors must not show its value;
	// nil: they show none.
	Secret func(name string) bool
}

// filled is l with its numbers resolved.
func (l Limits) filled() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultHeadBytes
	}
	if l.Fields <= 0 {
		l.Fields = DefaultFields
	}
	l.Bytes = min(l.Bytes, math.MaxInt32)
	return l
}

// Head is a parsed response head: offsets into the buffer it was parsed from, never copies. It is good
// for any copy of these bytes as well. The zero value is ready; a used one is after Reset. Copies of a
// Head share the places of the fields after the 16th.
type Head struct {
	headState
	inline [inlineFields]span
	spill  []span // the fields after those; kept over Reset
}

// headState is what Reset clears.
type headState struct {
	facts
	line                 uint32 // where the line begins that is not yet read
	seen                 uint32 // how far that line was searched for its end
	end                  uint32 // the head's length once it is whole, 0 before
	count                uint32 // fields
	skips                uint32 // lines that were skipped
	skipAt               uint32 // count+1 when the last of them was: no field came since where it still is that
	names                uint64 // the nameBit of each field
	reasonFrom, reasonTo uint32
	status               uint16
	minor                uint8
	last                 kind // of the newest field: noted when no continuation line can follow any more
}

// Reset makes h ready for another head.
func (h *Head) Reset() {
	h.headState = headState{}
	h.spill = h.spill[:0]
}

// Parse reads a response head from the start of buf. It returns the head's length n once the empty line
// has come and ErrNeedMore before that: call again with the same bytes and more behind them, in the
// same buffer or another. It goes on where it stopped, so feeding byte by byte takes linear time. The
// bytes must be as Parse left them: it overwrites obs-fold with spaces.
//
// Bytes that are refused give an *Error, passing lim gives ErrHeadTooLarge; both again on every
// further call until Reset. Whether the fields frame a body is not asked here but by [Body.Start].
func (h *Head) Parse(buf []byte, lim Limits) (n int, err error) {
	lim = lim.filled()
	for h.end == 0 {
		if h.parseWhole(buf[:min(len(buf), lim.Bytes)], lim.Fields-int(h.skips)); h.end > 0 {
			break
		}
		i := bytes.IndexByte(buf[h.seen:], '\n')
		if i < 0 {
			return 0, h.starve(buf, &lim)
		}
		lf := int(h.seen) + i
		if lf >= lim.Bytes {
			return 0, h.tooLarge(buf[:lim.Bytes], &lim)
		}
		to := lf
		if to > int(h.line) && buf[to-1] == '\r' {
			to--
		}
		if err := h.parseLine(buf, to, lf+1, &lim); err != nil {
			return 0, err
		}
		h.line, h.seen = uint32(lf+1), uint32(lf+1)
	}
	return int(h.end), nil
}

// starve handles a line without an end. What can never become a status line is refused at once: a peer
// of another protocol may send no LF, and then wait for us.
func (h *Head) starve(buf []byte, lim *Limits) error {
	if len(buf) >= lim.Bytes {
		return h.tooLarge(buf[:lim.Bytes], lim)
	}
	if h.line == 0 {
		// A CR may be half of a line end: whether the line is too short is seen when it is whole.
		if err := checkVersion(bytes.TrimSuffix(buf, cr)); err != nil {
			return quoted(err, buf, lim.Secret)
		}
	}
	h.seen = uint32(len(buf))
	return ErrNeedMore
}

var cr = []byte{'\r'}

// tooLarge asks for the version first, so that the answer does not depend on how much came at once.
func (h *Head) tooLarge(buf []byte, lim *Limits) error {
	if h.line == 0 {
		if err := checkVersion(buf); err != nil {
			return quoted(err, buf, lim.Secret)
		}
	}
	return ErrHeadTooLarge
}

// parseLine reads what parseWhole left: the line from h.line to to; the next one begins at next.
func (h *Head) parseLine(buf []byte, to, next int, lim *Limits) error {
	from := int(h.line)
	if from == 0 {
		return quoted(h.parseStatus(buf[:to], lim.Lenient), buf[:to], lim.Secret)
	}
	if from < to && isOWS(buf[from]) {
		return h.continueLine(buf, to, lim)
	}
	h.noteLast(buf)
	if from == to {
		h.end = uint32(next)
		return nil
	}
	if int(h.count+h.skips) >= lim.Fields {
		return ErrHeadTooLarge
	}
	s, err := parseField(buf, from, to)
	if err != nil && lim.Lenient {
		var skip bool
		if s, skip, err = lenientField(buf, from, to, err); skip {
			h.skip()
			return nil
		}
	}
	if err != nil {
		return quoted(err, buf[from:to], lim.Secret)
	}
	h.add(buf, s)
	return nil
}

// continueLine reads a line that continues the one before.
func (h *Head) continueLine(buf []byte, to int, lim *Limits) error {
	from := int(h.line)
	line := buf[from:to]
	if h.count > 0 && h.skipAt != h.count+1 {
		s := h.place(int(h.count) - 1)
		if err := s.unfold(buf, from, to); err != nil {
			return quotedFold(err, buf[s.name:s.colon], line, lim.Secret)
		}
		return nil
	}
	if !lim.Lenient || !harmless(line) {
		return quoted(errFirstFold, line, lim.Secret)
	}
	if int(h.count+h.skips) >= lim.Fields {
		return ErrHeadTooLarge
	}
	h.skip()
	return nil
}

// skip counts a line that was skipped.
func (h *Head) skip() {
	h.skips++
	h.skipAt = h.count + 1
}

// add takes in the next field.
func (h *Head) add(buf []byte, s span) {
	if h.count < inlineFields {
		h.inline[h.count] = s
	} else {
		h.spill = append(h.spill, s)
	}
	h.count++
	name := buf[s.name:s.colon]
	h.names |= nameBit(name)
	if framingLengths>>len(name)&1 != 0 {
		h.last = kindOf(name)
	}
}

// noteLast notes the newest field, whose value can't grow any more.
func (h *Head) noteLast(buf []byte) {
	if h.last == ordinary {
		return
	}
	_, value := h.place(int(h.count) - 1).in(buf)
	h.note(h.last, value)
	h.last = ordinary
}

const versionPrefix = "HTTP/1."

// checkVersion refuses what does not begin, as far as it goes, like a status line of HTTP/1.
func checkVersion(line []byte) error {
	n := min(len(line), len(versionPrefix))
	if string(line[:n]) == versionPrefix[:n] {
		return nil
	}
	const name = len("HTTP/")
	if n <= name || string(line[:name]) != versionPrefix[:name] {
		return otherProtocol(line)
	}
	if c := line[name]; c >= '0' && c <= '9' && c != '1' {
		return errMajor
	}
	return errVersion
}

// otherProtocol tells what speaks where a status line should begin. Both have binary frames, by whose
// first bytes they are known: an alert or handshake message of TLS (RFC 8446 §5.1), and the SETTINGS
// with which HTTP/2 begins (RFC 9113 §3.4, §6.5).
func otherProtocol(line []byte) error {
	switch {
	case len(line) > 0 && (line[0] == 0x15 || line[0] == 0x16) && (len(line) < 2 || line[1] == 3):
		return errTLS
	case len(line) >= 9 && line[3] == 4 && line[4] <= 1 && string(line[5:9]) == "\x00\x00\x00\x00":
		return errHTTP2
	}
	return errNotHTTP
}

// parseStatus reads HTTP/1.x SP 3DIGIT [ SP reason ] (RFC 9112 §4). The space before a missing reason
// may be missing too: the grammar asks for it, many servers leave it out, and nothing is in doubt.
func (h *Head) parseStatus(line []byte, lenient bool) error {
	if err := checkVersion(line); err != nil {
		return err
	}
	if len(line) < len(versionPrefix) {
		return errNotHTTP
	}
	at := len("HTTP/1.1 ")
	if len(line) < at-1 || line[7] < '0' || line[7] > '9' || len(line) >= at && line[8] != ' ' {
		return errVersion
	}
	for lenient && at < len(line) && line[at] == ' ' {
		at++
	}
	if len(line) < at+3 || len(line) > at+3 && line[at+3] != ' ' {
		return errStatus
	}
	status := 0
	for _, c := range line[at : at+3] {
		if c < '0' || c > '9' {
			return errStatus
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 {
		return errStatus
	}
	from := min(at+4, len(line))
	if !onlyValue(line[from:]) {
		return errReason
	}
	h.minor = min(line[7]-'0', 1) // RFC 9110 §2.5: a higher minor is read as the highest one knows
	h.status = uint16(status)
	h.reasonFrom, h.reasonTo = uint32(from), uint32(len(line))
	return nil
}

// Status is the status code, 100 to 999.
func (h *Head) Status() int { return int(h.status) }

// Minor is the x of HTTP/1.x: 0, or 1 for all others.
func (h *Head) Minor() int { return int(h.minor) }

// Reason is the reason phrase, which may be empty and means nothing (RFC 9112 §4).
func (h *Head) Reason(buf []byte) []byte { return buf[h.reasonFrom:h.reasonTo:h.reasonTo] }

// Len is the number of fields.
func (h *Head) Len() int { return int(h.count) }

// Field is the i-th field, its name in the case it came, its value without whitespace around it.
func (h *Head) Field(buf []byte, i int) (name, value []byte) {
	if uint(i) >= uint(h.count) {
		panic("http1: no such field")
	}
	return h.place(i).in(buf)
}

// Get is the value of the first field of that name (ASCII case does not matter), nil if there is none.
// An empty value is not nil.
func (h *Head) Get(buf []byte, name string) []byte {
	if !h.mayHave(name) {
		return nil
	}
	for i := range int(h.count) {
		s := h.place(i)
		if int(s.colon-s.name) == len(name) && fold(buf[s.name:s.colon], name) {
			return buf[s.value:s.end:s.end]
		}
	}
	return nil
}

// Values are the values of all fields of that name, in the order they came.
func (h *Head) Values(buf []byte, name string) (values [][]byte) {
	if !h.mayHave(name) {
		return nil
	}
	for i := range int(h.count) {
		if key, value := h.place(i).in(buf); fold(key, name) {
			values = append(values, value)
		}
	}
	return values
}

// mayHave is false for most names that did not come. A caller asks after every answer for what few have
// (Keep-Alive, Content-Encoding, Location): a bit spares the look at all fields.
func (h *Head) mayHave(name string) bool {
	return name != "" && h.names&nameBit(name) != 0
}

// KeepAlive says whether version and Connection fields let the connection live on (RFC 9112 §9.3). That
// is not all: a body of [FramingUntilClose] ends it nevertheless.
func (h *Head) KeepAlive() bool {
	if h.flags&flagClose != 0 {
		return false
	}
	return h.minor > 0 || h.flags&flagKeep != 0
}

func (h *Head) place(i int) *span {
	if i < inlineFields {
		return &h.inline[i]
	}
	return &h.spill[i-inlineFields]
}
