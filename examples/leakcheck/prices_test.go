package leakcheck

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/api"
	"github.com/seed53b03582/troupe/conn/memory"
)

func TestPrices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := openShop(t, memory.Link{}, sells)
		if cents, err := p.Of(t.Context(), "tea"); cents != 250 || err != nil {
			t.Errorf("tea: %d cents, error %v", cents, err)
		}
		var status *api.StatusError
		if _, err := p.Of(t.Context(), "gold"); !errors.As(err, &status) || status.Code != http.StatusNotFound {
			t.Errorf("gold: error %v", err)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := openShop(t, memory.Link{Latency: 100 * time.Millisecond, Jitter: time.Second}, sells)
		var wg sync.WaitGroup
		defer wg.Wait() // the test's own goroutines are its to wait for
		for range 20 {
			wg.Go(func() {
				if cents, err := p.Of(t.Context(), "tea"); cents != 250 || err != nil {
					t.Errorf("tea: %d cents, error %v", cents, err)
				}
			})
		}
	})
}

func TestWhoGivesUpLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, n := openShop(t, memory.Link{}, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done() // answers never
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := p.Of(ctx, "tea"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		// The answer may still come: such a connection is not for others, and is gone.
		synctest.Wait()
		if n.Dials() != 1 || n.Open() != 0 {
			t.Errorf("of %d connections %d are open", n.Dials(), n.Open())
		}
	})
}

func TestALostAnswerLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, n := openShop(t, memory.Link{Down: memory.Fault{Kind: memory.Reset, AfterBytes: 100}}, sells)
		var lost *api.IOError
		if _, err := p.Of(t.Context(), "tea"); !errors.As(err, &lost) || lost.Op != api.OpRead {
			t.Errorf("error %v", err)
		}
		synctest.Wait()
		if n.Dials() == 0 || n.Open() != 0 {
			t.Errorf("of %d connections %d are open", n.Dials(), n.Open())
		}
	})
}
