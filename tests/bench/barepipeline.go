package bench

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
)

// barePipeline is the floor under pipelining: callers put the same request into one
// buffer, a goroutine writes what has gathered, another reads answers of known length
// and wakes the callers in their order.
type barePipeline struct {
	*bare
	conn    net.Conn
	running sync.WaitGroup
	ready   chan struct{} // there is something to write
	gone    chan struct{} // closed when the connection is dead

	mu      sync.Mutex
	out     []byte
	waiting []*pipelined // callers whose answers are due, the next one first
}

type pipelined struct {
	p    *barePipeline
	buf  []byte
	done chan struct{}
}

func newBarePipeline(b *bare) (Client, error) {
	conn, err := b.dial()
	if err != nil {
		return nil, err
	}
	p := &barePipeline{bare: b, conn: conn, ready: make(chan struct{}, 1), gone: make(chan struct{})}
	p.running.Go(p.write)
	p.running.Go(p.read)
	return p, nil
}

func (p *barePipeline) Caller() (Caller, error) {
	return &pipelined{p: p, buf: make([]byte, p.answer), done: make(chan struct{}, 1)}, nil
}

func (p *barePipeline) Close() error {
	err := p.bare.Close()
	p.running.Wait()
	return err
}

// write ends when read has closed gone.
func (p *barePipeline) write() {
	var out []byte
	for {
		select {
		case <-p.ready:
		case <-p.gone:
			return
		}
		runtime.Gosched() // the callers that can run have more to write
		p.mu.Lock()
		out, p.out = p.out, out[:0]
		p.mu.Unlock()
		if _, err := p.conn.Write(out); err != nil {
			p.conn.Close() // which ends read
		}
	}
}

func (p *barePipeline) read() {
	defer close(p.gone)
	in := make([]byte, 64<<10)
	var due []*pipelined
	for kept := 0; ; {
		n, err := io.ReadAtLeast(p.conn, in[kept:], 1)
		if err != nil {
			return
		}
		whole := (kept + n) / p.answer
		p.mu.Lock()
		due = append(due[:0], p.waiting[:whole]...)
		p.waiting = p.waiting[:copy(p.waiting, p.waiting[whole:])]
		p.mu.Unlock()
		for i, c := range due {
			copy(c.buf, in[i*p.answer:])
			c.done <- struct{}{}
		}
		kept = copy(in, in[whole*p.answer:kept+n])
	}
}

func (c *pipelined) Do(_ context.Context, r *Reply) error {
	p := c.p
	p.mu.Lock()
	p.out = append(p.out, p.request...)
	p.waiting = append(p.waiting, c)
	p.mu.Unlock()
	select {
	case p.ready <- struct{}{}:
	default: // the writer knows
	}
	select {
	case <-c.done:
	case <-p.gone:
		return net.ErrClosed
	}
	r.read(c.buf, p.body)
	return nil
}

func (c *pipelined) Release() {}
