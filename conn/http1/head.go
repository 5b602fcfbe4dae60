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

// Limits bound a response head. Zero or less means the default. Both count inclusively: a head of
// exactly Bytes bytes and Fields fields is taken.
type Limits struct {
	Bytes  int // of the whole head with its empty line; at most 2 GiB - 1, as offsets are 32 bits
	Fields int
}

func (l Limits) bounds() (size, fields int) {
	size, fields = l.Bytes, l.Fields
	if size <= 0 {
		size = DefaultHeadBytes
	}
	if fields <= 0 {
		fields = DefaultFields
	}
	return min(size, math.MaxInt32), fields
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
	size, fields := lim.bounds()
	for h.end == 0 {
		if h.parseWhole(buf[:min(len(buf), size)], fields); h.end > 0 {
			break
		}
		i := bytes.IndexByte(buf[h.seen:], '\n')
		if i < 0 {
			return 0, h.starve(buf, size)
		}
		lf := int(h.seen) + i
		if lf >= size {
			return 0, h.tooLarge(buf[:size])
		}
		to := lf
		if to > int(h.line) && buf[to-1] == '\r' {
			to--
		}
		if err := h.parseLine(buf, to, lf+1, fields); err != nil {
			return 0, err
		}
		h.line, h.seen = uint32(lf+1), uint32(lf+1)
	}
	return int(h.end), nil
}

// starve handles a line without an end. What can never become a status line is refused at once: a peer
// of another protocol may send no LF, and then wait for us.
func (h *Head) starve(buf []byte, size int) error {
	if len(buf) >= size {
		return h.tooLarge(buf[:size])
	}
	if h.line == 0 {
		// A CR may be half of a line end: whether the line is too short is seen when it is whole.
		if err := checkVersion(bytes.TrimSuffix(buf, cr)); err != nil {
			return err
		}
	}
	h.seen = uint32(len(buf))
	return ErrNeedMore
}

var cr = []byte{'\r'}

// tooLarge asks for the version first, so that the answer does not depend on how much came at once.
func (h *Head) tooLarge(buf []byte) error {
	if h.line == 0 {
		if err := checkVersion(buf); err != nil {
			return err
		}
	}
	return ErrHeadTooLarge
}

// parseLine reads what parseWhole left: the line from h.line to to; the next one begins at next.
func (h *Head) parseLine(buf []byte, to, next, fields int) error {
	from := int(h.line)
	if from == 0 {
		return h.parseStatus(buf[:to])
	}
	if from < to && isOWS(buf[from]) {
		if h.count == 0 {
			return errFirstFold
		}
		return h.place(int(h.count)-1).unfold(buf, from, to)
	}
	h.noteLast(buf)
	if from == to {
		h.end = uint32(next)
		return nil
	}
	if int(h.count) >= fields {
		return ErrHeadTooLarge
	}
	s, err := parseField(buf, from, to)
	if err != nil {
		return err
	}
	h.add(buf, s)
	return nil
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
		return errNotHTTP
	}
	if c := line[name]; c >= '0' && c <= '9' && c != '1' {
		return errMajor
	}
	return errVersion
}

// parseStatus reads HTTP/1.x SP 3DIGIT [ SP reason ] (RFC 9112 §4). The space before a missing reason
// may be missing too: the grammar asks for it, many servers leave it out, and nothing is in doubt.
func (h *Head) parseStatus(line []byte) error {
	if err := checkVersion(line); err != nil {
		return err
	}
	if len(line) < len(versionPrefix) {
		return errNotHTTP
	}
	const at = len("HTTP/1.1 ")
	if len(line) < at-1 || line[7] < '0' || line[7] > '9' || len(line) >= at && line[8] != ' ' {
		return errVersion
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
