package main

import (
	"net/http"
	"sync"
	"time"
)

// farm runs the embedded upstreams.
type farm struct {
	network network
	servers []*http.Server
	doors   []*door // of the servers
	stop    chan struct{}
	wg      sync.WaitGroup
	ended   sync.Once
}

// start serves h on a free port and returns the URL to ask.
func (f *farm) start(name string, h http.Handler) (string, error) {
	l, err := f.network.listen("127.0.0.1:0")
	if err != nil {
		return "", err
	}
	d := newDoor(l)
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	f.wg.Go(func() { s.Serve(d) })
	f.servers, f.doors = append(f.servers, s), append(f.doors, d)
	return "http://" + l.Addr().String() + "/" + name, nil
}

// outages shuts a door from 3/10 to 6/10 of each cycle.
func (f *farm) outages(d *door, cycle time.Duration) {
	f.wg.Go(func() {
		for f.pause(cycle * 3 / 10) {
			d.shut()
			if !f.pause(cycle * 3 / 10) {
				return
			}
			d.reopen()
			f.pause(cycle * 4 / 10)
		}
	})
}

// pause waits; false when the farm closes.
func (f *farm) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-f.stop:
		return false
	}
}

// openConns is how many connections are open, after a moment in which those that
// the other end has closed are noticed.
func (f *farm) openConns() (n int) {
	for range 100 {
		n = 0
		for _, d := range f.doors {
			n += d.openConns()
		}
		if n == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return n
}

// close ends all servers and cuts their connections.
func (f *farm) close() {
	f.ended.Do(func() { close(f.stop) })
	for _, s := range f.servers {
		s.Close()
	}
	f.wg.Wait()
}
