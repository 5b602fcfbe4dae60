package http1

import "strconv"

const (
	ChunkEnd  = "\r\n"      // follows a chunk's data
	LastChunk = "0\r\n\r\n" // ends a chunked body without trailers
)

// AppendRequestLine appends "METHOD SP target SP HTTP/1.1 CRLF" (RFC 9112 §3). If a part is invalid it
// returns dst unchanged and a *FieldError.
func AppendRequestLine(dst []byte, method, target string) ([]byte, error) {
	if !ValidMethod(method) {
		return dst, &FieldError{"method", method[:prefix(method, isToken)], tokenFault(method)}
	}
	if !ValidTarget(target) {
		reason := "only visible ASCII characters are allowed"
		if target == "" {
			reason = "empty"
		}
		return dst, &FieldError{"target", "", reason}
	}
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	return append(dst, " HTTP/1.1\r\n"...), nil
}

// AppendField appends "name: value CRLF" (RFC 9112 §5), the name as given, the value without spaces and
// tabs around it. If a part is invalid it returns dst unchanged and a *FieldError.
func AppendField(dst []byte, name, value string) ([]byte, error) {
	if !ValidFieldName(name) {
		// Only the valid part is told: a whole line passed as a name would carry its value.
		return dst, &FieldError{"header name", name[:prefix(name, isToken)], tokenFault(name)}
	}
	for value != "" && isOWS(value[0]) {
		value = value[1:]
	}
	for value != "" && isOWS(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	if !ValidFieldValue(value) {
		return dst, &FieldError{"header value", name, "contains a control character"}
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...), nil
}

// AppendUintField appends a field whose value is a number, as Content-Length. The name is not checked:
// it is the caller's constant, not a user's input.
func AppendUintField(dst []byte, name string, n uint64) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = strconv.AppendUint(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendEnd appends the empty line that ends a head.
func AppendEnd(dst []byte) []byte { return append(dst, "\r\n"...) }

// AppendChunkHead appends the size line of a chunk of n bytes (RFC 9112 §7.1); the data and ChunkEnd
// follow. It panics if n is not above 0: a chunk of 0 would end the body.
func AppendChunkHead(dst []byte, n int) []byte {
	if n <= 0 {
		panic("http1: a chunk needs data")
	}
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, "\r\n"...)
}

// ValidMethod reports whether s is a token (RFC 9110 §9.1).
func ValidMethod(s string) bool { return s != "" && only(s, isToken) }

// ValidTarget reports whether s is of visible ASCII characters, and not empty. Whether it is a proper
// URI is for the caller to know; this much keeps it from being more than a target (RFC 9112 §3.2).
func ValidTarget(s string) bool { return s != "" && only(s, isTarget) }

// ValidFieldName reports whether s is a token (RFC 9110 §5.1).
func ValidFieldName(s string) bool { return s != "" && only(s, isToken) }

// ValidFieldValue reports whether s has no control character but HTAB; bytes beyond ASCII are allowed
// (RFC 9110 §5.5).
func ValidFieldValue(s string) bool { return onlyValue(s) }

func tokenFault(s string) string {
	if s == "" {
		return "empty"
	}
	return "only letters, digits and !#$%&'*+-.^_`|~ are allowed"
}
