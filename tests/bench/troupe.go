package bench

import (
	"context"

	"github.com/seed53b03582/troupe/api"
)

// troupe is a Session as it comes, but for the number of connections.
type troupe struct {
	session *api.Session
	url     string
}

func newTroupe(addr string, cell Cell) (Client, error) {
	s, err := api.NewSession(api.Config{
		MaxConnsPerOrigin: cell.Conns,
		IdleTimeout:       idleFor,
	})
	if err != nil {
		return nil, err
	}
	return &troupe{session: s, url: "http://" + addr + path}, nil
}

func (t *troupe) Caller() (Caller, error) { return t, nil }

func (t *troupe) Close() error { return t.session.Close() }

func (t *troupe) Get(r *Reply) error {
	resp, err := t.session.Get(context.Background(), t.url)
	if err != nil {
		return err
	}
	r.Status = resp.Status()
	r.Body = append(r.Body[:0], resp.Content()...)
	resp.Release()
	return nil
}
