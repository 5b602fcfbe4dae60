package bench

import (
	"bytes"
	"context"

	"github.com/seed53b03582/troupe/api"
)

// troupe is a Session as it comes, but for the number of connections.
type troupe struct {
	session *api.Session
	url     string
	payload []byte // nil: GET
	keep    bool
}

func newTroupe(to Target, cell Cell) (Client, error) {
	cfg := api.Config{
		MaxConnsPerOrigin: cell.Conns,
		IdleTimeout:       idleFor,
	}
	if cell.TLS {
		cfg.TLS = to.tlsConfig()
	}
	if cell.Pipeline {
		cfg.Pipeline = api.Pipeline{Depth: cell.Callers}
	}
	s, err := api.NewSession(cfg)
	if err != nil {
		return nil, err
	}
	return &troupe{session: s, url: cell.url(to), payload: cell.payload(), keep: cell.Keep}, nil
}

func (t *troupe) Caller() (Caller, error) { return &troupeCaller{troupe: t}, nil }

func (t *troupe) Close() error { return t.session.Close() }

type troupeCaller struct {
	*troupe
	resp *api.Response
}

func (c *troupeCaller) Do(ctx context.Context, r *Reply) (err error) {
	if c.payload == nil {
		c.resp, err = c.session.Get(ctx, c.url)
	} else {
		c.resp, err = c.session.Post(ctx, c.url, api.Body(bytes.NewReader(c.payload)))
	}
	if err != nil {
		return err
	}
	r.Status, r.Body = c.resp.Status(), c.resp.Content()
	return nil
}

func (c *troupeCaller) Release() {
	if !c.keep {
		c.resp.Release()
	}
	c.resp = nil
}
