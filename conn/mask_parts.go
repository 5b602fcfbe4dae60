package conn

import (
	"bytes"
	"mime"
	"strings"
)

// partsMasker masks a multipart body (RFC 2046 §5.1): of a field with the name of a secret
// (RFC 7578 §4.2) nothing is shown, of others what their own type allows.
//
//	state       event                  next        effect
//	inContent   a delimiter at a line  inDelimiter the part before ends
//	inDelimiter end of the line        inHeaders   or, behind "--", inContent: the epilogue
//	inHeaders   a line                 inHeaders   masked as that of a head
//	inHeaders   an empty line          inContent   the part begins
type partsMasker struct {
	delimiter []byte // with its two dashes
	exact     bool
	depth     int // of the parts

	state     partsState
	lineStart bool
	matched   int    // bytes of the delimiter, at the start of a line
	line      []byte // of inDelimiter and inHeaders; as far as it is kept
	over      int    // bytes of it beyond that
	head      headMasker
	content   bodyMasker
}

type partsState uint8

const (
	inContent partsState = iota
	inDelimiter
	inHeaders
)

// maxPartLine bounds what is kept of a line; a header line that is longer is hidden.
const maxPartLine = 8 << 10

func (p *partsMasker) appendTo(dst, piece []byte) []byte {
	for i := range piece {
		if p.state == inContent {
			dst = p.contentByte(dst, piece[i:i+1])
		} else {
			dst = p.lineByte(dst, piece[i])
		}
	}
	return dst
}

// contentByte takes a byte of a part's content, or of the delimiter that ends it.
func (p *partsMasker) contentByte(dst, b []byte) []byte {
	if p.lineStart && b[0] == p.delimiter[p.matched] {
		if p.matched++; p.matched < len(p.delimiter) {
			return dst
		}
		secret := p.content.kind == bodySecret || p.content.kind == bodyCoded
		if dst = p.content.end(dst, false); secret {
			dst = p.newline(dst) // it was counted to the content
		}
		p.state, p.lineStart, p.matched, p.line, p.over = inDelimiter, false, 0, p.line[:0], 0
		return appendValue(dst, p.delimiter, p.exact, false)
	}
	if p.matched > 0 {
		dst = p.content.appendTo(dst, p.delimiter[:p.matched])
		p.matched = 0
	}
	p.lineStart = b[0] == '\n'
	return p.content.appendTo(dst, b)
}

func (p *partsMasker) newline(dst []byte) []byte {
	if p.exact {
		return append(dst, "\r\n"...)
	}
	return append(dst, '\n')
}

// lineByte takes a byte of a line.
func (p *partsMasker) lineByte(dst []byte, b byte) []byte {
	switch {
	case b == '\n':
		return p.endLine(dst)
	case len(p.line) == maxPartLine:
		p.over++
	default:
		p.line = append(p.line, b)
	}
	return dst
}

func (p *partsMasker) endLine(dst []byte) []byte {
	line, over := bytes.TrimSuffix(p.line, []byte("\r")), p.over > 0
	p.line, p.over, p.lineStart = p.line[:0], 0, true
	if over {
		line = []byte(Masked)
	}
	if p.state == inDelimiter {
		last := bytes.HasPrefix(line, []byte("--"))
		dst = p.newline(appendValue(dst, line, p.exact, false))
		p.state, p.head = inHeaders, headMasker{exact: p.exact, begun: true}
		if last {
			p.state = inContent
			p.content.start(&bodyHeader{contentType: "text/plain"}, maxNesting)
		}
		return dst
	}
	dst = p.newline(p.head.appendLine(dst, line, false))
	if len(line) == 0 {
		p.state = inContent
		p.begin()
	}
	return dst
}

// begin is at a part's content.
func (p *partsMasker) begin() {
	h := &p.head.about
	if h.contentType == "" {
		h.contentType = "text/plain"
	}
	if p.content.start(h, p.depth); SecretName(h.name) {
		p.content.kind = bodySecret
	}
}

func (p *partsMasker) end(dst []byte, cut bool) []byte {
	if p.state == inContent {
		dst = p.content.appendTo(dst, p.delimiter[:p.matched])
		p.matched = 0
		return p.content.end(dst, cut)
	}
	if len(p.line) > 0 || p.over > 0 {
		dst = p.head.appendLine(dst, p.line, true)
	}
	return dst
}

// fieldName is the name in a Content-Disposition, or what may be one on a line that
// continues it.
func fieldName(value string) string {
	if _, params, err := mime.ParseMediaType(value); err == nil {
		return params["name"]
	}
	var names []string // it is not valid: all that may be the name
	for part := range strings.SplitSeq(value, ";") {
		if key, name, found := strings.Cut(part, "="); found && strings.HasPrefix(strings.ToLower(strings.TrimSpace(key)), "name") {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}
