package actors

import (
	"bufio"
	"net"
	"net/http"
	"testing"
)

// A call that has failed has told the dispatcher so: what its caller asks next finds it
// counted, also where the driver's connection is closed beside.
func TestFailureIsCountedWhenTheCallReturns(t *testing.T) {
	m := &pipes{serve: func(nc net.Conn) { http.ReadRequest(bufio.NewReader(nc)) }} // and hangs up
	s := m.start(t, Config{Breaker: Breaker{Disabled: true}})
	for n := range uint64(2000) {
		if body, err := get(t.Context(), s); err == nil {
			t.Fatalf("answered with %q", body)
		}
		if got := s.Snapshot().Origins[0].Failures; got != n+1 {
			t.Fatalf("%d failures after %d calls that failed", got, n+1)
		}
	}
}
