package bench

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
)

// std is net/http's Transport without the Client around it, whose redirects and
// cookies nothing here needs.
type std struct {
	transport *http.Transport
	url       string
	payload   []byte // nil: GET
	keep      bool
}

func newNetHTTP(to Target, cell Cell) (Client, error) {
	return &std{transport: newTransport(to, cell), url: cell.url(to), payload: cell.payload(), keep: cell.Keep}, nil
}

// newTransport has no HTTP/2, and does not ask for gzip, as the others don't.
func newTransport(to Target, cell Cell) *http.Transport {
	return &http.Transport{
		MaxConnsPerHost:     cell.Conns,
		MaxIdleConnsPerHost: cell.Conns,
		IdleConnTimeout:     idleFor,
		DisableCompression:  true,
		TLSClientConfig:     to.tlsConfig(),
	}
}

func (s *std) Caller() (Caller, error) { return &stdCaller{std: s}, nil }

func (s *std) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

type stdCaller struct {
	*std
	buf bytes.Buffer
}

// Do reads the body into memory that is used again, which is the best that a user of
// net/http can do, except where the answers are to be kept.
func (c *stdCaller) Do(ctx context.Context, r *Reply) error {
	req, err := c.request(ctx)
	if err != nil {
		return err
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	r.Status = resp.StatusCode
	if c.keep {
		r.Body, err = io.ReadAll(resp.Body)
	} else {
		c.buf.Reset()
		_, err = c.buf.ReadFrom(resp.Body)
		r.Body = c.buf.Bytes()
	}
	return errors.Join(err, resp.Body.Close())
}

func (c *stdCaller) request(ctx context.Context) (*http.Request, error) {
	if c.payload == nil {
		return http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	}
	return http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.payload))
}

func (c *stdCaller) Release() {}
