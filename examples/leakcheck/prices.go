package leakcheck

import (
	"context"
	"fmt"

	"github.com/seed53b03582/troupe/api"
)

// Prices asks a shop for prices, over connections that it keeps. Close is to be
// called when it is of no more use.
type Prices struct {
	session *api.Session
	shop    string
}

// NewPrices is for the shop at a base URL. Tests give cfg a Driver of their own.
func NewPrices(shop string, cfg api.Config) (*Prices, error) {
	s, err := api.NewSession(cfg)
	if err != nil {
		return nil, err
	}
	return &Prices{session: s, shop: shop}, nil
}

// Of is the price of an item in cents.
func (p *Prices) Of(ctx context.Context, item string) (cents int, err error) {
	resp, err := p.session.Get(ctx, p.shop+"/price", api.Params{"item": item})
	if err != nil {
		return 0, err
	}
	defer resp.Release()
	if err := resp.Err(); err != nil {
		return 0, fmt.Errorf("the price of %s: %w", item, err)
	}
	var answer struct{ Cents int }
	err = resp.JSON(&answer)
	return answer.Cents, err
}

// Close ends all calls and connections.
func (p *Prices) Close() error { return p.session.Close() }
