package charset

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// Text makes a string of a body: by the charset that contentType names, else by a
// byte order mark, else as UTF-8. A charset that is unknown counts as none.
//
// Names mean what the Encoding Standard says, as in browsers: ISO-8859-1 and
// US-ASCII are windows-1252, and utf-16 is little-endian where no mark tells
// better. The mark of the charset in use is left out, also in UTF-8: it tells how
// to read the text and is no part of it. The string is valid UTF-8: bytes that make
// no sense become U+FFFD, as many as the Encoding Standard makes of them.
func Text(body []byte, contentType string) string {
	name := canonical(param(contentType))
	marked, size := byteOrderMark(body)
	if name == "" || isUTF16(name) && isUTF16(marked) { // in the other order the mark is no character
		name = marked
	}
	if name == marked {
		body = body[size:]
	}
	if name != "" && name != "utf-8" {
		named, _ := charset.Lookup(name)
		body = decode(named, body)
	}
	if !utf8.Valid(body) {
		body = decode(unicode.UTF8, body)
	}
	return string(body)
}

// decode makes UTF-8 of body.
func decode(from encoding.Encoding, body []byte) []byte {
	decoded, _, _ := transform.Bytes(from.NewDecoder(), body) // decoders replace, they do not fail
	return decoded
}

// JSON makes UTF-8 of a JSON text, without a byte order mark. JSON is Unicode, and
// which form of it its first two characters tell, as they are ASCII: UTF-16 and UTF-32
// have zeros there (RFC 4627 §3; since RFC 8259 §8.1 only UTF-8 is to be sent, and a mark
// may be ignored). The charset that contentType names means nothing (RFC 8259 §11), but
// where the bytes are no UTF-8 at all it is the best guess.
func JSON(body []byte, contentType string) []byte {
	switch marked, size := byteOrderMark(body); {
	case marked == "utf-8":
		body = body[size:]
	case len(body) >= 2 && (marked != "" || body[0] == 0 || body[1] == 0):
		return decode(wideUnicode(body), body)
	}
	if name := canonical(param(contentType)); name != "" && name != "utf-8" && !utf8.Valid(body) {
		named, _ := charset.Lookup(name)
		return decode(named, body)
	}
	return body
}

// wideUnicode tells UTF-16 from UTF-32, and the order of their bytes, by the first
// characters of a JSON text, which are a mark or ASCII. Its decoders drop the mark.
func wideUnicode(body []byte) encoding.Encoding {
	var zeros uint8
	for i := range min(len(body), 4) {
		if body[i] == 0 {
			zeros |= 8 >> i
		}
	}
	switch first := body[0]; {
	case len(body) >= 4 && (zeros == 0b1110 || zeros == 0b1100):
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	case len(body) >= 4 && (zeros == 0b0111 || zeros == 0b0011):
		return utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)
	case first == 0 || first == 0xfe:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	}
	return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
}

// byteOrderMark tells which charset a mark stands for and its size in bytes
// (Unicode §23.8); empty where there is none.
func byteOrderMark(body []byte) (name string, size int) {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return "utf-8", 3
	case bytes.HasPrefix(body, []byte("\xff\xfe")):
		return "utf-16le", 2
	case bytes.HasPrefix(body, []byte("\xfe\xff")):
		return "utf-16be", 2
	}
	return "", 0
}

func isUTF16(name string) bool { return strings.HasPrefix(name, "utf-16") }

// canonical is the canonical name of a charset; empty where it is unknown.
func canonical(label string) string {
	if label == "" {
		return ""
	}
	if strings.EqualFold(label, "utf-8") { // nearly all there is
		return "utf-8"
	}
	_, name := charset.Lookup(label)
	if name == "replacement" {
		// It stands for charsets that browsers refuse, as dangerous to pages, and
		// makes one U+FFFD of anything: the text would be lost.
		return ""
	}
	return name
}

// param is the value of the charset parameter of a Content-Type; empty
// where there is none. It reads as browsers do (WHATWG MIME Sniffing §4.4), where
// the first of several counts and nothing is refused: for mime.ParseMediaType one
// odd parameter spoils them all. Beyond that it takes space around the equals sign
// and single quotes, as Requests does.
func param(contentType string) string {
	_, rest, more := strings.Cut(contentType, ";")
	for more {
		var name, value string
		end := strings.IndexAny(rest, ";=")
		if end < 0 {
			return ""
		}
		name = rest[:end]
		if rest[end] == '=' {
			value, rest, more = paramValue(rest[end+1:])
		} else {
			rest = rest[end+1:]
		}
		if value != "" && strings.EqualFold(strings.Trim(name, httpSpace), "charset") {
			return value
		}
	}
	return ""
}

// httpSpace is what may stand around names and values; line ends are those of a
// folded line.
const httpSpace = " \t\r\n"

// paramValue splits the value off what follows an equals sign.
func paramValue(s string) (value, rest string, more bool) {
	s = strings.TrimLeft(s, httpSpace)
	if s == "" || s[0] != '"' {
		value, rest, more = strings.Cut(s, ";")
		return strings.Trim(value, httpSpace+"'"), rest, more
	}
	s = s[1:]
	end := 0
	for end < len(s) && s[end] != '"' {
		if s[end] == '\\' {
			end++ // a quoted pair: no charset's name needs one
		}
		end++
	}
	end = min(end, len(s)) // a missing quote ends with the field
	_, rest, more = strings.Cut(s[end:], ";")
	return strings.Trim(s[:end], httpSpace+"'"), rest, more
}
