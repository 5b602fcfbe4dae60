package conn

import (
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// Conn is one connection. See the package comment for who may call what.
type Conn struct {
	// What a small request touches comes first, since it is no more in the cache when
	// the answer comes.
	sock    socket
	buffers *Buffers
	lent    *[]byte // nil while idle
	buf     []byte  // *lent
	r, w    int     // buf[r:w] has been read from the socket and not been used
	ask     ask

	direct   bool // a socket of package net, whose descriptor may be used behind its back
	secure   bool // TLS lies over the socket
	watched  bool // watch has been used
	begun    bool // a request was
	sentAll  bool // the whole request went out
	keep     bool // the answer's head allows reuse
	finished bool // the whole answer came in
	dead     bool // a look said so, and may have taken what it saw
	lenient  bool // answers are read so
	torn     bool // a write failed: whether the peer closed in good order can't be known

	heard     bool // a byte came in since the request began
	continued bool // a 100 did, while it went out
	heads     http1.Heads
	pending   error // of a read beside the writing, for the next one

	tap     *tap         // or nil
	clock   func() int64 // or nil
	wroteAt int64
	firstAt int64
	body    http1.Body

	nc     net.Conn // what is read and written: sock, or TLS over it
	remote net.Addr
	watch  watch
	shared shared
}

// New takes over nc, which Dial or DialThrough has opened.
func New(nc net.Conn, buffers *Buffers) *Conn {
	if adopted, err := adopt(nc, nil); err == nil { // else it is closed by now
		nc = adopted
	}
	return newConn(nc, buffers)
}

func newConn(nc net.Conn, buffers *Buffers) *Conn {
	c := &Conn{remote: nc.RemoteAddr(), buffers: buffers}
	c.watch.stall, c.watch.look, c.watch.finish = stallTime, lookTime, finishTime
	c.sock.open(nc)
	c.nc = &c.sock
	c.direct = c.sock.raw != nil
	return c
}

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Interrupt ends the connection from any goroutine: what is being read or
// written returns at once, and every error from then on wraps cause. Only the
// first cause counts.
func (c *Conn) Interrupt(cause error) { c.sock.interrupt(cause) }

// Close ends the connection. Over TLS it says so to the peer where that can't
// block for long (RFC 9112 §9.8).
func (c *Conn) Close() {
	if t, ok := c.nc.(*tls.Conn); ok && c.Reusable() && c.sock.cause.Load() == nil {
		enough := time.AfterFunc(closeGrace, func() { c.sock.interrupt(ErrClosed) })
		t.Close()
		enough.Stop()
	}
	c.sock.Close()
	c.unwatch()
	c.showEnd(true)
	c.giveBack()
}

// Gone is closed once the driver's Close has returned, where that may take its time: for
// a socket of package net it is nil. Only behind Close or Interrupt.
func (c *Conn) Gone() <-chan struct{} {
	if f := c.sock.floor().own; f != nil {
		return f.gone()
	}
	return nil
}

// start forgets the request before.
func (c *Conn) start() {
	c.unwatch()
	c.sock.sure()
	c.begun, c.sentAll, c.keep, c.finished = true, false, false, false
	c.heard, c.continued, c.pending = false, false, nil
	c.heads.Reset()
	c.wroteAt, c.firstAt = 0, 0
	if c.watched {
		c.watched, c.watch.found = false, unheard
		select {
		case <-c.watch.told: // not taken
		default:
		}
	}
}

// Write sends a request's head and the body behind it, in one system call where
// the socket can. whole tells that nothing more of the request follows. It ends
// with ErrAnswered where the server answers before that, as More, SendFile and Ask
// do.
func (c *Conn) Write(head, body []byte, whole bool) (Sent, error) {
	c.start()
	c.watch.head = isHead(head)
	if len(body) > 0 || len(head) > takenAtOnce {
		c.watchOut()
	}
	n, err := c.put(head, body)
	return c.sent(n, int64(len(head)+len(body)), whole, err)
}

func isHead(head []byte) bool { return len(head) > 5 && string(head[:5]) == "HEAD " }

// put writes head and body. Only plain sockets tell how much of a write went out
// that was ended on the way.
func (c *Conn) put(head, body []byte) (n int64, err error) {
	resumes := c.direct && !c.secure
	for len(head)+len(body) > 0 {
		long, err := c.pace(resumes)
		if err != nil {
			return n, err
		}
		piece := body
		if !long {
			piece = body[:min(len(body), stride)]
		}
		k, err := c.gather(head, piece)
		n += k
		if err != nil && !(long && c.woken(err)) {
			return n, err
		}
		ofHead := min(int(k), len(head))
		head, body = head[ofHead:], body[int(k)-ofHead:]
	}
	return n, nil
}

// gather writes both in one system call where the socket can.
func (c *Conn) gather(head, piece []byte) (n int64, err error) {
	if len(head) > 0 && len(piece) > 0 && c.tap == nil {
		parts := net.Buffers{head, piece}
		return parts.WriteTo(c.gatherer())
	}
	for _, p := range [...][]byte{head, piece} {
		if len(p) > 0 { // TLS would send an empty record
			k, err := c.write(p)
			n += int64(k)
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// gatherer is where several pieces are written to. Only the sockets of package
// net know writev; a driver's conn that embeds one would have its own Write passed
// by.
func (c *Conn) gatherer() net.Conn {
	if c.secure {
		return c.nc
	}
	if c.direct {
		return c.sock.Conn
	}
	return c.nc
}

// More sends a further piece of the body. whole tells that it is the last, which
// may be empty.
func (c *Conn) More(p []byte, whole bool) (Sent, error) {
	if len(p) > 0 || !whole { // also while the first piece is awaited, behind an Expect
		c.watchOut()
	}
	if len(p) > 0 {
		if _, err := c.put(nil, p); err != nil {
			return SentPart, c.cutShort(err)
		}
	}
	if whole {
		c.wholeOut()
	}
	return c.evidence(), nil
}

// SendFile sends size bytes of f from its offset, as the last of the body. Over
// a plain TCP socket the kernel does it.
func (c *Conn) SendFile(f *os.File, size int64) (Sent, error) {
	c.watchOut()
	rf, ok := c.sock.Conn.(io.ReaderFrom)
	ok = ok && c.direct // that of a driver's own type may pass its Write by
	start, fault := f.Seek(0, io.SeekCurrent)
	resumes := sendfileResumes && c.direct && fault == nil
	if !ok || c.secure || c.tap != nil {
		lent := c.buffers.get()
		defer c.buffers.put(lent)
		rf, resumes = copier{c, *lent}, false
	}
	var n int64
	var err error
	for err == nil && n < size {
		var long bool
		if long, err = c.pace(resumes); err != nil {
			break
		}
		piece, k := size-n, int64(0)
		if !long {
			piece = min(piece, stride)
		}
		k, err = rf.ReadFrom(&io.LimitedReader{R: f, N: piece})
		n += k
		switch {
		case err == nil && k < piece:
			err = &ShortFileError{Want: size, Got: n}
		case err != nil && long && c.woken(err): // what the kernel can't send has been read further than that
			_, err = f.Seek(start+n, io.SeekStart)
		}
	}
	var short *ShortFileError
	var file *fs.PathError
	switch {
	case err == nil:
		c.wholeOut()
		return SentAll, nil
	case errors.As(err, &short), errors.As(err, &file): // nothing of the server's
		c.unwatch()
		return SentPart, c.sock.why(err)
	}
	return SentPart, c.cutShort(err)
}

// copier is how a file goes out that the kernel can't send.
type copier struct {
	c   *Conn
	buf []byte
}

func (w copier) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(writerFunc(w.c.write), struct{ io.Reader }{r}, w.buf)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// write is the only way, but for those past the tap, in which bytes go out.
func (c *Conn) write(p []byte) (int, error) {
	n, err := c.nc.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if c.tap != nil && n > 0 {
		c.tap.wrote(p[:n])
	}
	return n, err
}

// sent turns the outcome of writing n of total bytes into evidence.
func (c *Conn) sent(n, total int64, whole bool, err error) (Sent, error) {
	switch {
	case err == nil:
		if whole {
			c.wholeOut()
		}
		return c.evidence(), nil
	case n == 0 && !c.sock.unsure():
		return SentNothing, c.refused(err)
	case n < total || !whole:
		return SentPart, c.cutShort(err)
	}
	return SentAll, c.cutShort(err)
}

func (c *Conn) evidence() Sent {
	if c.sentAll {
		return SentAll
	}
	return SentPart
}

// Reusable tells whether another request may follow: the whole request went
// out, the whole answer came in, both sides want to go on, and nothing is left
// over (RFC 9112 §9.3, §9.5). A connection that was never used is reusable.
func (c *Conn) Reusable() bool {
	switch {
	case c.dead:
		return false
	case !c.begun:
		return true
	}
	return c.sentAll && c.finished && c.keep && c.r == c.w
}

// Finished tells whether the whole answer came in.
func (c *Conn) Finished() bool { return c.finished }

// Buffered is how many bytes have been read from the socket and not been used.
func (c *Conn) Buffered() int { return c.w - c.r }

// Park gives the read buffer back while nothing is due.
func (c *Conn) Park() {
	c.unwatch()
	c.showEnd(false)
	if c.r < c.w {
		c.keep = false // what is left over goes, that it was there stays
	}
	c.giveBack()
}

// borrow takes a read buffer, for as long as an answer is due.
func (c *Conn) borrow() {
	if c.lent == nil {
		c.lent = c.buffers.get()
		c.buf = *c.lent
	}
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
}

func (c *Conn) giveBack() {
	if c.lent == nil {
		return
	}
	c.buffers.put(c.lent)
	c.lent, c.buf, c.r, c.w = nil, nil, 0, 0
}

// freshFor is for how long a connection is new. On one of a driver's own type, where a
// look costs more, and on which nobody has asked anything, no look finds another's answer.
const freshFor = time.Millisecond

// Alive looks at an idle connection before it is used again: a FIN or bytes that
// nobody asked for make it useless (RFC 9112 §9.2). idle is how long it has been
// unused.
func (c *Conn) Alive(idle time.Duration) bool {
	if !c.begun && !c.secure && idle < freshFor && c.Foreign() {
		return !c.dead && c.sock.cause.Load() == nil
	}
	return c.looks(bufferSize)
}

// StillAlive is Alive for a connection that stays idle. From then on one of a driver's
// own type has a goroutine that waits for its end.
func (c *Conn) StillAlive() bool { return c.looks(frugal) }

func (c *Conn) looks(takes int) bool {
	if c.dead || c.sock.cause.Load() != nil {
		return false
	}
	fresh := !c.begun
	c.dead = !c.sock.quiet(c.nc, takes, fresh)
	if c.dead && fresh {
		c.hearGreeting()
	}
	return !c.dead
}

// Complaint is what a look found that another connection would find too: the TLS alert by
// which the server said why it ends this one, or an *http1.Error about the greeting of
// another protocol. It is nil where it found neither.
func (c *Conn) Complaint() error { return c.sock.alert }

// Greeted tells whether the server speaks another protocol, in which it speaks first.
func (c *Conn) Greeted() bool {
	_, other := c.sock.alert.(*http1.Error)
	return other
}

// Suspect tells whether an idle connection is worth a call to StillAlive. Any
// goroutine may ask; the answer means something only if the connection was idle
// before and after.
func (c *Conn) Suspect() bool { return c.sock.see() != lookQuiet }

// Spoiled tells whether a look without waiting finds that an idle connection is
// closed or has bytes that nobody asked for. Any goroutine may ask, as with
// Suspect. Over TLS the bytes may have been no more than session tickets.
func (c *Conn) Spoiled() bool {
	what := c.sock.see()
	return what == lookBytes || what == lookClosed
}

// Foreign tells that the socket is of a driver's own type, whose Close may take its
// time.
func (c *Conn) Foreign() bool { return c.sock.floor().own != nil }
