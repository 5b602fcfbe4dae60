package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// Network connects those who dial to those who listen. Make one with New. It may be used
// from any number of goroutines.
type Network struct {
	mu        sync.Mutex
	random    *rand.Rand // guarded by mu
	listeners map[string]*Listener
	links     map[string]Link
	pairs     map[*pair]struct{} // neither side's end has been seen by both
	dials     int
	ports     int // given out so far
}

// New makes a network. All that it draws by chance (jitter, pieces, which connections a
// fault befalls) follows from seed and from the order of what is done.
func New(seed uint64) *Network {
	return &Network{
		random:    rand.New(rand.NewPCG(seed, seed)),
		listeners: map[string]*Listener{},
		links:     map[string]Link{},
		pairs:     map[*pair]struct{}{},
	}
}

// Any is the address that stands for all to which nobody listens and that have no Link of
// their own.
const Any = "*"

// Listen listens at address, host:port as a dial names it, or Any.
func (n *Network) Listen(address string) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: Addr(address), Err: syscall.EADDRINUSE}
	}
	l := &Listener{network: n, address: address}
	l.arrived.L = &l.mu
	n.listeners[address] = l
	return l, nil
}

// SetLink says what the way to address is like, for dials from now on. Address may be Any.
func (n *Network) SetLink(address string, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[address] = l
}

// DialContext connects to whoever listens at address. Where nobody does it fails with
// ECONNREFUSED, where the Link is Silent only when ctx ends.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	link := lookUp(n.links, address)
	trip := link.delay(n.random) + link.delay(n.random)
	n.mu.Unlock()
	fail := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: Addr(address), Err: err}
	}
	if link.Silent {
		<-ctx.Done()
	}
	if err := pause(ctx, trip); err != nil {
		return nil, fail(err)
	}
	n.mu.Lock()
	l := lookUp(n.listeners, address)
	if l == nil || link.Refuse {
		n.mu.Unlock()
		return nil, fail(syscall.ECONNREFUSED)
	}
	n.ports++
	p := newPair(n, link, Addr(address), Addr(fmt.Sprintf("client:%d", n.ports)))
	n.pairs[p] = struct{}{}
	n.mu.Unlock()
	if !l.take(p.server) {
		p.client.Close()
		p.server.Close()
		return nil, fail(syscall.ECONNREFUSED)
	}
	p.arm()
	return p.client, nil
}

// Pipe is one connection over link without a dial, for code that takes a net.Conn. Other
// than one of net.Pipe it buffers what is written (but see Link.Window), knows half-closes
// and fails as a socket does. What it draws by chance is the same for each Pipe.
func Pipe(link Link) (client, server *Conn) {
	p := newPair(New(1), link, "pipe:server", "pipe:client")
	p.arm()
	return p.client, p.server
}

// Dials tells how many dials there were.
func (n *Network) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// Open tells how many connections there are of which a side is open still.
func (n *Network) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pairs)
}

// Break brings kind over every connection to address that is open now, at once; Any means
// all of them.
func (n *Network) Break(address string, kind FaultKind) {
	n.mu.Lock()
	var hit []*pair
	for p := range n.pairs {
		if address == Any || string(p.address) == address {
			hit = append(hit, p)
		}
	}
	n.mu.Unlock()
	for _, p := range hit {
		p.strike(kind, &p.down)
		p.strike(kind, &p.up)
	}
}

func (n *Network) forget(p *pair) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pairs, p)
}

// draw is a number in [0, 1).
func (n *Network) draw() float64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.random.Float64()
}

func lookUp[T any](m map[string]T, address string) T {
	if v, ok := m[address]; ok {
		return v
	}
	return m[Any]
}

// pause waits for d, and not at all where d is 0 and ctx has not ended.
func pause(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Addr is an address of a Network. Its Network is "tcp", as programs expect of what they
// dialled by that name.
type Addr string

// Network is "tcp".
func (Addr) Network() string { return "tcp" }

// String gives host:port.
func (a Addr) String() string { return string(a) }

// Listener accepts the connections to one address. It is a net.Listener.
type Listener struct {
	network *Network
	address string

	mu      sync.Mutex
	arrived sync.Cond
	queue   []*Conn
	closed  bool
}

// Accept waits for the next connection. After Close its error is net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.arrived.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	return c, nil
}

// take queues a connection to be accepted; false once the listener is closed.
func (l *Listener) take(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue = append(l.queue, c)
	l.arrived.Signal()
	return true
}

// Close frees the address and resets the connections that were not accepted. Those that
// were go on.
func (l *Listener) Close() error {
	l.mu.Lock()
	left := l.queue
	l.queue = nil
	already := l.closed
	l.closed = true
	l.arrived.Broadcast()
	l.mu.Unlock()
	if already {
		return nil
	}
	l.network.mu.Lock()
	delete(l.network.listeners, l.address)
	l.network.mu.Unlock()
	for _, c := range left {
		c.pair.strike(Reset, nil)
		c.Close()
	}
	return nil
}

// Addr is the address given to Listen.
func (l *Listener) Addr() net.Addr { return Addr(l.address) }
