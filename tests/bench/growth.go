package bench

import (
	"context"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"

	"github.com/seed53b03582/troupe/api"
)

// Growth is one load in several sizes, the smallest first. A size is the number of
// origins, of waiting callers, or of connections; all else stays as it is.
type Growth struct {
	Name    string
	Sizes   []int
	Clients []string // "troupe" first
	Kernel  bool     // real sockets, to an origin in a process of its own

	// shape is the load in one size.
	shape func(size int) shape
}

type shape struct {
	callers, origins, conns int // conns: to each origin
}

// few is how many callers, or connections, there are where these do not grow.
const few = 64

// Growths are all series.
func Growths() []Growth {
	return []Growth{
		{Name: "origins", Kernel: true, Sizes: []int{1, 10, 100, 1000}, Clients: []string{"troupe", FastHTTP, Bare},
			shape: func(n int) shape { return shape{callers: few, origins: n, conns: max(2, few/n)} }},
		{Name: "waiters", Kernel: true, Sizes: []int{1000, 10_000, 100_000}, Clients: []string{"troupe", Bare},
			shape: func(n int) shape { return shape{callers: few + n, origins: 1, conns: few} }},
		{Name: "connections", Kernel: true, Sizes: []int{10, 100, 1000, 10_000}, Clients: []string{"troupe", FastHTTP, Bare},
			shape: func(n int) shape { return shape{callers: n, origins: 1, conns: n} }},
		{Name: "origins, no kernel", Sizes: []int{1, 10, 100, 1000}, Clients: []string{"troupe", FastHTTP, Bare},
			shape: func(n int) shape { return shape{callers: few, origins: n, conns: few} }},
		{Name: "waiters, no kernel", Sizes: []int{1000, 10_000, 100_000}, Clients: []string{"troupe", Bare},
			shape: func(n int) shape { return shape{callers: few + n, origins: 1, conns: few} }},
	}
}

// Callers is how many callers the load has in a size.
func (g Growth) Callers(size int) int { return g.shape(size).callers }

// Start sets a client under the load of a size. addr is where the origin is, if the
// load goes through the kernel.
func (g Growth) Start(client string, size int, addr string) (*Crowd, error) {
	s := g.shape(size)
	dial := dialFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	})
	if !g.Kernel {
		answer := Cell{}.answer()
		dial = func(context.Context, string, string) (net.Conn, error) {
			return &wire{answer: answer, blind: client == "troupe"}, nil
		}
	}
	switch client {
	case Bare:
		return growBare(s, dial)
	case FastHTTP:
		return growFastHTTP(s, dial)
	}
	return growTroupe(s, dial)
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func (f dialFunc) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

// urls are those of n origins, all of one length. The k-th request of the i-th caller
// goes to urls[next(i, k)].
func urls(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("http://origin-%05d.test%s", i, Cell{}.path())
	}
	return all
}

// turn gives the numbers of the origins that a caller goes to, one after the other.
// The callers begin far apart.
func (s shape) turn(i int) func() int {
	next := i * 7 % s.origins
	return func() int {
		next++
		if next >= s.origins {
			next = 0
		}
		return next
	}
}

func growTroupe(s shape, dial dialFunc) (*Crowd, error) {
	session, err := api.NewSession(api.Config{
		Driver:            dial,
		MaxConns:          -1,
		MaxConnsPerOrigin: s.conns,
		MaxDialsPerOrigin: -1, // the connections are to be there when it is measured
		MaxQueuePerOrigin: -1,
		IdleTimeout:       idleFor,
	})
	if err != nil {
		return nil, err
	}
	to := urls(s.origins)
	return NewCrowd(s.callers, func(i int) (func() error, error) {
		turn := s.turn(i)
		return func() error {
			resp, err := session.Get(context.Background(), to[turn()])
			if err != nil {
				return err
			}
			if len(resp.Content()) != len(Hello) {
				return fmt.Errorf("a body of %d bytes", len(resp.Content()))
			}
			resp.Release()
			return nil
		}, nil
	}, session.Close)
}

func growFastHTTP(s shape, dial dialFunc) (*Crowd, error) {
	client := &fasthttp.Client{
		MaxConnsPerHost:     s.conns,
		MaxConnWaitTimeout:  waitFor,
		MaxIdleConnDuration: idleFor,
		Dial: func(addr string) (net.Conn, error) {
			return dial(context.Background(), "tcp", addr)
		},
	}
	to := urls(s.origins)
	return NewCrowd(s.callers, func(i int) (func() error, error) {
		turn := s.turn(i)
		return func() error {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(req)
			defer fasthttp.ReleaseResponse(resp)
			req.SetRequestURI(to[turn()])
			if err := client.Do(req, resp); err != nil {
				return err
			}
			if len(resp.Body()) != len(Hello) {
				return fmt.Errorf("a body of %d bytes", len(resp.Body()))
			}
			return nil
		}, nil
	}, func() error { client.CloseIdleConnections(); return nil })
}

// growBare takes connections out of a channel for each origin and puts them back: no
// client that bounds its connections can do less.
func growBare(s shape, dial dialFunc) (*Crowd, error) {
	pools := make([]chan net.Conn, s.origins)
	perOrigin := min(s.conns, s.callers)
	var all []net.Conn
	end := func() error {
		for _, c := range all {
			c.Close()
		}
		return nil
	}
	for i := range pools {
		pools[i] = make(chan net.Conn, perOrigin)
		for range perOrigin {
			c, err := dial(context.Background(), "tcp", "")
			if err != nil {
				end()
				return nil, err
			}
			all = append(all, c)
			pools[i] <- c
		}
	}
	request, size := Cell{}.request(Target{Addr: "origin-00000.test"}), len(Cell{}.answer())
	return NewCrowd(s.callers, func(i int) (func() error, error) {
		turn, buf := s.turn(i), make([]byte, size)
		return func() error {
			pool := pools[turn()]
			c := <-pool
			defer func() { pool <- c }()
			if _, err := c.Write(request); err != nil {
				return err
			}
			for n := 0; n < len(buf); {
				k, err := c.Read(buf[n:])
				if err != nil {
					return err
				}
				n += k
			}
			return nil
		}, nil
	}, end)
}
