package bench

import (
	"bytes"
	"context"
	"net/http"

	"resty.dev/v3"
)

// rest is resty over the same Transport as net/http's, without the cookie jar and the
// content codings that it would bring.
type rest struct {
	client    *resty.Client
	transport *http.Transport
	url       string
	payload   []byte // nil: GET
}

func newResty(to Target, cell Cell) (Client, error) {
	transport := newTransport(to, cell)
	client := resty.NewWithClient(&http.Client{Transport: transport})
	client.SetContentDecompresserKeys(nil)
	return &rest{client: client, transport: transport, url: cell.url(to), payload: cell.payload()}, nil
}

func (c *rest) Caller() (Caller, error) { return c, nil }

func (c *rest) Close() error {
	err := c.client.Close()
	c.transport.CloseIdleConnections()
	return err
}

// Do hands out the body that resty has read: it is the caller's to keep. What is sent goes
// in as a Reader: resty puts bytes into a buffer that it reuses while the Transport may
// still be at it, which the race detector finds.
func (c *rest) Do(ctx context.Context, r *Reply) (err error) {
	var resp *resty.Response
	req := c.client.R().SetContext(ctx)
	if c.payload == nil {
		resp, err = req.Get(c.url)
	} else {
		resp, err = req.SetBody(bytes.NewReader(c.payload)).Post(c.url)
	}
	if err != nil {
		return err
	}
	r.Status, r.Body = resp.StatusCode(), resp.Bytes()
	return nil
}

func (c *rest) Release() {}
