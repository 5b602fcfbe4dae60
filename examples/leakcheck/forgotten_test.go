package leakcheck

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed53b03582/troupe/api"
)

// These tests leak on purpose. They ask goleak.Find instead of letting
// goleak.VerifyNone fail the test, and clean up in the end.

// A Session is forgotten with a call under way: goleak finds the caller's goroutine,
// which stands inside troupe.
func TestForgottenCallIsFoundByGoleak(t *testing.T) {
	there := goleak.IgnoreCurrent()
	asked := make(chan struct{})
	s := startShop(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done() // answers never
	})
	p, err := NewPrices(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { // what nobody should write: no deadline, nobody waits, nobody closes
		_, err := p.Of(context.Background(), "tea")
		ended <- err
	}()
	<-asked

	leak := goleak.Find(there)
	if leak == nil || !strings.Contains(leak.Error(), "leakcheck.(*Prices).Of") {
		t.Errorf("goleak does not find the call that is under way: %v", leak)
	}
	if p.OpenConns() == 0 {
		t.Error("the Snapshot does not have the call's connection")
	}

	p.Close()
	if err := <-ended; !errors.Is(err, api.ErrSessionClosed) {
		t.Errorf("the call ended with %v", err)
	}
	nothingIsLeft(t, p, s, there)
}

// A Session is forgotten after its calls have ended: no goroutine of its own is left
// to be found, but its connection is.
func TestForgottenIdleSessionIsSeenByItsConnections(t *testing.T) {
	there := goleak.IgnoreCurrent()
	s := startShop(sells)
	p, err := NewPrices(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Of(t.Context(), "tea"); err != nil {
		t.Fatal(err)
	}

	// As long as the server runs, goleak finds the server's side of the
	// connection, and nothing of troupe.
	leak := goleak.Find(there)
	if leak == nil || !strings.Contains(leak.Error(), "net/http.(*conn).serve") {
		t.Errorf("goleak does not find the server: %v", leak)
	}
	if leak := goleak.Find(there, goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("net/http.(*Server).Serve")); leak != nil {
		t.Errorf("an idle session has goroutines: %v", leak)
	}
	// Where they are counted, connections tell, at either end.
	open := p.OpenConns() // a dial that took long may have made it two
	if open == 0 {
		t.Error("the Snapshot has no connection")
	}
	if n := s.openConns(int64(open)); n != int64(open) {
		t.Errorf("the server has %d connections, the Snapshot %d", n, open)
	}

	p.Close()
	nothingIsLeft(t, p, s, there)
}

// Once the server is closed, goleak sees nothing at all of a Session that was not:
// the connections have to be counted before.
func TestForgottenIdleSessionIsNotSeenByGoleak(t *testing.T) {
	there := goleak.IgnoreCurrent()
	s := startShop(sells)
	p, err := NewPrices(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Of(t.Context(), "tea"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if leak := goleak.Find(there); leak != nil {
		t.Errorf("an idle session has goroutines: %v", leak)
	}
}

// nothingIsLeft closes the shop, after the client, and looks for all that could be left.
func nothingIsLeft(t *testing.T, p *Prices, s *shop, there goleak.Option) {
	t.Helper()
	if n := p.OpenConns(); n != 0 {
		t.Errorf("the Snapshot has %d connections after Close", n)
	}
	if n := s.openConns(0); n != 0 {
		t.Errorf("the server has %d connections after the client's Close", n)
	}
	s.Close()
	goleak.VerifyNone(t, there)
}
