package bench

import (
	"context"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// fast is one of fasthttp's clients.
type fast struct {
	client  fastClient
	close   func()
	url     string
	payload []byte // nil: GET
	fresh   bool   // requests and responses are made each time instead of pooled
}

// fastClient is a HostClient or a PipelineClient.
type fastClient interface {
	Do(req *fasthttp.Request, resp *fasthttp.Response) error
	DoDeadline(req *fasthttp.Request, resp *fasthttp.Response, deadline time.Time) error
}

// newFastHTTP makes a HostClient, whose users take requests and responses from
// fasthttp's pools, also in the cell where troupe's keep the answers.
// MaxConnWaitTimeout lets callers wait for a connection, as those of the other clients
// do; without it they would get an error.
func newFastHTTP(to Target, cell Cell) (Client, error) {
	client := &fasthttp.HostClient{
		Addr:                to.Addr,
		MaxConns:            cell.Conns,
		MaxConnWaitTimeout:  waitFor,
		MaxIdleConnDuration: idleFor,
		Dial:                dial,
	}
	if cell.TLS {
		client.Addr, client.IsTLS, client.TLSConfig = to.TLSAddr, true, to.tlsConfig()
	}
	return &fast{client: client, close: client.CloseIdleConnections, url: cell.url(to), payload: cell.payload()}, nil
}

// newFastHTTPFresh makes a HostClient whose users keep what they get.
func newFastHTTPFresh(to Target, cell Cell) (Client, error) {
	c, err := newFastHTTP(to, cell)
	if err == nil {
		c.(*fast).fresh = true
	}
	return c, err
}

// newFastHTTPPipeline makes a PipelineClient of one connection as it comes: it writes as
// soon as it has something to.
func newFastHTTPPipeline(to Target, cell Cell) (Client, error) { return fastPipeline(to, cell, 0), nil }

// newFastHTTPBatched makes one that gathers requests for its writes. Longer or shorter
// delays gave it less throughput, or the same.
func newFastHTTPBatched(to Target, cell Cell) (Client, error) {
	return fastPipeline(to, cell, 100*time.Microsecond), nil
}

// fastPipeline has no Close: its goroutines and its connection end after ten idle
// seconds.
func fastPipeline(to Target, cell Cell, batchDelay time.Duration) *fast {
	return &fast{
		client: &fasthttp.PipelineClient{
			Addr:               to.Addr,
			MaxConns:           cell.Conns,
			MaxPendingRequests: max(cell.Callers, fasthttp.DefaultMaxPendingRequests),
			MaxBatchDelay:      batchDelay,
			Dial:               dialOrDead,
		},
		close:   func() {},
		url:     cell.url(to),
		payload: cell.payload(),
	}
}

// dial is net's: fasthttp's own dialer keeps a goroutine for ever.
func dial(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }

// dialOrDead gives a connection on which nothing works where there is none to be had:
// without one the requests of a PipelineClient wait for ever, and so would a run whose
// origin is gone.
func dialOrDead(addr string) (net.Conn, error) {
	c, err := dial(addr)
	if err != nil {
		c, _ = net.Pipe()
		c.Close()
	}
	return c, nil
}

func (f *fast) Caller() (Caller, error) { return &fastCaller{fast: f}, nil }

func (f *fast) Close() error {
	f.close()
	return nil
}

type fastCaller struct {
	*fast
	req  *fasthttp.Request
	resp *fasthttp.Response
}

// Do has no way to be cancelled: of a context it obeys the deadline alone.
func (c *fastCaller) Do(ctx context.Context, r *Reply) error {
	if c.fresh {
		c.req, c.resp = new(fasthttp.Request), new(fasthttp.Response)
	} else {
		c.req, c.resp = fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	}
	c.req.SetRequestURI(c.url)
	if c.payload != nil {
		c.req.Header.SetMethod(fasthttp.MethodPost)
		c.req.SetBodyRaw(c.payload)
	}
	if err := c.send(ctx); err != nil {
		return err
	}
	r.Status, r.Body = c.resp.StatusCode(), c.resp.Body()
	return nil
}

func (c *fastCaller) send(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok {
		return c.client.DoDeadline(c.req, c.resp, deadline)
	}
	return c.client.Do(c.req, c.resp)
}

func (c *fastCaller) Release() {
	if !c.fresh {
		fasthttp.ReleaseRequest(c.req)
		fasthttp.ReleaseResponse(c.resp)
	}
	c.req, c.resp = nil, nil
}
