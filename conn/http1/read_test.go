package http1

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// answer is all that can be told about one answer, for tests to compare.
type answer struct {
	head     bool // the head is whole
	status   int
	minor    int
	reason   string
	fields   [][2]string
	keep     bool
	framing  Framing
	length   int64
	body     []byte
	trailers [][2]string
	whole    bool // End was right, or the end had come before
	rest     []byte
	err      error // the peer's fault, ErrHeadTooLarge, or ErrTruncated
}

// read plays the owner of a socket that gives in, in pieces of the sizes that cut returns, then closes.
// Each piece comes in a buffer of its own, so that nothing may depend on where the bytes were. If direct
// is set, payload that Want promises is read past Next.
func read(method string, in []byte, lim Limits, cut func() int, direct bool) (a answer) {
	var h Head
	var b Body
	var buf []byte
	left := in
	more := func() bool {
		if len(left) == 0 {
			return false
		}
		n := min(max(cut(), 1), len(left))
		buf = append(bytes.Clone(buf), left[:n]...)
		left = left[n:]
		return true
	}
	n, err := h.Parse(buf, lim)
	for err == ErrNeedMore && more() {
		n, err = h.Parse(buf, lim)
	}
	if err == ErrNeedMore {
		err = ErrTruncated
	}
	if err != nil {
		a.err = err
		return a
	}
	a.head, a.status, a.minor, a.reason, a.keep = true, h.Status(), h.Minor(), string(h.Reason(buf)), h.KeepAlive()
	for i := range h.Len() {
		name, value := h.Field(buf, i)
		a.fields = append(a.fields, [2]string{string(name), string(value)})
	}
	if a.err = b.Start(method, &h, buf[:n], lim); a.err != nil {
		return a
	}
	buf = buf[n:]
	a.framing, a.length = b.Framing(), b.Length()
	for !b.Done() {
		if want := b.Want(); direct && want > 0 && len(buf) > 0 {
			take := int(min(want, int64(len(buf))))
			a.body = append(a.body, buf[:take]...)
			b.Took(take)
			buf = buf[take:]
			continue
		}
		data, n, err := b.Next(buf)
		a.body = append(a.body, data...)
		buf = buf[n:]
		if err == ErrNeedMore {
			if len(buf) != 0 {
				panic("need more with input left")
			}
			if !more() {
				break
			}
		} else if err != nil {
			a.err = err
			return a
		} else if n == 0 && !b.Done() {
			panic("no progress without an error")
		}
	}
	if a.err = b.End(); a.err != nil {
		return a
	}
	a.whole = true
	for i := range b.Trailers() {
		name, value := b.Trailer(i)
		a.trailers = append(a.trailers, [2]string{string(name), string(value)})
	}
	a.rest = append(bytes.Clone(buf), left...)
	return a
}

// bare is a without what an error found: that depends on how much of it had come.
func (a answer) bare() answer {
	if e, ok := a.err.(*Error); ok {
		a.err = &Error{Reason: e.Reason, Section: e.Section}
	}
	return a
}

func atOnce() int { return 1 << 30 }
func byByte() int { return 1 }

// String is the format of the vectors: one fact a line.
func (a answer) String() string {
	var w strings.Builder
	if a.head {
		fmt.Fprintf(&w, "status %d minor %d reason %q\n", a.status, a.minor, a.reason)
		for _, f := range a.fields {
			fmt.Fprintf(&w, "field %q %q\n", f[0], f[1])
		}
		fmt.Fprintf(&w, "keepalive %t\n", a.keep)
	}
	var refused *Error
	if a.head && (a.framing != FramingNone || !errors.As(a.err, &refused)) {
		fmt.Fprintf(&w, "framing %s %d\n", a.framing, a.length)
		fmt.Fprintf(&w, "body %q\n", a.body)
	}
	for _, f := range a.trailers {
		fmt.Fprintf(&w, "trailer %q %q\n", f[0], f[1])
	}
	if len(a.rest) > 0 {
		fmt.Fprintf(&w, "rest %q\n", a.rest)
	}
	if a.err != nil {
		fmt.Fprintf(&w, "error %s\n", a.err)
	}
	return w.String()
}
