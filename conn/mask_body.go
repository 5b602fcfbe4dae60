package conn

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
)

// bodyMasker makes text that is safe to show of the body of a message, or of a part of one,
// in pieces that may be cut anywhere.
type bodyMasker struct {
	kind   bodyKind
	exact  bool // text is not escaped
	text   textMasker
	parts  *partsMasker // of bodyParts
	first  []byte       // of bodyUnknown: what may be a boundary, and a header line
	depth  int          // of multipart in multipart
	n      int64        // bytes of bodyCoded and bodySecret
	coding string
}

type bodyKind uint8

const (
	bodyUnknown bodyKind = iota // until its first bytes tell whether it is text or parts
	bodyText
	bodyParts  // multipart
	bodyCoded  // compressed: no text, and nothing in it can be found
	bodySecret // the value of a multipart field
)

// bodyHeader is what of a head tells how to read the body.
type bodyHeader struct {
	contentType string
	coding      string // of Content-Encoding, Transfer-Encoding or Content-Transfer-Encoding
	name        string // of the field, in a part
}

// note takes in a field of the head.
func (h *bodyHeader) note(name, value string) {
	switch strings.ToLower(name) {
	case "content-type":
		h.contentType = value
	case "content-encoding", "transfer-encoding", "content-transfer-encoding":
		for coding := range strings.SplitSeq(strings.ToLower(value), ",") {
			switch coding = strings.TrimSpace(coding); coding {
			case "", "identity", "chunked", "7bit", "8bit", "binary":
			default:
				h.coding = coding
			}
		}
	}
}

const (
	maxBoundary = 200 // RFC 2046 §5.1.1 allows 70
	maxNesting  = 4   // of multipart in multipart
)

// start begins another body. What is left of the one before is dropped.
func (b *bodyMasker) start(h *bodyHeader, depth int) {
	*b = bodyMasker{exact: b.exact, first: b.first[:0], coding: h.coding, depth: depth}
	media, params, err := mime.ParseMediaType(h.contentType)
	if err != nil && media == "" {
		media, _, _ = strings.Cut(h.contentType, ";")
	}
	media = strings.ToLower(strings.TrimSpace(media))
	boundary := params["boundary"]
	switch {
	case h.coding != "":
		b.kind = bodyCoded
	case depth == maxNesting:
		b.kind = bodyText
	case strings.HasPrefix(media, "multipart/"):
		if boundary != "" && len(boundary) <= maxBoundary {
			b.startParts([]byte("--" + boundary))
		}
	case media != "":
		b.kind = bodyText
	}
	b.text = textMasker{lines: true, boundary: true, sniff: true, form: media == "application/x-www-form-urlencoded"}
	b.text.print.exact = b.exact
}

// startParts awaits the first delimiter. Should it be another than the head has said, the
// preamble begins with it.
func (b *bodyMasker) startParts(delimiter []byte) {
	b.kind = bodyParts
	b.parts = &partsMasker{delimiter: delimiter, exact: b.exact, lineStart: true, depth: b.depth + 1}
	b.parts.content.exact = b.exact
	b.parts.content.start(&bodyHeader{}, b.depth+1)
}

// appendTo takes in the next piece.
func (b *bodyMasker) appendTo(dst, piece []byte) []byte {
	if b.kind == bodyUnknown {
		piece = b.find(piece)
	}
	switch b.kind {
	case bodyText:
		return b.text.appendTo(dst, piece)
	case bodyParts:
		return b.parts.appendTo(dst, piece)
	case bodyCoded, bodySecret:
		b.n += int64(len(piece))
	}
	return dst
}

// find keeps what comes until that tells whether the body has parts: a line that begins with
// two dashes, and a header field under it. It gives all that has come then.
func (b *bodyMasker) find(piece []byte) []byte {
	for i, c := range piece {
		b.first = append(b.first, c)
		line, under, whole := bytes.Cut(b.first, []byte("\n"))
		switch {
		case !bytes.HasPrefix([]byte("--"), line[:min(2, len(line))]), len(line) > maxBoundary, whole && len(bytes.TrimSpace(line)) <= len("--"):
			b.kind = bodyText
		case !whole, len(under) < len(partHeader) && bytes.EqualFold(under, []byte(partHeader[:len(under)])):
			continue
		case bytes.EqualFold(under, []byte(partHeader)):
			b.startParts(bytes.Clone(bytes.TrimRight(line, "\r \t")))
		default:
			b.kind = bodyText
		}
		return append(b.first, piece[i+1:]...)
	}
	return nil
}

// partHeader is how the fields begin that parts have.
const partHeader = "content-"

// end shows what is held back. cut tells that the body had not come to its end.
func (b *bodyMasker) end(dst []byte, cut bool) []byte {
	if b.kind == bodyUnknown {
		b.kind = bodyText
		dst = b.text.appendTo(dst, b.first)
	}
	switch {
	case b.kind == bodyText:
		dst = b.text.end(dst, cut)
	case b.kind == bodyParts:
		dst = b.parts.end(dst, cut)
	case b.kind == bodySecret && b.n > 0:
		dst = append(dst, Masked...)
	case b.kind == bodyCoded && b.n > 0:
		dst = fmt.Appendf(dst, "[%d bytes of %s]", b.n, MaskText(printable(b.coding, maxNameShown)))
	}
	b.n = 0
	return dst
}
