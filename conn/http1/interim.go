package http1

import "bytes"

// maxInterim bounds the 1xx answers before the final one (RFC 9110 §15.2 sets no bound).
// Servers send one or two.
const maxInterim = 16

// Heads reads the heads of one answer: its interim ones (1xx), if there are any, and the
// final one. The zero value is ready; Reset makes it so for the next answer.
type Heads struct {
	interim uint8
	// Upgrade takes a 101 for the final answer: the request asked for another protocol.
	Upgrade bool
}

// Next takes in the head that buf begins with, as Head.Parse does, into h: the same while
// that grows, and empty for the next. n is its length; final tells that it is the answer's own, behind
// which comes the body. Of an interim one the caller drops n bytes and asks again. One more
// than 16 of them, and a 101 that nobody asked for, is an *Error: nothing of what
// follows can be trusted.
func (r *Heads) Next(h *Head, buf []byte, lim Limits) (n int, final bool, err error) {
	n, err = h.Parse(buf, lim)
	if err != nil {
		return n, false, err
	}
	switch status := h.Status(); {
	case status >= 200, status == 101 && r.Upgrade:
		return n, true, nil
	case status == 101:
		return 0, false, &Error{Reason: "the server switched protocols unasked", Section: "RFC 9110 §15.2.2", Found: firstLine(buf[:n], lim.Secret)}
	case r.interim == maxInterim:
		return 0, false, &Error{Reason: "more than 16 interim (1xx) answers", Section: "RFC 9110 §15.2", Found: firstLine(buf[:n], lim.Secret)}
	}
	r.interim++
	return n, false, nil
}

// firstLine quotes what bytes begin with.
func firstLine(b []byte, secret func(name string) bool) string {
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	return Quote(bytes.TrimSuffix(line, []byte{'\r'}), secret)
}

// Interim tells whether an interim answer has come.
func (r *Heads) Interim() bool { return r.interim > 0 }

// Reset begins the next answer.
func (r *Heads) Reset() { *r = Heads{} }
