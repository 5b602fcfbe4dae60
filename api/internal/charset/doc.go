// Package charset makes UTF-8 of the bytes of a body: by the charset that its Content-Type
// names, by a byte order mark, and for JSON by its first characters.
//
// It keeps no state: its functions may be used from any number of goroutines. They leave the
// body as it is, and JSON may return a part of it. They never fail: what makes no sense
// becomes U+FFFD.
package charset
