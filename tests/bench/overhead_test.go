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
	addr  net.Addr
	due   []byte
	yield bool // let others run before an answer is there, as a socket does
}

func newCanned(yield bool) net.Conn {
	return &canned{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, yield: yield}
}

func (c *canned) Write(p []byte) (int, error) {
	c.due = answer
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

// cannedBare is a bare loop over one canned connection for each caller.
type cannedBare struct{ yield bool }

func (b cannedBare) Caller() (Caller, error) {
	return &bareConn{Conn: newCanned(b.yield), request: make([]byte, 80), buf: make([]byte, len(answer))}, nil
}

func (cannedBare) Close() error { return nil }

// cannedClients are the contenders over canned connections. net/http is left out: it
// hands every request over between goroutines, and that is what it costs.
func cannedClients(yield bool) []Contender {
	const addr = "127.0.0.1:8080"
	return []Contender{
		{"troupe", func(string, Cell) (Client, error) {
			s, err := api.NewSession(api.Config{Driver: cannedDriver{yield}})
			return &troupe{s, "http://" + addr + path}, err
		}},
		{FastHTTP, func(_ string, cell Cell) (Client, error) {
			return &fast{&fasthttp.HostClient{
				Addr:     addr,
				MaxConns: cell.Conns,
				Dial:     func(string) (net.Conn, error) { return newCanned(yield), nil },
			}, "http://" + addr + path}, nil
		}},
		{Bare, func(string, Cell) (Client, error) { return cannedBare{yield}, nil }},
	}
}

// BenchmarkOverhead has no kernel in it: it is what a client costs by itself, and comes
// out alike on a busy machine and on a quiet one, within some percent. With 64 callers
// every answer lets the other callers run first, so that memory is as cold as it is
// over sockets. Run it with GOMAXPROCS=1.
func BenchmarkOverhead(b *testing.B) {
	for _, callers := range []int{1, 64} {
		for _, c := range cannedClients(callers > 1) {
			b.Run(fmt.Sprintf("callers=%d/%s", callers, c.Name), func(b *testing.B) {
				l, err := NewLoad(c, "", Cell{callers, callers})
				if err != nil {
					b.Fatal(err)
				}
				defer l.Close()
				if err := l.Send(20 * callers); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.ResetTimer()
				if err := l.Send(b.N); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
