package leakcheck

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/seed53b03582/troupe/api"
	"github.com/seed53b03582/troupe/api/apitest"
	"github.com/seed53b03582/troupe/conn/memory"
)

// openShop starts a shop and a client of it for one test, with link between them, and
// closes both at the test's end. Then nothing may be left.
func openShop(t *testing.T, link memory.Link, h http.HandlerFunc) (*Prices, *memory.Network) {
	t.Helper()
	apitest.Check(t) // first: it looks when everything else is over
	n := memory.New(1)
	n.SetLink(memory.Any, link)
	l, err := n.Listen("shop.test:80")
	if err != nil {
		t.Fatal(err)
	}
	server, ended := http.Server{Handler: h}, make(chan error)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close() // its goroutines are in the same process
		<-ended
	})
	p, err := NewPrices("http://shop.test", api.Config{Driver: n})
	if err != nil {
		t.Fatal(err)
	}
	if !*forget {
		t.Cleanup(func() { p.Close() })
	}
	return p, n
}

func sells(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("item") != "tea" {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, `{"cents":250}`)
}
