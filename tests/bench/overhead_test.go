package bench

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed53b03582/troupe/api"
)

// canned is a connection without a socket: what is written is dropped, and every write
// makes one answer readable. What a client costs over it is the client alone.
type canned struct {
	addr   net.Addr
	answer []byte
	due    []byte
	yield  bool // let others run before an answer is there, as a socket does
}

func newCanned(yield bool) net.Conn {
	return &canned{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, answer: Cell{}.answer(), yield: yield}
}

func (c *canned) Write(p []byte) (int, error) {
	c.due = c.answer
	return len(p), nil
}

func (c *canned) Read(p []byte) (int, error) {
	if c.yield {
		runtime.Gosched()
	}
	n := copy(p, c.due)
	c.due = c.due[n:]
	return n, nil
}

func (c *canned) Close() error                     { return nil }
func (c *canned) LocalAddr() net.Addr              { return c.addr }
func (c *canned) RemoteAddr() net.Addr             { return c.addr }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// cannedDriver is troupe's way to such connections.
type cannedDriver struct{ yield bool }

func (d cannedDriver) DialContext(context.Context, string, string) (net.Conn, error) {
	return newCanned(d.yield), nil
}

// cannedBare is the bare loop, over one canned connection for each caller or over shared
// ones.
type cannedBare struct {
	*bare
	yield bool
}

func newCannedBare(cell Cell, yield bool) Client {
	b := cannedBare{&bare{request: cell.request(Target{}), answer: len(cell.answer()), body: len(cell.body())}, yield}
	if cell.Conns < cell.Callers {
		b.shared = make(chan net.Conn, cell.Conns)
		for range cell.Conns {
			b.shared <- newCanned(yield)
		}
	}
	return b
}

func (b cannedBare) Caller() (Caller, error) {
	c := &bareCaller{bare: b.bare, buf: make([]byte, b.answer)}
	if b.shared == nil {
		c.conn = newCanned(b.yield)
	}
	return c, nil
}

// cannedClients are the contenders over canned connections. net/http is left out: it
// hands every request over between goroutines, and that is what it costs.
func cannedClients(yield bool) []Contender {
	const addr = "127.0.0.1:8080"
	url := Cell{}.url(Target{Addr: addr})
	return []Contender{
		{Name: "troupe", New: func(_ Target, cell Cell) (Client, error) {
			s, err := api.NewSession(api.Config{Driver: cannedDriver{yield}, MaxConnsPerOrigin: cell.Conns})
			return &troupe{session: s, url: url}, err
		}},
		{Name: FastHTTP, New: func(_ Target, cell Cell) (Client, error) {
			client := &fasthttp.HostClient{
				Addr:               addr,
				MaxConns:           cell.Conns,
				MaxConnWaitTimeout: waitFor,
				Dial:               func(string) (net.Conn, error) { return newCanned(yield), nil },
			}
			return &fast{client: client, close: client.CloseIdleConnections, url: url}, nil
		}},
		{Name: Bare, New: func(_ Target, cell Cell) (Client, error) { return newCannedBare(cell, yield), nil }},
	}
}

// BenchmarkOverhead has no kernel in it: it is what a client costs by itself, most of it
// finding a connection for a request and taking it back, and comes out alike on a busy
// machine and on a quiet one, within some percent. With more callers than one every
// answer lets the others run first, so that memory is as cold as it is over sockets.
// Run it with GOMAXPROCS=1.
func BenchmarkOverhead(b *testing.B) {
	for _, load := range [][2]int{{1, 1}, {8, 8}, {64, 64}, {512, 512}, {64, 8}, {512, 64}} {
		cell := Cell{Callers: load[0], Conns: load[1]}
		for _, c := range cannedClients(cell.Callers > 1) {
			b.Run(loadName(cell)+"/"+c.Name, func(b *testing.B) { benchmark(b, c, Target{}, cell) })
		}
	}
}

func loadName(cell Cell) string {
	name := fmt.Sprintf("callers=%d", cell.Callers)
	if cell.Conns != cell.Callers {
		name += fmt.Sprintf(",conns=%d", cell.Conns)
	}
	return name
}

// benchmark lets the callers of a cell send b.N requests together.
func benchmark(b *testing.B, c Contender, to Target, cell Cell) {
	l, err := NewLoad(c, to, cell)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if err := l.Send(20 * cell.Callers); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := l.Send(b.N); err != nil {
		b.Fatal(err)
	}
}
