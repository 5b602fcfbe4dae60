package api

import (
	"bytes"
	"strings"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/transform"
)

// text makes a string of a body: by the charset that contentType names, else by a
// byte order mark, else as UTF-8. A charset that is unknown counts as none.
//
// Names mean what the Encoding Standard says, as in browsers: ISO-8859-1 and
// US-ASCII are windows-1252, and utf-16 is little-endian where no mark tells
// better. The mark of the charset in use is left out, also in UTF-8: it tells how
// to read the text and is no part of it. Bytes that make no sense become U+FFFD;
// but UTF-8 is copied as it is, valid or not.
func text(body []byte, contentType string) string {
	name := charsetName(charsetParam(contentType))
	marked, size := byteOrderMark(body)
	if name == "" || isUTF16(name) && isUTF16(marked) { // in the other order the mark is no character
		name = marked
	}
	if name == marked {
		body = body[size:]
	}
	if name == "" || name == "utf-8" {
		return string(body)
	}
	encoding, _ := charset.Lookup(name)
	decoded, _, _ := transform.Bytes(encoding.NewDecoder(), body) // decoders replace, they do not fail
	return string(decoded)
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

// charsetName is the canonical name of a charset; empty where it is unknown.
func charsetName(label string) string {
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

// charsetParam is the value of the charset parameter of a Content-Type; empty
// where there is none. It reads as browsers do (WHATWG MIME Sniffing §4.4), where
// the first of several counts and nothing is refused: for mime.ParseMediaType one
// odd parameter spoils them all. Beyond that it takes space around the equals sign
// and single quotes, as Requests does.
func charsetParam(contentType string) string {
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
