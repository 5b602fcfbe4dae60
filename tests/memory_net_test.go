package tests

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// bubble runs a test in a bubble of time, with servers in memory: the clock stands still
// until everybody waits, so that no test depends on how fast the machine is.
func bubble(t *testing.T, test func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, &network{origins: map[string]*origin{}}) })
}

// network is a Driver to servers in memory. A reset is a FIN there.
type network struct {
	origins map[string]*origin // by address
	dials   atomic.Int64
	delay   func(ctx context.Context) error
}

// newOrigin starts a server for the test: a name of its own leads to it.
func (n *network) newOrigin(t testing.TB) *origin {
	host := fmt.Sprintf("h%d", len(n.origins)+1)
	o := makeOrigin(t, host+":80")
	o.URL = "http://" + host
	n.origins[o.addr] = o
	return o
}

func (n *network) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	n.dials.Add(1)
	if n.delay != nil {
		if err := n.delay(ctx); err != nil {
			return nil, err
		}
	}
	client, server := net.Pipe()
	o := n.origins[address]
	o.mu.Lock()
	defer o.mu.Unlock()
	o.admit(server)
	return client, nil
}

// sockets is a Driver over TCP that lets a test wait for what is on its way to a
// connection: a call that is made before it has come can't know of it.
type sockets struct {
	opened chan *conn.Conn // one for each dial, to look through
	seen   []*conn.Conn
}

func newSockets() *sockets { return &sockets{opened: make(chan *conn.Conn, 1000)} }

func (d *sockets) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := tcp.DialContext(ctx, network, address)
	if err == nil {
		d.opened <- conn.New(c, &conn.Buffers{})
	}
	return c, err
}

// arrived waits until something, or the end, has come on the nth connection, from 1.
func (d *sockets) arrived(t testing.TB, nth int) {
	t.Helper()
	for len(d.seen) < nth {
		d.seen = append(d.seen, receive(t, "a dial", d.opened))
	}
	eventually(t, "what the server has sent arrives", d.seen[nth-1].Suspect)
}

// moment is a time that only a bubble's clock tells apart from none.
const moment = time.Millisecond
