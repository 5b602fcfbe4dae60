package conn

import (
	"bytes"
	"strings"
)

// headMasker masks the lines of a head, and notes what they say about the body.
type headMasker struct {
	exact    bool
	begun    bool // the start line was shown
	secret   bool // the last field was one: its continuation lines are too
	disposed bool // the last field was a Content-Disposition
	about    bodyHeader
}

// appendHead shows a head, line by line. cut tells that its end has not come.
func (m *headMasker) appendHead(dst, head []byte, cut bool) []byte {
	for line := range bytes.Lines(head) {
		line, whole := bytes.CutSuffix(line, []byte("\n"))
		dst = m.appendLine(dst, bytes.TrimSuffix(line, []byte("\r")), cut && !whole)
		dst = append(dst, '\n')
	}
	return dst
}

// appendLine shows one line, without its end. cut tells that more of it would follow.
func (m *headMasker) appendLine(dst, line []byte, cut bool) []byte {
	before, value, found := bytes.Cut(line, []byte(":"))
	if !m.begun {
		m.begun = true
		if !found || bytes.ContainsAny(before, " \t") { // else it is no start line
			return appendValue(dst, line, m.exact, cut)
		}
	}
	if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		if m.disposed {
			m.about.name += " " + fieldName("form-data;"+string(line))
		}
		if m.secret {
			return append(dst, " "+Masked...)
		}
		return appendValue(dst, line, m.exact, cut)
	}
	name := string(bytes.TrimSpace(before))
	m.secret, m.disposed = found && SecretField(name), false
	switch {
	case !found:
		return appendValue(dst, line, m.exact, cut)
	case m.secret:
		return append(append(appendValue(dst, before, m.exact, false), ": "...), Masked...)
	}
	value = bytes.TrimLeft(value, " \t")
	m.about.note(name, string(bytes.TrimRight(value, " \t")))
	if m.disposed = strings.EqualFold(name, "Content-Disposition"); m.disposed {
		m.about.name = fieldName(string(value))
	}
	dst = append(appendValue(dst, before, m.exact, false), line[len(before):len(line)-len(value)]...)
	text := textMasker{boundary: true, whole: holdsURL(name)}
	text.print.exact = m.exact
	return text.end(text.appendTo(dst, value), cut)
}

// holdsURL tells of fields whose value is a URL as a whole.
func holdsURL(name string) bool {
	switch strings.ToLower(name) {
	case "location", "content-location", "referer", "origin", "destination":
		return true
	}
	return false
}

// appendValue shows a text that is no body: a start line, or the value of a field.
func appendValue(dst, text []byte, exact, cut bool) []byte {
	m := textMasker{boundary: true}
	m.print.exact = exact
	return m.end(m.appendTo(dst, text), cut)
}

// MaskField gives the value of a header field as it may be shown: Masked where SecretField
// knows the name, else the value without the secrets within it.
func MaskField(name, value string) string {
	if SecretField(name) {
		return Masked
	}
	if holdsURL(name) {
		return MaskURL(value)
	}
	return maskString(value, textMasker{boundary: true})
}

// MaskBody gives the body of a message as it may be shown, by what its head says about it:
// the Content-Type and the Content-Encoding, which may both be empty.
func MaskBody(body []byte, contentType, coding string) string {
	var h bodyHeader
	h.note("Content-Type", contentType)
	h.note("Content-Encoding", coding)
	b := bodyMasker{exact: true}
	b.start(&h, 0)
	return string(b.end(b.appendTo(nil, body), false))
}
