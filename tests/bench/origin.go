package bench

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// Origin answers each request of a cell with bytes prepared beforehand. It does less
// than any client: a goroutine a connection reads what has come, takes it apart as far
// as has to be (see serve.go), and answers all of it with one write. A loop over epoll
// in its place, and sendfile for long answers, took as much of the core: what it costs
// is the kernel's work for the same reads and writes that the bare loop does.
type Origin struct {
	plain, secure net.Listener
	certificate   []byte
	running       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{} // nil once closed
	opened int
}

// StartOrigin listens on two free ports of 127.0.0.1, one of them for TLS.
func StartOrigin() (*Origin, error) {
	cert, err := selfSigned()
	if err != nil {
		return nil, err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	o := &Origin{plain: plain, secure: secure, certificate: cert.Certificate[0], conns: map[net.Conn]struct{}{}}
	answers := newAnswers(Cells())
	for _, l := range []net.Listener{plain, secure} {
		o.running.Go(func() { o.accept(l, answers) })
	}
	return o, nil
}

// Addr is the host:port for requests without TLS.
func (o *Origin) Addr() string { return o.plain.Addr().String() }

// TLSAddr is the host:port for requests over TLS.
func (o *Origin) TLSAddr() string { return o.secure.Addr().String() }

// Certificate is the one that clients have to trust, in DER.
func (o *Origin) Certificate() []byte { return o.certificate }

// Opened is how many connections have been made to it.
func (o *Origin) Opened() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened
}

// Close ends all connections. When it returns, every goroutine of o has ended.
func (o *Origin) Close() error {
	err := errors.Join(o.plain.Close(), o.secure.Close())
	o.mu.Lock()
	for c := range o.conns {
		c.Close()
	}
	o.conns = nil
	o.mu.Unlock()
	o.running.Wait()
	return err
}

func (o *Origin) accept(l net.Listener, answers answers) {
	for {
		c, err := l.Accept()
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
			serve(c, answers)
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
