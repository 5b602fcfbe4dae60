package leakcheck

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// newPrices is closed at the test's end.
func newPrices(t *testing.T, s *shop) *Prices {
	t.Helper()
	p, err := NewPrices(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if !*forget {
		t.Cleanup(func() { p.Close() })
	}
	return p
}

func TestPrices(t *testing.T) {
	s := openShop(t, sells)
	p := newPrices(t, s)
	if cents, err := p.Of(t.Context(), "tea"); cents != 250 || err != nil {
		t.Errorf("tea: %d cents, error %v", cents, err)
	}
	var status *api.StatusError
	if _, err := p.Of(t.Context(), "gold"); !errors.As(err, &status) || status.Code != http.StatusNotFound {
		t.Errorf("gold: error %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	p := newPrices(t, openShop(t, sells))
	var wg sync.WaitGroup
	defer wg.Wait() // the test's own goroutines are its to wait for
	for range 20 {
		wg.Go(func() {
			if cents, err := p.Of(t.Context(), "tea"); cents != 250 || err != nil {
				t.Errorf("tea: %d cents, error %v", cents, err)
			}
		})
	}
}

func TestWhoGivesUpLeavesNothing(t *testing.T) {
	ctx, giveUp := context.WithCancel(t.Context())
	s := openShop(t, func(_ http.ResponseWriter, r *http.Request) {
		giveUp() // when it is under way: time would not tell
		<-r.Context().Done()
	})
	p := newPrices(t, s)
	if _, err := p.Of(ctx, "tea"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	// The answer may still come: such a connection is not for others, and is gone.
	if n := s.openConns(0); n > 0 {
		t.Errorf("%d connections are open afterwards", n)
	}
}
