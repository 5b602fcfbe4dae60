package servers

import (
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// Two origins behind one address share the calls.
func TestHaproxyBalances(t *testing.T) {
	a, b := newNamedOrigin(t, "a", nil), newNamedOrigin(t, "b", nil)
	h := startHaproxy(t, haproxyConf{backends: []string{a.addr, b.addr}})
	s := newSession(t, api.Config{MaxConnsPerOrigin: 4})
	if err := callers(10, func(int) error {
		for range 10 {
			if err := get(t, s, h.URL+"/", false); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	// The first probes of launch are connections without a request.
	if a.asked("GET /") != 50 || b.asked("GET /") != 50 {
		t.Errorf("%d and %d requests, want 50 each", a.asked("GET /"), b.asked("GET /"))
	}
}

// With http-server-close haproxy closes its side to the origin after each answer
// and keeps ours; with httpclose it closes ours too, and says so.
func TestHaproxyCloses(t *testing.T) {
	for option, kept := range map[string]bool{"option http-server-close": true, "option httpclose": false, "option http-keep-alive": true} {
		t.Run(option, func(t *testing.T) {
			o := newOrigin(t)
			h := startHaproxy(t, haproxyConf{defaults: option, backends: []string{o.addr}})
			s := newSession(t, api.Config{MaxConnsPerOrigin: 1})
			ids := map[string]bool{}
			for range 5 {
				resp := must(t, 200)(s.Post(soon(t), h.URL+"/echo", api.Data{"a": "b"}))
				if c := resp.Connection(); c != nil {
					ids[c.ID()] = true
				}
			}
			if kept && len(ids) != 1 || !kept && len(ids) != 0 {
				t.Errorf("%d connections outlived their calls", len(ids))
			}
		})
	}
}

// An origin that is slower than haproxy's patience: 504. One that stops in the
// middle of an answer: the body is cut short, which is an error.
func TestHaproxyServerTimeout(t *testing.T) {
	o := newOrigin(t)
	h := startHaproxy(t, haproxyConf{defaults: "timeout server 300ms", backends: []string{o.addr}})
	s := newSession(t, api.Config{})
	must(t, 504)(s.Get(soon(t), h.URL+"/slow?ms=5000"))
	_, err := s.Get(soon(t), h.URL+"/stall")
	if e, ok := asError[*api.IOError](err); !ok || e.Op != api.OpRead || e.Sent != api.SentAll {
		t.Errorf("an answer cut short: %v", err)
	}
	must(t, 200)(s.Get(soon(t), h.URL+"/"))
}
