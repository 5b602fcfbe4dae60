package conn

import (
	"io"
	"net"
	"time"
)

// memory is a server's bytes as a net.Conn. It has no goroutines, and a Read
// never waits: behind the bytes it gives end, or io.EOF.
type memory struct {
	in    []byte
	cut   func() int // size of the next piece; nil: all that fits
	end   error
	loop  []byte // what comes for ever behind in
	again bool   // each Write starts in anew

	read  int // bytes given so far
	ends  int // how often end was given
	room  int // Writes take so many bytes before they fail; below 0 all
	full  error
	wrote int

	deadlines int
	closed    bool
}

func newMemory(in string) *memory { return &memory{in: []byte(in), room: -1} }

func (m *memory) Read(p []byte) (int, error) {
	if m.closed {
		return 0, net.ErrClosed
	}
	if m.cut != nil {
		p = p[:min(len(p), max(1, m.cut()))]
	}
	if m.read < len(m.in) {
		n := copy(p, m.in[m.read:])
		m.read += n
		return n, nil
	}
	if len(m.loop) > 0 {
		n := 0
		for n < len(p) {
			k := copy(p[n:], m.loop[(m.read-len(m.in))%len(m.loop):])
			m.read += k
			n += k
		}
		return n, nil
	}
	m.ends++
	if m.end != nil {
		return 0, m.end
	}
	return 0, io.EOF
}

func (m *memory) Write(p []byte) (int, error) {
	if m.again {
		m.read = 0
	}
	n := len(p)
	if m.room >= 0 && m.wrote+n > m.room {
		n = m.room - m.wrote
		m.wrote += n
		return n, m.full
	}
	m.wrote += n
	return n, nil
}

func (m *memory) Close() error {
	m.closed = true
	return nil
}

func (m *memory) LocalAddr() net.Addr              { return memoryAddr{} }
func (m *memory) RemoteAddr() net.Addr             { return memoryAddr{} }
func (m *memory) SetDeadline(time.Time) error      { m.deadlines++; return nil }
func (m *memory) SetReadDeadline(time.Time) error  { m.deadlines++; return nil }
func (m *memory) SetWriteDeadline(time.Time) error { m.deadlines++; return nil }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory:1" }
