package main

import (
	"net"
	"sync"
)

// door is a listener that can be shut for a while. Then it resets its connections
// and each new one, as a machine does whose server has crashed behind a port
// that something still holds; the port stays this program's own.
type door struct {
	net.Listener
	mu     sync.Mutex
	isShut bool
	conns  map[*guest]struct{} // open
}

// guest is a connection that went through the door.
type guest struct {
	net.Conn
	door *door
}

func newDoor(l net.Listener) *door {
	return &door{Listener: l, conns: make(map[*guest]struct{})}
}

// Accept returns the next connection that is let in.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g := &guest{Conn: c, door: d}
		if d.enter(g) {
			return g, nil
		}
		g.reset()
	}
}

func (d *door) enter(g *guest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.isShut {
		d.conns[g] = struct{}{}
	}
	return !d.isShut
}

func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isShut = true
	for g := range d.conns {
		g.reset() // the server notices, and closes its end
	}
}

func (d *door) reopen() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isShut = false
}

func (d *door) openConns() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// reset closes a connection so that the other end sees an error, not an end.
func (g *guest) reset() {
	if tcp, ok := g.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	g.Conn.Close()
}

// Close is the server's.
func (g *guest) Close() error {
	g.door.mu.Lock()
	delete(g.door.conns, g)
	g.door.mu.Unlock()
	return g.Conn.Close()
}
