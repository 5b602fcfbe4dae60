package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed53b03582/troupe/api"
)

// Memory is what one idle connection holds, or one caller that waits for a connection.
type Memory struct {
	Heap       float64 // bytes
	Stack      float64 // bytes of goroutines' stacks
	Goroutines float64
}

// MemoryClients are those whose memory is measured.
func MemoryClients() []string { return []string{"troupe", FastHTTP, NetHTTP} }

// IdleMemory opens n connections of a client to the origin at addr, one request on each,
// and measures what they hold while they idle.
func IdleMemory(client string, n int, addr string) (Memory, error) {
	var dialled sync.WaitGroup // so that no connection serves two callers
	dialled.Add(n)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		dialled.Done()
		dialled.Wait()
		return c, err
	}
	url := "http://" + addr + Cell{}.path()
	get, end, err := memoryClient(client, n, url, dial)
	if err != nil {
		return Memory{}, err
	}
	runCrowd(2*n, func() error { return nil })
	before := weigh()
	err = runCrowd(n, get)
	m := weigh().less(before, n)
	return m, errors.Join(err, end())
}

// QueueMemory lets n callers of a client wait for its only connection, whose answer does
// not come, and measures what they hold.
func QueueMemory(client string, n int) (Memory, error) {
	open := make(chan struct{})
	dial := func(context.Context, string, string) (net.Conn, error) {
		return &held{wire: wire{answer: Cell{}.answer()}, open: open, due: make(chan struct{}, 1), closed: make(chan struct{})}, nil
	}
	get, end, err := memoryClient(client, 1, "http://origin.test"+Cell{}.path(), dial)
	if err != nil {
		return Memory{}, err
	}
	runCrowd(n, func() error { return nil })
	before := weigh()
	over := make(chan error, 1)
	go func() { over <- runCrowd(n, get) }()
	for last := 0; ; { // until no more memory is taken
		time.Sleep(300 * time.Millisecond)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if runtime.NumGoroutine() > n && int(m.Mallocs)-last < 100 {
			break
		}
		last = int(m.Mallocs)
	}
	m := weigh().less(before, n)
	close(open)
	return m, errors.Join(<-over, end())
}

// memoryClient makes a client of at most conns connections, and what one caller sends
// with.
func memoryClient(client string, conns int, url string, dial dialFunc) (get func() error, end func() error, err error) {
	switch client {
	case FastHTTP:
		c := &fasthttp.Client{
			MaxConnsPerHost: conns, MaxConnWaitTimeout: time.Hour, MaxIdleConnDuration: idleFor,
			Dial: func(string) (net.Conn, error) { return dial(context.Background(), "tcp", "") },
		}
		return func() error {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(req)
			defer fasthttp.ReleaseResponse(resp)
			req.SetRequestURI(url)
			return c.Do(req, resp)
		}, func() error { c.CloseIdleConnections(); return nil }, nil
	case NetHTTP:
		t := &http.Transport{
			MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns, IdleConnTimeout: idleFor,
			DisableCompression: true, DialContext: dial,
		}
		return func() error {
			req, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			resp, err := t.RoundTrip(req)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return errors.Join(err, resp.Body.Close())
		}, func() error { t.CloseIdleConnections(); return nil }, nil
	case "troupe":
		s, err := api.NewSession(api.Config{
			Driver: dial, MaxConns: -1, MaxConnsPerOrigin: conns, MaxDialsPerOrigin: -1, MaxQueuePerOrigin: -1, IdleTimeout: idleFor,
		})
		if err != nil {
			return nil, nil, err
		}
		return func() error {
			resp, err := s.Get(context.Background(), url)
			if err != nil {
				return err
			}
			resp.Release()
			return nil
		}, s.Close, nil
	}
	return nil, nil, fmt.Errorf("there is no client %q", client)
}

// runCrowd runs work on n goroutines at once. The first time it also makes the runtime
// have room for as many, which it never gives back.
func runCrowd(n int, work func() error) error {
	var all sync.WaitGroup
	var once sync.Once
	var first error
	start := make(chan struct{})
	for range n {
		all.Go(func() {
			<-start
			if err := work(); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	close(start)
	all.Wait()
	return first
}

// weight is what the process holds.
type weight struct{ heap, stack, goroutines int }

// weigh collects first: pools drop what they hold after the second time.
func weigh() weight {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return weight{int(m.HeapAlloc), int(m.StackInuse), runtime.NumGoroutine()}
}

func (w weight) less(before weight, n int) Memory {
	each := func(now, before int) float64 { return float64(now-before) / float64(n) }
	return Memory{each(w.heap, before.heap), each(w.stack, before.stack), each(w.goroutines, before.goroutines)}
}

// held is a wire whose answers come when open is closed.
type held struct {
	wire
	open        <-chan struct{}
	due, closed chan struct{}
	once        sync.Once
}

func (h *held) Write(p []byte) (int, error) {
	h.due <- struct{}{}
	return len(p), nil
}

func (h *held) Read(p []byte) (int, error) {
	select {
	case <-h.due:
	case <-h.closed:
		return 0, io.EOF
	}
	<-h.open
	return copy(p, h.answer), nil
}

func (h *held) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}
