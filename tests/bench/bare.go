package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// bare is what no client can beat: it writes a request made beforehand and reads
// until the bytes of an answer of known length are there. With a connection for each
// caller every caller keeps its own; with fewer, callers take them from a channel and
// put them back. It pays no attention to a context: nothing would be the floor then.
type bare struct {
	target  Target
	cell    Cell
	request []byte
	answer  int           // bytes in an answer
	body    int           // bytes of its body, the last ones
	shared  chan net.Conn // nil: a connection for each caller

	mu    sync.Mutex
	conns []net.Conn
}

func newBare(to Target, cell Cell) (Client, error) {
	b := &bare{target: to, cell: cell, request: cell.request(to), answer: len(cell.answer()), body: len(cell.body())}
	if cell.Pipeline {
		return newBarePipeline(b)
	}
	if cell.Conns >= cell.Callers {
		return b, nil
	}
	b.shared = make(chan net.Conn, cell.Conns)
	for range cell.Conns {
		c, err := b.dial()
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		b.shared <- c
	}
	return b, nil
}

func (b *bare) dial() (c net.Conn, err error) {
	if b.cell.TLS {
		c, err = tls.Dial("tcp", b.target.TLSAddr, b.target.tlsConfig())
	} else {
		c, err = net.Dial("tcp", b.target.Addr)
	}
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = append(b.conns, c)
	return c, nil
}

func (b *bare) Caller() (Caller, error) {
	c := &bareCaller{bare: b, buf: make([]byte, b.answer)}
	if b.shared != nil {
		return c, nil
	}
	var err error
	c.conn, err = b.dial()
	return c, err
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

type bareCaller struct {
	*bare
	conn net.Conn // nil: one of the shared
	buf  []byte
}

func (c *bareCaller) Do(_ context.Context, r *Reply) error {
	conn := c.conn
	if conn == nil {
		conn = <-c.shared
	}
	err := exchange(conn, c.request, c.buf)
	if c.conn == nil {
		c.shared <- conn
	}
	r.read(c.buf, c.body)
	return err
}

func (c *bareCaller) Release() {}

func exchange(conn net.Conn, request, answer []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	for n := 0; n < len(answer); {
		k, err := conn.Read(answer[n:])
		if err != nil {
			return err
		}
		n += k
	}
	return nil
}

// read takes an answer apart whose last body bytes are known to be its body.
func (r *Reply) read(answer []byte, body int) {
	const status = len("HTTP/1.1 ")
	digits := answer[status : status+3]
	r.Status = int(digits[0]-'0')*100 + int(digits[1]-'0')*10 + int(digits[2]-'0')
	r.Body = answer[len(answer)-body:]
}
