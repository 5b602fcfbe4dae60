package bench

import (
	"bytes"
	"errors"
	"io"
	"strconv"
)

// answers are the prepared ones, by path.
type answers map[string][]byte

func newAnswers(cells []Cell) answers {
	a := answers{Cell{}.path(): Cell{}.answer()}
	for _, c := range cells {
		a[c.path()] = c.answer()
	}
	return a
}

// requests takes the requests of one connection apart. Of a head it looks at the path
// and, unless it is a GET, at Content-Length.
type requests struct {
	answers answers
	due     []byte // what is to be answered once the request's body is here
	skip    int    // bytes of that body still to come
}

var (
	emptyLine     = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	errStrange    = errors.New("this is no request of a cell")
)

// next takes one request off in and gives the answer to it; nil if the request is not
// all there.
func (r *requests) next(in []byte) (rest, answer []byte, err error) {
	if r.due == nil {
		i := bytes.Index(in, emptyLine)
		if i < 0 {
			return in, nil, nil
		}
		if err := r.head(in[:i+2]); err != nil {
			return nil, nil, err
		}
		in = in[i+len(emptyLine):]
	}
	n := min(r.skip, len(in))
	in, r.skip = in[n:], r.skip-n
	if r.skip > 0 {
		return in, nil, nil
	}
	answer, r.due = r.due, nil
	return in, answer, nil
}

func (r *requests) head(head []byte) error {
	method, target, _ := bytes.Cut(head, []byte(" "))
	path, _, _ := bytes.Cut(target, []byte(" "))
	if r.due = r.answers[string(path)]; r.due == nil {
		return errStrange
	}
	if string(method) == "GET" {
		return nil
	}
	_, fields, ok := bytes.Cut(head, contentLength)
	length, _, _ := bytes.Cut(fields, []byte("\r\n"))
	var err error
	if r.skip, err = strconv.Atoi(string(length)); !ok || err != nil || r.skip < 0 {
		return errStrange
	}
	return nil
}

// gather is how large answers may be for them to be copied together for one write.
const gather = 16 << 10

// serve answers until the client hangs up or sends what is not understood. A head that
// comes in parts is put together at the buffer's start; one that does not fit ends the
// connection.
func serve(c io.ReadWriter, answers answers) {
	r := requests{answers: answers}
	buf := make([]byte, 16<<10)
	var out []byte
	for kept := 0; kept < len(buf); {
		n, err := c.Read(buf[kept:])
		if err != nil {
			return
		}
		in := buf[:kept+n]
		for {
			var answer []byte
			if in, answer, err = r.next(in); err != nil {
				return
			}
			if answer == nil {
				break
			}
			if len(answer) > gather && len(out) == 0 {
				if _, err := c.Write(answer); err != nil {
					return
				}
				continue
			}
			out = append(out, answer...)
		}
		if r.skip > len(buf) { // with nothing left in it
			buf = make([]byte, 128<<10)
		}
		kept = copy(buf, in)
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return
			}
			out = out[:0]
		}
	}
}
