package leakcheck

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// shop is a test's server. It counts its connections.
type shop struct {
	*httptest.Server
	conns atomic.Int64
}

// openShop starts a server for one test and closes it at the test's end. Then the
// test fails if a connection or a goroutine is left. Call it first: cleanups run
// last in, first out, and this one has to come after everybody else's Close.
func openShop(t *testing.T, h http.HandlerFunc) *shop {
	t.Helper()
	there := goleak.IgnoreCurrent() // what this test did not start is not its leak
	s := startShop(h)
	t.Cleanup(func() {
		if n := s.openConns(0); n > 0 {
			t.Errorf("%d connections are open at the end: a Session was not closed", n)
		}
		s.Close()
		goleak.VerifyNone(t, there)
	})
	return s
}

func startShop(h http.HandlerFunc) *shop {
	s := &shop{Server: httptest.NewUnstartedServer(h)}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.conns.Add(-1)
		}
	}
	s.Start()
	return s
}

// openConns waits for there to be want connections, as the server hears of a close a
// little later than the client's Close returns, and tells how many there are. It gives up
// when no machine could be so slow.
func (s *shop) openConns(want int64) int64 {
	patience := time.Minute
	if *forget {
		patience = time.Second // nobody will close them
	}
	for end := time.Now().Add(patience); s.conns.Load() != want && time.Now().Before(end); {
		runtime.Gosched()
	}
	return s.conns.Load()
}

func sells(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("item") != "tea" {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, `{"cents":250}`)
}
