package bench

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// bare is what no client can beat: it writes a request made beforehand and reads
// until the bytes of an answer of known length are there. With a connection for each
// caller every caller keeps its own; with fewer, callers take them from a channel and
// put them back.
type bare struct {
	addr    string
	request []byte
	shared  chan *bareConn // nil: a connection for each caller

	mu    sync.Mutex
	conns []net.Conn
}

type bareConn struct {
	net.Conn
	request []byte
	buf     []byte
}

func newBare(addr string, cell Cell) (Client, error) {
	b := &bare{addr: addr}
	b.request = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bare\r\nAccept: */*\r\n\r\n", path, addr)
	if cell.Conns >= cell.Callers {
		return b, nil
	}
	b.shared = make(chan *bareConn, cell.Conns)
	for range cell.Conns {
		c, err := b.dial()
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		b.shared <- c
	}
	return b, nil
}

func (b *bare) dial() (*bareConn, error) {
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = append(b.conns, c)
	return &bareConn{Conn: c, request: b.request, buf: make([]byte, len(answer))}, nil
}

func (b *bare) Caller() (Caller, error) {
	if b.shared != nil {
		return b, nil
	}
	return b.dial()
}

func (b *bare) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, c := range b.conns {
		errs = append(errs, c.Close())
	}
	b.conns = nil
	return errors.Join(errs...)
}

// Get is for callers that share.
func (b *bare) Get(r *Reply) error {
	c := <-b.shared
	err := c.Get(r)
	b.shared <- c
	return err
}

func (c *bareConn) Get(r *Reply) error {
	if _, err := c.Write(c.request); err != nil {
		return err
	}
	for n := 0; n < len(c.buf); {
		k, err := c.Read(c.buf[n:])
		if err != nil {
			return err
		}
		n += k
	}
	const status = len("HTTP/1.1 ")
	digits := c.buf[status : status+3]
	r.Status = int(digits[0]-'0')*100 + int(digits[1]-'0')*10 + int(digits[2]-'0')
	r.Body = append(r.Body[:0], c.buf[len(c.buf)-len(Body):]...)
	return nil
}
