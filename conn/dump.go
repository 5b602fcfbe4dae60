package conn

import (
	"bytes"
	"math"
	"slices"

	"github.com/seed53b03582/troupe/conn/http1"
)

// Tap is shown what goes over a connection, above TLS, as text that is safe to log; sent
// tells which way. Heads come whole, bodies without their framing and as they come; put
// together, the text is the same wherever reads and writes have cut the bytes. Secrets are
// masked as MaskField and MaskBody do it. Lines end with LF, what is not printable is
// escaped as \xNN, and of a body with a coding only the size is told, at its end.
//
// The calls for one direction come in order, but those for the other may come at the same
// time, on another goroutine. It must not block: the connection waits for it.
type Tap func(sent bool, text string)

// Tap shows t, from now on, what is written and read; nil ends that. A connection
// with a tap takes no short ways through the kernel. Only between two requests.
func (c *Conn) Tap(t Tap) {
	if c.tap = nil; t != nil {
		c.tap = &tap{show: t}
	}
}

// tap is a Tap and what it has been shown so far. Of its two sides each belongs to the
// goroutine that writes, or reads.
type tap struct {
	show     Tap
	sent     sentTap
	received message
}

// message masks one message after the other of one direction.
type message struct {
	out  []byte // scratch
	open bool   // a body is being shown
	head headMasker
	body bodyMasker
}

// begin shows a head.
func (m *message) begin(show Tap, sent bool, head []byte, cut bool) {
	m.end(show, sent, false)
	m.head = headMasker{}
	m.print(show, sent, m.head.appendHead(m.out[:0], head, cut))
	m.body.start(&m.head.about, 0)
	m.open = true
}

// more shows some of the body, or, where none is open, of what is no message.
func (m *message) more(show Tap, sent bool, data []byte) {
	if !m.open {
		m.open = true
		m.body.start(&bodyHeader{}, 0)
	}
	m.print(show, sent, m.body.appendTo(m.out[:0], data))
}

// end is the end of the body.
func (m *message) end(show Tap, sent bool, cut bool) {
	if m.open {
		m.open = false
		m.print(show, sent, m.body.end(m.out[:0], cut))
	}
}

// endBody is end with the trailers that the body's framing had.
func (m *message) endBody(show Tap, sent bool, framing *http1.Body, cut bool) {
	if !m.open {
		return
	}
	m.end(show, sent, cut)
	text, fields := m.out[:0], headMasker{begun: true}
	for i := range framing.Trailers() {
		name, value := framing.Trailer(i)
		text = append(fields.appendLine(text, slices.Concat(name, []byte(": "), value), false), '\n')
	}
	m.print(show, sent, text)
}

func (m *message) print(show Tap, sent bool, text []byte) {
	if m.out = text; len(text) > 0 {
		show(sent, string(text))
	}
}

// sentTap finds the messages in what is written: heads, and bodies framed as http1 frames
// them.
type sentTap struct {
	message
	pending []byte // of a head that is not whole
	framed  bool   // a body follows
	framing http1.Body
	broken  bool // nothing is known of what follows
}

// wrote shows what was written.
func (t *tap) wrote(p []byte) {
	s := &t.sent
	for len(p) > 0 {
		switch {
		case s.broken:
			s.more(t.show, true, p)
			return
		case s.framed:
			data, n, err := s.framing.Next(p)
			if len(data) > 0 {
				s.more(t.show, true, data)
			}
			p = p[n:]
			if s.framing.Done() {
				s.framed = false
				s.endBody(t.show, true, &s.framing, false)
			}
			s.broken = err != nil && err != http1.ErrNeedMore
		default:
			p = s.takeHead(t.show, p)
		}
	}
}

// takeHead takes what belongs to a head, and shows it where it is whole.
func (s *sentTap) takeHead(show Tap, p []byte) (rest []byte) {
	had := len(s.pending)
	s.pending = append(s.pending, p...)
	const over = "\r\n\r\n"
	at := bytes.Index(s.pending[max(0, had-len(over)):], []byte(over))
	if at < 0 {
		return nil
	}
	n := max(0, had-len(over)) + at + len(over)
	head := s.pending[:n]
	s.begin(show, true, head, false)
	s.frame(head)
	s.pending = s.pending[:0]
	return p[n-had:]
}

// frame reads how the body ends of a request with that head. An answer with the same fields
// would end alike, but for one without any: there it is until close.
func (s *sentTap) frame(head []byte) {
	var h http1.Head
	_, fields, _ := bytes.Cut(head, []byte("\r\n"))
	answer := append([]byte("HTTP/1.1 200 OK\r\n"), fields...)
	limits := http1.Limits{Bytes: math.MaxInt32, Fields: math.MaxInt32}
	if _, err := h.Parse(answer, limits); err != nil {
		s.broken = true
		return
	}
	s.broken = s.framing.Start("GET", &h, answer, limits) != nil
	s.framed = !s.framing.Done() && s.framing.Framing() != http1.FramingUntilClose
}

// showHead shows a tap the next n bytes of what was received, which are a head. These three
// are small enough to be inlined: without a tap they cost a look.
func (c *Conn) showHead(n int) {
	if c.tap != nil {
		c.tap.headCame(c, n)
	}
}

// showBody shows a tap payload that was received.
func (c *Conn) showBody(data []byte) {
	if c.tap != nil && len(data) > 0 {
		c.tap.received.more(c.tap.show, false, data)
	}
}

// showEnd shows a tap that the message at hand is over, and what has come beside it.
// closed: the connection is, too.
func (c *Conn) showEnd(closed bool) {
	if c.tap != nil {
		c.tap.over(c, closed)
	}
}

func (t *tap) headCame(c *Conn, n int) {
	t.received.endBody(t.show, false, &c.body, false)
	t.received.begin(t.show, false, c.buf[c.r:c.r+n], false)
}

func (t *tap) over(c *Conn, closed bool) {
	t.received.endBody(t.show, false, &c.body, closed && !c.finished)
	if c.r < c.w { // nobody's
		t.received.more(t.show, false, c.buf[c.r:c.w])
		t.received.end(t.show, false, true)
	}
	if closed {
		s := &t.sent
		if len(s.pending) > 0 {
			s.begin(t.show, true, s.pending, true)
			s.pending = nil
		}
		s.end(t.show, true, s.framed)
	}
}
