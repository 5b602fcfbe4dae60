package api

import (
	"fmt"
	"io"

	"github.com/seed53b03582/troupe/conn"
)

// copyBuffer is how much a body is copied at a time, in bytes, where the kernel can't
// move it: a step through the connection's actor should be worth it.
const copyBuffer = 128 << 10

// WriteTo writes the rest of the body to dst, which is what io.Copy asks for. A large
// body that is not decoded goes to a file or a socket of package net through the kernel,
// on Linux and over plain TCP. Anything else gets it through its Write, and nothing else of
// it is called: a ReadFrom may be that of a file which it embeds. The error is the body's, as Read gives it, or dst's as it
// is: then the body is given up as by Close, since some of it is lost.
func (b *bodyReader) WriteTo(dst io.Writer) (written int64, err error) {
	sched := b.session.sched
	buf := sched.Grow(nil, copyBuffer, copyBuffer)[:copyBuffer]
	defer sched.KeepMemory(buf)
	pipe := conn.NewPipe(dst)
	if pipe != nil {
		defer pipe.Close()
	}
	for {
		n, piped, err := b.next(buf, pipe)
		if n > 0 {
			var failed error
			if piped {
				n, failed = pipe.Flush(buf)
			} else {
				n, failed = conn.WriteAll(dst, buf[:n])
			}
			written += int64(n)
			if failed != nil {
				b.giveUp(failed)
				return written, failed
			}
		}
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return written, err
		}
	}
}

// giveUp ends a body of which its destination did not take what was read. One that has
// come whole has ended by itself.
func (b *bodyReader) giveUp(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end(fmt.Errorf("troupe: the body was given up, as it could not be written: %w", cause))
}
