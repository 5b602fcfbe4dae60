package conn

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Tap is shown what goes over a connection, above TLS; sent tells which way. data
// is lent for the call. The calls for one direction come in order, but those for
// the other may come at the same time, on another goroutine. It must not block:
// the connection waits for it.
type Tap func(sent bool, data []byte)

// Tap shows t, from now on, what is written and read; nil ends that. A connection
// with a tap takes no short ways through the kernel. Only between two requests.
func (c *Conn) Tap(t Tap) { c.tap = t }

const (
	// maskLineMax bounds what is kept of a line in a head; servers refuse longer
	// ones, and nobody reads them in a log.
	maskLineMax = 8 << 10
	// maskBodyMax is how much of each piece of a body is shown.
	maskBodyMax = 2 << 10
)

// Masker makes text that is safe to log of one direction of a connection. In heads
// it hides the values of the fields that SecretField names, and user info in URLs;
// of each piece of a body it shows the first 2 KiB and counts the rest. Lines end
// with LF, and what is not printable is escaped as \xNN.
//
// The zero value awaits a head. A Masker belongs to one goroutine at a time.
type Masker struct {
	line   []byte // the unfinished line of a head, as far as it is kept
	over   int    // bytes of it beyond that
	begun  bool   // the start line was seen
	again  bool   // another head follows this one: it is that of an interim answer
	secret bool   // the last field was one: its continuation lines are too
	body   bool
}

// Append appends what may be shown of data to dst. A line of a head comes out when
// it is whole, however many pieces it comes in.
func (m *Masker) Append(dst, data []byte) []byte {
	if m.body && startsMessage(data) {
		*m = Masker{line: m.line[:0]}
	}
	for len(data) > 0 && !m.body {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		keep := min(len(line), maskLineMax-len(m.line))
		m.line = append(m.line, line[:keep]...)
		m.over += len(line) - keep
		data = rest
		if whole {
			dst = m.endLine(dst, false)
		}
	}
	if len(data) > 0 {
		dst = m.appendBody(dst, data)
	}
	return dst
}

// Flush appends what is held back of an unfinished line to dst. The next bytes
// begin a new message: call it between two.
func (m *Masker) Flush(dst []byte) []byte {
	if len(m.line) > 0 {
		dst = m.endLine(dst, true)
	}
	*m = Masker{line: m.line[:0]}
	return dst
}

// endLine shows the line that m holds; cut tells that its end has not come.
func (m *Masker) endLine(dst []byte, cut bool) []byte {
	line := m.line
	if m.over == 0 {
		line = bytes.TrimSuffix(line, []byte("\r"))
	}
	switch {
	case !m.begun:
		m.begun = true
		m.again = bytes.HasPrefix(line, []byte("HTTP/1.1 1")) && !bytes.HasPrefix(line, []byte("HTTP/1.1 101"))
	case len(line) == 0 && m.again:
		m.begun, m.again = false, false
	case len(line) == 0:
		m.body = true
	}
	dst = m.appendLine(dst, line, m.over > 0 || cut)
	if m.over > 0 {
		dst = fmt.Appendf(dst, "[%d bytes more]", m.over)
	}
	m.line, m.over = m.line[:0], 0
	return append(dst, '\n')
}

// appendLine shows one line without what is secret in it.
func (m *Masker) appendLine(dst, line []byte, cut bool) []byte {
	if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		if m.secret {
			return append(dst, " "+Masked...)
		}
		return appendSafe(dst, line, cut)
	}
	name, _, found := bytes.Cut(line, []byte(":"))
	if m.secret = found && SecretField(string(bytes.TrimSpace(name))); m.secret {
		return append(append(appendSafe(dst, name, false), ": "...), Masked...)
	}
	return appendSafe(dst, []byte(MaskText(string(line))), cut)
}

// appendBody shows a piece of a body. Its lines are masked like those of a head: a
// server that echoes a request gives its secrets back.
func (m *Masker) appendBody(dst, data []byte) []byte {
	shown := data[:min(len(data), maskBodyMax)]
	for line := range bytes.Lines(shown) {
		line, whole := bytes.CutSuffix(line, []byte("\n"))
		dst = append(m.appendLine(dst, bytes.TrimSuffix(line, []byte("\r")), !whole), '\n')
	}
	if more := len(data) - len(shown); more > 0 {
		dst = fmt.Appendf(dst, "[%d bytes more]\n", more)
	}
	return dst
}

// startsMessage tells whether a piece that is not expected to begins with a head's
// start line, or, where there is less of it, may do so: what follows is a head's then,
// and its secrets are known as such.
func startsMessage(data []byte) bool {
	const version = "HTTP/1."
	if len(data) < len(version) {
		return len(data) > 0 && version[:len(data)] == string(data)
	}
	line, _, _ := bytes.Cut(data[:min(len(data), maskLineMax)], []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	return bytes.HasPrefix(line, []byte(version)) ||
		bytes.HasSuffix(line, []byte(" HTTP/1.1")) || bytes.HasSuffix(line, []byte(" HTTP/1.0"))
}

// appendSafe appends text without user info and control characters. cut tells that
// more of it would follow, which may be what makes its end user info.
func appendSafe(dst, text []byte, cut bool) []byte {
	for {
		before, after, found := bytes.Cut(text, []byte("://"))
		dst = appendPrintable(dst, before)
		if !found {
			return dst
		}
		dst = append(dst, "://"...)
		end := bytes.IndexAny(after, "/?# \t\"<>")
		if end < 0 && cut {
			return append(dst, Masked...)
		}
		if end < 0 {
			end = len(after)
		}
		if at := bytes.LastIndexByte(after[:end], '@'); at >= 0 {
			dst = append(dst, Masked+"@"...)
			after = after[at+1:]
		}
		text = after
	}
}

func appendPrintable(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == '\t' || unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			dst = append(dst, text[:n]...)
		} else {
			for _, b := range text[:n] {
				dst = fmt.Appendf(dst, `\x%02x`, b)
			}
		}
		text = text[n:]
	}
	return dst
}
