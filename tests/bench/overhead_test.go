package bench

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed53b03582/troupe/api"
)

// canned is a connection without a socket: what is written is dropped, and every write
// makes one answer readable. What a client costs over it is the client alone.
type canned struct {
	addr net.Addr
	due  []byte
}

func newCanned() net.Conn { return &canned{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}} }

func (c *canned) Write(p []byte) (int, error) {
	c.due = answer
	return len(p), nil
}

func (c *canned) Read(p []byte) (int, error) {
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

type cannedDriver struct{}

func (cannedDriver) DialContext(context.Context, string, string) (net.Conn, error) {
	return newCanned(), nil
}

// BenchmarkOverhead has no kernel in it: the same figure comes out on a busy machine
// as on a quiet one, within a few percent. net/http is left out, because it hands
// every request over between goroutines, which is what it costs.
func BenchmarkOverhead(b *testing.B) {
	url := "http://127.0.0.1" + path
	clients := []struct {
		name string
		make func() Client
	}{
		{"troupe", func() Client {
			s, err := api.NewSession(api.Config{Driver: cannedDriver{}})
			if err != nil {
				b.Fatal(err)
			}
			return &troupe{s, url}
		}},
		{FastHTTP, func() Client {
			return &fast{&fasthttp.HostClient{
				Addr: "127.0.0.1:80",
				Dial: func(string) (net.Conn, error) { return newCanned(), nil },
			}, url}
		}},
		{Bare, func() Client {
			return &bareConn{Conn: newCanned(), request: make([]byte, 80), buf: make([]byte, len(answer))}
		}},
	}
	for _, c := range clients {
		b.Run(c.name, func(b *testing.B) {
			client := c.make()
			defer client.Close()
			caller, _ := client.Caller()
			var r Reply
			b.ReportAllocs()
			for b.Loop() {
				if err := get(caller, &r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
