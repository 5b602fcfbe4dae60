package bench

import (
	"net"

	"github.com/valyala/fasthttp"
)

// fast is fasthttp's HostClient. MaxConnWaitTimeout lets callers wait for a
// connection, as those of the other clients do; without it they would get an error.
type fast struct {
	client *fasthttp.HostClient
	url    string
}

func newFastHTTP(addr string, cell Cell) (Client, error) {
	return &fast{
		client: &fasthttp.HostClient{
			Addr:                addr,
			MaxConns:            cell.Conns,
			MaxConnWaitTimeout:  waitFor,
			MaxIdleConnDuration: idleFor,
			// Its own dialer keeps a goroutine for ever.
			Dial: func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) },
		},
		url: "http://" + addr + path,
	}, nil
}

func (f *fast) Caller() (Caller, error) { return f, nil }

func (f *fast) Close() error {
	f.client.CloseIdleConnections()
	return nil
}

func (f *fast) Get(r *Reply) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(f.url)
	if err := f.client.Do(req, resp); err != nil {
		return err
	}
	r.Status = resp.StatusCode()
	r.Body = append(r.Body[:0], resp.Body()...)
	return nil
}
