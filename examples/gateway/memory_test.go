package main

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn/memory"
)

// memoryNetwork is one in memory. In a bubble of time, with it, nothing takes longer than it is
// made to.
type memoryNetwork struct {
	*memory.Network
	ports atomic.Int32
}

// listen takes any port for a free one.
func (m *memoryNetwork) listen(string) (net.Listener, error) {
	return m.Listen(fmt.Sprintf("127.0.0.1:%d", 1024+m.ports.Add(1)))
}

// inBubble runs a test in a bubble of time with a network of its own.
func inBubble(t *testing.T, test func(t *testing.T, m *memoryNetwork)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, &memoryNetwork{Network: memory.New(1)}) })
}

// options are those that a user has, over this network.
func (m *memoryNetwork) options(o options) options {
	o.patience = 2 * time.Second
	o.network = network{listen: m.listen, driver: m}
	return o
}

// serve starts an upstream for a test and returns its URL.
func (m *memoryNetwork) serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	l, err := m.listen("")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(l) })
	t.Cleanup(func() {
		s.Close()
		serving.Wait()
	})
	return "http://" + l.Addr().String()
}
