package servers

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// toxic is a proxy of toxiproxy's before one server, without its HTTP API: what that
// would do to the proxy is done here by the calls it makes itself.
type toxic struct {
	URL string // http://…
	*toxiproxy.Proxy
}

// startToxiproxy starts a proxy without toxics before addr.
func startToxiproxy(t testing.TB, addr string) *toxic {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", addr)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &toxic{URL: "http://" + p.Listen, Proxy: p}
}

// attributes are a toxic's settings, as its documentation names them.
type attributes map[string]int

// add puts a toxic on the connections to come. way is "upstream" (what the client
// sends) or "downstream" (what it is answered).
func (x *toxic) add(t testing.TB, kind, way string, a attributes) {
	t.Helper()
	description, err := json.Marshal(map[string]any{"type": kind, "stream": way, "attributes": a})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Toxics.AddToxicJson(strings.NewReader(string(description))); err != nil {
		t.Fatal(err)
	}
}

// poisoned is a proxy with one toxic before an origin.
func poisoned(t testing.TB, o *origin, kind, way string, a attributes) *toxic {
	t.Helper()
	x := startToxiproxy(t, o.addr)
	x.add(t, kind, way, a)
	return x
}
