package tests

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/memory"
)

// bubble runs a test in a bubble of time, with servers in memory: the clock stands still
// until everybody waits, so that no test depends on how fast the machine is.
func bubble(t *testing.T, test func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &network{Network: memory.New(1)}
		n.SetLink(memory.Any, unbuffered)
		test(t, n)
	})
}

// unbuffered has writes wait until they are read, so that tests know how far they came.
var unbuffered = memory.Link{Window: -1}

// network leads to servers in memory. A reset is a FIN there.
type network struct {
	*memory.Network
	origins int
}

// newOrigin starts a server for the test: a name of its own leads to it.
func (n *network) newOrigin(t testing.TB) *origin {
	t.Helper()
	n.origins++
	host := fmt.Sprintf("h%d", n.origins)
	o := makeOrigin(t, host+":80")
	o.listen = func(addr string) (net.Listener, error) { return n.Listen(addr) }
	o.restart(t)
	o.URL = "http://" + host
	return o
}

// sockets is a Driver over TCP that lets a test wait for what is on its way to a
// connection: a call that is made before it has come can't know of it.
type sockets struct {
	mu  sync.Mutex
	all map[string]*conn.Conn // to look through, by the address on this side
}

func newSockets() *sockets { return &sockets{all: map[string]*conn.Conn{}} }

func (d *sockets) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := tcp.DialContext(ctx, network, address)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.all[c.LocalAddr().String()] = conn.New(c, &conn.Buffers{})
	}
	return c, err
}

// arrived waits until something, or the end, has come on the connection of v.
func (d *sockets) arrived(t testing.TB, v visit) {
	t.Helper()
	d.mu.Lock()
	c := d.all[v.client]
	d.mu.Unlock()
	if c == nil {
		t.Fatalf("nobody has dialled from %s", v.client)
	}
	eventually(t, "what the server has sent arrives", c.Suspect)
}

// arrivedAll waits for that on each of them.
func (d *sockets) arrivedAll(t testing.TB) {
	t.Helper()
	d.mu.Lock()
	all := slices.Collect(maps.Values(d.all))
	d.mu.Unlock()
	for _, c := range all {
		eventually(t, "what the server has sent arrives", c.Suspect)
	}
}

// moment is a time that only a bubble's clock tells apart from none.
const moment = time.Millisecond
