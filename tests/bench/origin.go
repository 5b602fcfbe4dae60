package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Body is the body of every answer: 13 bytes.
const Body = "Hello, world!"

// answer is what the origin sends for each request: the fields that a small answer
// of a common server has.
var answer = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\n"+
	"Server: origin\r\n"+
	"Date: Mon, 06 Jul 2026 09:30:00 GMT\r\n"+
	"Content-Type: text/plain; charset=utf-8\r\n"+
	"Content-Length: %d\r\n"+
	"Cache-Control: no-cache\r\n"+
	"\r\n%s", len(Body), Body)

// Origin answers every request head with the same bytes. It does less than any
// client: a goroutine a connection reads, counts the empty lines and writes that many
// answers at once. Request bodies are not understood.
type Origin struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{} // nil once closed
	opened int
}

// StartOrigin listens on a free port of 127.0.0.1.
func StartOrigin() (*Origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &Origin{listener: l, conns: map[net.Conn]struct{}{}}
	o.running.Go(o.accept)
	return o, nil
}

// Addr is host:port.
func (o *Origin) Addr() string { return o.listener.Addr().String() }

// Opened is how many connections have been made to it.
func (o *Origin) Opened() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened
}

// Close ends all connections. When it returns, every goroutine of o has ended.
func (o *Origin) Close() error {
	err := o.listener.Close()
	o.mu.Lock()
	for c := range o.conns {
		c.Close()
	}
	o.conns = nil
	o.mu.Unlock()
	o.running.Wait()
	return err
}

func (o *Origin) accept() {
	for {
		c, err := o.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if !o.add(c) {
			c.Close()
			return
		}
		o.running.Go(func() {
			serve(c)
			o.remove(c)
		})
	}
}

func (o *Origin) add(c net.Conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conns == nil {
		return false
	}
	o.conns[c] = struct{}{}
	o.opened++
	return true
}

func (o *Origin) remove(c net.Conn) {
	c.Close()
	o.mu.Lock()
	delete(o.conns, c)
	o.mu.Unlock()
}

var emptyLine = []byte("\r\n\r\n")

// serve answers until the client hangs up. A head that comes in parts is put together
// at the buffer's start; one that does not fit ends the connection.
func serve(c net.Conn) {
	buf := make([]byte, 16<<10)
	var out []byte
	for kept := 0; kept < len(buf); {
		n, err := c.Read(buf[kept:])
		if err != nil {
			return
		}
		in := buf[:kept+n]
		out = out[:0]
		for {
			i := bytes.Index(in, emptyLine)
			if i < 0 {
				break
			}
			in = in[i+len(emptyLine):]
			out = append(out, answer...)
		}
		kept = copy(buf, in)
		if len(out) == 0 {
			continue
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}
