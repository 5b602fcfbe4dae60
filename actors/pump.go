package actors

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/http1"
)

const (
	// pumpSize is how much of a body is read, and written, at a time.
	pumpSize = 32 << 10
	// chunkRoom is kept free before the data for a chunk's size line.
	chunkRoom = len("7fffffff\r\n")
	// maxEmptyReads in a row end a body: its reader makes no progress.
	maxEmptyReads = 100
)

// pump reads a body of the caller's making on a goroutine of its own, one piece
// ahead of the socket. A Read that blocks can't be ended from here: a call that
// leaves leaves the goroutine behind, and that ends when its Read returns.
type pump struct {
	r       io.Reader
	size    int64
	started bool

	all  *readers // of the session; nil: Read never blocks
	self reader   // this goroutine, among them

	full  chan filled   // from the goroutine, in order
	empty chan []byte   // buffers to fill
	quit  chan struct{} // closed by stop
	done  chan struct{} // closed when the goroutine reads no more

	buf []byte // the buffer that piece is part of

	// The current piece, framed and ready to be written.
	piece []byte
	last  bool
}

type filled struct {
	buf   []byte
	piece []byte
	last  bool
	err   error
}

// newPump makes a pump for the Reader of b. Nothing is read before start.
func newPump(b *Body, all *readers) *pump {
	if b.Quick {
		all = nil
	}
	return &pump{r: b.Reader, size: b.Size, all: all, full: make(chan filled, 1), empty: make(chan []byte, 2), quit: make(chan struct{}), done: make(chan struct{})}
}

// start begins to read, once.
func (p *pump) start() {
	if p.started {
		return
	}
	p.started = true
	p.empty <- make([]byte, chunkRoom+pumpSize+len(http1.ChunkEnd)+len(http1.LastChunk))
	p.empty <- nil // the second buffer is made when there is a second piece
	if p.all != nil {
		p.self.method = "Read"
		p.self.call.Take()
		if !p.all.enter(&p.self) {
			close(p.done) // the session has ended, which next tells
			return
		}
	}
	go p.run(p.r, p.size)
}

// stop lets the goroutine end, now or when its Read returns; with wait it waits
// for that.
func (p *pump) stop(wait bool) {
	close(p.quit)
	if !p.started {
		close(p.done)
	}
	if wait {
		<-p.done
	}
}

// next makes the next piece the current one. The memory of the one before goes
// back to be filled. It reports false, without an error, when answered was closed
// before a piece was there.
func (p *pump) next(ctx, session context.Context, answered <-chan struct{}) (got bool, err error) {
	if p.buf != nil {
		p.empty <- p.buf
		p.buf = nil
	}
	select {
	case f := <-p.full:
		p.buf, p.piece, p.last = f.buf, f.piece, f.last
		return true, f.err
	case <-answered:
		return false, nil
	case <-ctx.Done():
		return false, Ended(ctx)
	case <-session.Done():
		return false, ErrSessionClosed
	}
}

func (p *pump) run(r io.Reader, size int64) {
	defer p.ended()
	left := size
	reading := false
	defer func() {
		switch v := recover(); {
		case v != nil: // not Read's: see fill
			p.deliver(filled{err: conn.NewPanicError(v)})
		case reading: // Read ended this goroutine: nobody else will tell
			p.deliver(filled{err: errReaderExited})
		}
	}()
	for {
		var buf []byte
		select {
		case buf = <-p.empty:
		case <-p.quit:
			return
		}
		if p.stopped() { // both were there
			return
		}
		if buf == nil {
			buf = make([]byte, chunkRoom+pumpSize+len(http1.ChunkEnd)+len(http1.LastChunk))
		}
		reading = true
		f := fill(r, buf, left, size)
		reading = false
		if size >= 0 {
			left -= int64(len(f.piece))
		}
		if !p.deliver(f) || f.last || f.err != nil {
			return
		}
	}
}

// stopped tells whether nobody wants more: the body may be closed by now.
func (p *pump) stopped() bool {
	select {
	case <-p.quit:
		return true
	default:
		return false
	}
}

// ended tells that nobody reads any more.
func (p *pump) ended() {
	if p.all != nil {
		p.all.leave(&p.self)
	}
	close(p.done)
}

// deliver hands f over; false when the call has left.
func (p *pump) deliver(f filled) bool {
	select {
	case p.full <- f:
		return true
	case <-p.quit:
		return false
	}
}

var errReaderExited = errors.New("the reader of the body ended its goroutine (runtime.Goexit)")

// fill reads one piece into buf and frames it.
func fill(r io.Reader, buf []byte, left, size int64) (f filled) {
	f.buf = buf
	defer func() {
		if v := recover(); v != nil {
			f.err = conn.NewPanicError(v)
		}
	}()
	room := buf[chunkRoom : chunkRoom+pumpSize]
	if size >= 0 && int64(len(room)) > left {
		room = room[:left]
	}
	n, err := readSome(r, room)
	switch {
	case err != nil && err != io.EOF:
		f.err = fmt.Errorf("reading the body: %w", err)
	case size >= 0:
		f.piece, f.last = room[:n], int64(n) == left
		if err == io.EOF && !f.last {
			f.err = &conn.ShortFileError{Want: size, Got: size - left + int64(n)}
		}
	default:
		f.piece, f.last = frame(buf, n, err == io.EOF), err == io.EOF
	}
	return f
}

// readSome reads at least one byte, or gives io.EOF, perhaps with the last ones.
func readSome(r io.Reader, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for range maxEmptyReads {
		n, err := r.Read(p)
		if n < 0 || n > len(p) {
			return 0, errors.New("the reader gave an impossible count")
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// frame makes a chunk of the n bytes at buf[chunkRoom:], without moving them.
func frame(buf []byte, n int, last bool) []byte {
	start, end := chunkRoom, chunkRoom+n
	if n > 0 {
		var line [chunkRoom]byte
		size := http1.AppendChunkHead(line[:0], n)
		start -= len(size)
		copy(buf[start:], size)
		end += copy(buf[end:], http1.ChunkEnd)
	}
	if last {
		end += copy(buf[end:], http1.LastChunk)
	}
	return buf[start:end]
}
