package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// newGateway asks the handlers given, in order, as up1, up2 and so on.
func newGateway(t *testing.T, m *memoryNetwork, handlers ...http.HandlerFunc) *gateway {
	t.Helper()
	s, err := api.NewSession(api.Config{Driver: m, Breaker: api.Breaker{Failures: 2, OpenFor: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	g := &gateway{session: s, deadline: time.Second}
	for i, h := range handlers {
		u, err := newUpstream(fmt.Sprintf("up%d", i+1), m.serve(t, h))
		if err != nil {
			t.Fatal(err)
		}
		g.upstreams = append(g.upstreams, u)
	}
	return g
}

func ask(t *testing.T, g *gateway) (status int, a answer) {
	t.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	return w.Code, a
}

func wantPart(t *testing.T, a answer, name, state, text string) {
	t.Helper()
	p := a.Parts[name]
	if p.State != state || !strings.Contains(p.Error+string(p.Data), text) {
		t.Errorf("part %s is %+v with data %s; want %s with %q", name, p, p.Data, state, text)
	}
}

func dead(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func hanging(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestAnswerMergesAllParts(t *testing.T) {
	inBubble(t, func(t *testing.T, m *memoryNetwork) {
		status, a := ask(t, newGateway(t, m, fast, fast))
		if status != http.StatusOK || !a.Complete {
			t.Errorf("status %d, complete %v", status, a.Complete)
		}
		wantPart(t, a, "up1", stateOK, `"path"`)
		wantPart(t, a, "up2", stateOK, `"path"`)
	})
}

func TestAnswerIsPartialWhereUpstreamsFail(t *testing.T) {
	inBubble(t, func(t *testing.T, m *memoryNetwork) {
		g := newGateway(t, m, fast, dead, hanging,
			func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusServiceUnavailable) },
			func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
		began := time.Now()
		status, a := ask(t, g)
		if took := time.Since(began); took != g.deadline {
			t.Errorf("took %v, with a deadline of %v", took, g.deadline)
		}
		if status != http.StatusOK || a.Complete {
			t.Errorf("status %d, complete %v", status, a.Complete)
		}
		wantPart(t, a, "up1", stateOK, `"path"`)
		wantPart(t, a, "up2", stateErr, "closed the connection")
		wantPart(t, a, "up3", stateErr, "deadline exceeded")
		wantPart(t, a, "up4", stateErr, "503")
		wantPart(t, a, "up5", stateErr, "not JSON")
	})
}

func TestDeadUpstreamIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, m *memoryNetwork) {
		g := newGateway(t, m, fast, dead)
		for range 2 {
			_, a := ask(t, g)
			wantPart(t, a, "up2", stateErr, "")
		}
		_, a := ask(t, g)
		wantPart(t, a, "up1", stateOK, `"path"`)
		wantPart(t, a, "up2", stateOpen, api.ErrCircuitOpen.Error())
		if c, _, _ := g.upstreams[1].meter.read(); c != (tally{calls: 3, errors: 2, cutOff: 1}) {
			t.Errorf("counted %+v", c)
		}
	})
}

func TestNothingToMergeIsBadGateway(t *testing.T) {
	inBubble(t, func(t *testing.T, m *memoryNetwork) {
		if status, a := ask(t, newGateway(t, m, dead)); status != http.StatusBadGateway || a.Complete {
			t.Errorf("status %d, complete %v", status, a.Complete)
		}
	})
}
