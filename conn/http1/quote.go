package http1

import (
	"strconv"
	"unicode/utf8"
)

// maxFound is how many characters of a peer's bytes an error shows: a line of a terminal.
const maxFound = 80

// of is e with the peer's bytes that it is about. They are a line, or the beginning of one;
// secret tells which fields' values are not to be shown.
func (e *Error) of(line []byte, secret func(name string) bool) *Error {
	found := *e
	found.Found = Quote(line, secret)
	return &found
}

// quoted is err with the line it is about, if it is one of this package's.
func quoted(err error, line []byte, secret func(name string) bool) error {
	if e, ok := err.(*Error); ok && e.Found == "" {
		return e.of(line, secret)
	}
	return err
}

// quotedFold is quoted for a continuation line: with the field's name before it.
func quotedFold(err error, name, line []byte, secret func(name string) bool) error {
	whole := append(append(append([]byte(nil), name...), ": "...), line...)
	return quoted(err, whole, secret)
}

// Quote puts what a peer sent in quotes, as Go writes strings, cut to 80 characters. Where it
// looks like a field, or has a parameter, whose name is secret, *** stands for all that
// follows; a nil secret takes every name for one.
func Quote(line []byte, secret func(name string) bool) string {
	line = line[:min(len(line), utf8.UTFMax*maxFound)]
	shown := secretFrom(line, secret)
	out, whole := appendEscaped([]byte{'"'}, line[:shown])
	switch {
	case !whole:
		out = append(out, "…"...)
	case shown < len(line):
		out = append(out, "***"...)
	}
	return string(append(out, '"'))
}

// appendEscaped appends as much of s as has room. whole tells that it was all.
func appendEscaped(dst, s []byte) (out []byte, whole bool) {
	var escaped []byte
	for room := maxFound; len(s) > 0; {
		_, n := utf8.DecodeRune(s)
		escaped = strconv.AppendQuote(escaped[:0], string(s[:n]))
		shown := escaped[1 : len(escaped)-1]
		if room -= utf8.RuneCount(shown); room < 0 {
			return dst, false
		}
		dst = append(dst, shown...)
		s = s[n:]
	}
	return dst, true
}

// secretFrom is where in a line the first secret may begin: behind a colon or an equals sign
// with a secret's name before it, or behind a first word that is one. The line can't be
// trusted to be a field, so the name is looked for in whatever is left of it.
func secretFrom(line []byte, secret func(name string) bool) int {
	var names []byte           // the characters of names up to the first separator, in one
	word, wordEnd := 0, 0      // line[word:wordEnd] is the last name
	headEnd, named := 0, false // the end of the first word, where that is secret; a separator came
	for i, c := range line {
		switch {
		case class[c]&isToken != 0:
			if i > wordEnd {
				word = i
			}
			if wordEnd = i + 1; !named {
				names = append(names, c)
			}
		case c == ':' || c == '=':
			if secret == nil || secret(string(line[word:wordEnd])) || !named && secret(string(names)) {
				if headEnd > 0 && word > headEnd {
					return headEnd
				}
				return i + 1
			}
			named = true
		case secret != nil && headEnd == 0 && len(names) == i-word && secret(string(names)):
			headEnd = i
		}
	}
	if headEnd > 0 {
		return headEnd
	}
	return len(line)
}
