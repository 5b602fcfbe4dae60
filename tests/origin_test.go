package tests

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// origin is a server that does to each request what the route of its path says,
// and counts what it sees. It can be shut and opened again on the same port. What
// it does to a request ends, at the latest, with the connection or the test.
type origin struct {
	URL  string // without a path
	addr string
	tls  *tls.Config // nil: plain

	listen func(addr string) (net.Listener, error)

	conns     gauge // connections accepted and not seen closed
	answering gauge // requests whose head has come and that are not dealt with yet
	held      gauge // those among them that wait for a gate; none of an answer that is out

	mu       sync.Mutex
	routes   map[string]behaviour
	listener net.Listener     // nil while shut
	open     map[net.Conn]int // to the connection's number, from 1
	accepted int              // connections so far
	requests int              // requests so far
	visits   []visit          // in the order in which their heads came; the first maxVisits
	running  sync.WaitGroup   // every goroutine
	ended    chan struct{}    // the test is over
}

// visit is a request that came.
type visit struct {
	path string
	conn int // the connection it came over, from 1
	nth  int // on that connection, from 1

	client string // its address
}

// maxVisits is more than any test reads; a soak must not grow by them.
const maxVisits = 10_000

// newOrigin starts a server for the test. "/" answers ok.
func newOrigin(t testing.TB) *origin { return newOriginTLS(t, nil) }

// newOriginTLS starts a server that speaks TLS, where cfg is not nil.
func newOriginTLS(t testing.TB, cfg *tls.Config) *origin {
	t.Helper()
	o := makeOrigin(t, "127.0.0.1:0")
	o.tls = cfg
	o.restart(t)
	o.URL = "http://" + o.addr
	if cfg != nil {
		o.URL = "https://" + o.addr
	}
	return o
}

// makeOrigin makes a server that does not listen yet.
func makeOrigin(t testing.TB, addr string) *origin {
	o := &origin{
		addr:   addr,
		listen: func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) },
		routes: map[string]behaviour{"/": ok("ok")},
		open:   map[net.Conn]int{},
		ended:  make(chan struct{}),
	}
	t.Cleanup(func() {
		close(o.ended)
		o.shut()
		o.running.Wait()
	})
	return o
}

// route sets what is done to requests for path, and gives its URL.
func (o *origin) route(path string, b behaviour) (url string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.routes[path] = b
	return o.URL + path
}

// restart listens, on the port it had before.
func (o *origin) restart(t testing.TB) {
	t.Helper()
	var l net.Listener
	var err error
	eventually(t, "the port can be listened on", func() bool {
		l, err = o.listen(o.addr)
		return err == nil
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.addr, o.listener = l.Addr().String(), l
	o.running.Go(func() { o.accept(l) })
}

// shut stops listening and resets every connection.
func (o *origin) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.listener != nil {
		o.listener.Close()
		o.listener = nil
	}
	for c := range o.open {
		abort(c)
	}
}

// abort closes with a reset, where the connection knows such a thing.
func abort(c net.Conn) {
	if tcp, is := c.(*net.TCPConn); is {
		tcp.SetLinger(0)
	}
	c.Close()
}

func (o *origin) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		o.mu.Lock()
		if o.listener != l { // shut in this moment
			c.Close()
		}
		o.admit(c)
		o.mu.Unlock()
	}
}

// admit serves one more connection. The caller holds mu.
func (o *origin) admit(c net.Conn) {
	o.accepted++
	id := o.accepted
	o.open[c] = id
	o.conns.add(1)
	o.running.Go(func() { o.serve(c, id) })
}

// serve answers the requests of one connection. One goroutine reads, so that a
// connection that ends is noticed whatever is being done to its request.
func (o *origin) serve(socket net.Conn, id int) {
	defer o.conns.add(-1)
	defer func() {
		o.mu.Lock()
		delete(o.open, socket)
		o.mu.Unlock()
	}()
	defer socket.Close()
	c := socket
	if o.tls != nil {
		c = tls.Server(socket, o.tls)
	}
	next, gone := make(chan *exchange), make(chan struct{})
	over := make(chan struct{})
	defer close(over)
	o.running.Go(func() {
		defer close(gone)
		in := bufio.NewReader(c)
		for n := 1; ; n++ {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			x := &exchange{origin: o, socket: socket, conn: c, req: req, nth: n, gone: gone, taken: make(chan struct{})}
			select {
			case next <- x:
			case <-over:
				return
			}
			select {
			case <-x.taken:
			case <-over:
				return
			}
		}
	})
	for {
		select {
		case x := <-next:
			if !o.answer(x, id) {
				return
			}
		case <-gone:
			return
		}
	}
}

func (o *origin) answer(x *exchange, id int) (keep bool) {
	o.mu.Lock()
	if len(o.visits) < maxVisits {
		o.visits = append(o.visits, visit{x.req.URL.Path, id, x.nth, x.socket.RemoteAddr().String()})
	}
	o.requests++
	b := o.routes[x.req.URL.Path]
	o.mu.Unlock()
	if b == nil {
		b = status(404)
	}
	o.answering.add(1)
	defer o.answering.add(-1)
	return b(x) && x.take()
}

// seen are the requests so far, in the order in which they came.
func (o *origin) seen() []visit {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]visit(nil), o.visits...)
}

// rests waits until every request has been dealt with: the client may have its
// answer a moment earlier.
func (o *origin) rests(t testing.TB) {
	t.Helper()
	eventually(t, "the server is done with every request", func() bool { return o.answering.now() == 0 })
}

// asked is how many requests came so far.
func (o *origin) asked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests
}

// opened is how many connections came so far.
func (o *origin) opened() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.accepted
}

// lastVisit is the latest request.
func (o *origin) lastVisit(t testing.TB) visit {
	t.Helper()
	all := o.seen()
	if len(all) == 0 {
		t.Fatal("the server has seen no request")
	}
	return all[len(all)-1]
}

// exchange is one request being dealt with.
type exchange struct {
	*origin
	socket net.Conn
	conn   net.Conn // socket, or TLS over it
	req    *http.Request
	nth    int           // on its connection, from 1
	gone   chan struct{} // closed: the client has closed the connection
	taken  chan struct{} // closed: the body has been read

	length int64 // of the body, once taken
	whole  bool  // it came to its end
}

// take reads the request's body. It reports whether it was whole.
func (x *exchange) take() bool {
	select {
	case <-x.taken:
	default:
		n, err := io.Copy(io.Discard, x.req.Body)
		x.length, x.whole = n, err == nil
		close(x.taken)
	}
	return x.whole
}

// wait waits for ch; false means that there is nobody to answer any more.
func (x *exchange) wait(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	case <-x.gone:
	case <-x.ended:
	}
	return false
}

// hold is wait for a request that is not answered until then: it counts among those held.
func (x *exchange) hold(ch <-chan struct{}) bool {
	x.held.add(1)
	defer x.held.add(-1)
	return x.wait(ch)
}

// write sends bytes as they are. It reports whether that went well.
func (x *exchange) write(s string) bool {
	_, err := io.WriteString(x.conn, s)
	return err == nil
}

// gauge counts what there is now, and keeps the most there was.
type gauge struct {
	mu        sync.Mutex
	n, most   int
	onReached map[int][]*gate
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n += n
	if g.n > g.most {
		g.most = g.n
		for _, reached := range g.onReached[g.n] {
			reached.open()
		}
	}
}

func (g *gauge) now() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

func (g *gauge) peak() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

// reaches gives a gate that opens when the gauge first shows n.
func (g *gauge) reaches(n int) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	reached := newGate()
	if g.most >= n {
		reached.open()
	}
	if g.onReached == nil {
		g.onReached = map[int][]*gate{}
	}
	g.onReached[n] = append(g.onReached[n], reached)
	return reached
}

// gate is shut until it is opened, once and for all.
type gate struct {
	once sync.Once
	ch   chan struct{}
}

func newGate() *gate  { return &gate{ch: make(chan struct{})} }
func (g *gate) open() { g.once.Do(func() { close(g.ch) }) }
func (g *gate) isOpen() bool {
	select {
	case <-g.ch:
		return true
	default:
		return false
	}
}
