package digest

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
)

// A conversation is a request after another, each of its own 401s.
func TestDigestTries(t *testing.T) {
	const (
		fresh   = `Digest realm="r", nonce="new", qop=auth`
		stale   = fresh + `, stale=TRUE`
		basic   = `Basic realm="r"`
		refused = "refused user or password"
	)
	for _, c := range []struct {
		name  string
		known bool     // a nonce from earlier
		got   []string // the challenges of the 401s
		end   string   // what the last of them comes to; empty: once more
		keeps bool     // a nonce for the requests to come
	}{
		{"the first 401", false, []string{fresh}, "", true},
		{"wrong password", false, []string{fresh, fresh}, refused, false},
		{"expired without stale", true, []string{fresh}, "", true},
		{"expired with stale", true, []string{stale}, "", true},
		{"wrong password with a nonce from earlier", true, []string{fresh, fresh}, refused, false},
		{"the new nonce is stale too", true, []string{stale, stale}, "", true},
		{"the new nonce is stale, then wrong password", true, []string{fresh, stale, fresh}, refused, false},
		{"stale for ever", false, []string{stale, stale, stale}, "called 2 new nonces stale", false},
		{"Digest no more", true, []string{basic}, "does not offer Digest", false},
		{"Digest no more, behind a new nonce", false, []string{fresh, basic}, "does not offer Digest", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Nonces
			u := User{"u", "p"}
			if c.known {
				if again, err := d.Challenged("o", u, new(Try), []string{`Digest realm="r", nonce="old", qop=auth`}); !again {
					t.Fatal(err)
				}
			}
			var try Try
			if _, ok := d.Authorization("o", u, &try, "GET", "/"); ok != c.known {
				t.Fatalf("at first: %v", ok)
			}
			for i, challenge := range c.got {
				again, err := d.Challenged("o", u, &try, []string{challenge})
				if last := i == len(c.got)-1; last && c.end != "" {
					if again || err == nil || !strings.Contains(err.Error(), c.end) {
						t.Errorf("the last 401: %v, %v, want %q", again, err, c.end)
					}
					break
				}
				if !again || err != nil {
					t.Fatalf("401 number %d: %v, %v", i+1, again, err)
				}
				value, ok := d.Authorization("o", u, &try, "GET", "/")
				if !ok || !strings.Contains(value, `nonce="new", nc=00000001,`) {
					t.Fatalf("401 number %d: sends %s", i+1, value)
				}
			}
			if _, ok := d.Authorization("o", u, new(Try), "GET", "/"); ok != c.keeps {
				t.Errorf("for the next request there is a nonce: %v", ok)
			}
		})
	}
}

// What other calls do between a 401 and its answer does not matter to a call.
func TestDigestKeepsItsOwnNonce(t *testing.T) {
	var d Nonces
	u := User{"u", "p"}
	challenged := func(try *Try, nonce string) {
		if again, err := d.Challenged("o", u, try, []string{`Digest realm="r", nonce="` + nonce + `"`}); !again {
			t.Fatal(err)
		}
	}
	nonceFor := func(try *Try) string {
		value, _ := d.Authorization("o", u, try, "GET", "/")
		_, value, _ = strings.Cut(value, ` nonce="`)
		value, _, _ = strings.Cut(value, `"`)
		return value
	}
	var mine, other Try
	challenged(&mine, "a")
	challenged(&other, "b")
	if a, b, next := nonceFor(&mine), nonceFor(&other), nonceFor(new(Try)); a != "a" || b != "b" || next != "b" {
		t.Errorf("got %q, %q, then %q", a, b, next)
	}
	refused, err := d.Challenged("o", u, &mine, []string{`Digest realm="r", nonce="c"`})
	if refused || err == nil {
		t.Errorf("got %v, %v", refused, err)
	}
	if next := nonceFor(new(Try)); next != "b" {
		t.Errorf("the nonce of another call is gone: %q", next)
	}
}

func TestDigestSpaces(t *testing.T) {
	var d Nonces
	if again, err := d.Challenged("http://a", User{"u", "p"}, new(Try), []string{`Digest realm="r", nonce="n"`}); !again {
		t.Fatal(err)
	}
	for _, c := range []struct {
		origin string
		user   User
		known  bool
	}{
		{"http://a", User{"u", "p"}, true},
		{"http://a", User{"u", "another password"}, true},
		{"http://a", User{"v", "p"}, false},
		{"http://b", User{"u", "p"}, false},
	} {
		if _, ok := d.Authorization(c.origin, c.user, new(Try), "GET", "/"); ok != c.known {
			t.Errorf("%s as %q: %v", c.origin, c.user.Name, ok)
		}
	}
}

func TestDigestBounded(t *testing.T) {
	var d Nonces
	u := User{"u", "p"}
	known := func(i int) bool {
		_, ok := d.Authorization(fmt.Sprint(i), u, new(Try), "GET", "/")
		return ok
	}
	const more = 100
	for i := range maxNonces + more {
		if again, err := d.Challenged(fmt.Sprint(i), u, new(Try), []string{`Digest realm="r", nonce="n"`}); !again {
			t.Fatal(err)
		}
		known(0) // is in use all the time
	}
	if len(d.known) != maxNonces || d.recent.Len() != maxNonces {
		t.Fatalf("%d known, %d in order", len(d.known), d.recent.Len())
	}
	for i := range maxNonces + more {
		if want := i == 0 || i > more; known(i) != want {
			t.Fatalf("number %d is known: %v", i, !want)
		}
	}
}

func TestDigestCountEnds(t *testing.T) {
	var d Nonces
	u := User{"u", "p"}
	var try Try
	if again, err := d.Challenged("o", u, &try, []string{`Digest realm="r", nonce="n", qop=auth`}); !again {
		t.Fatal(err)
	}
	try.nonce.count.Store(math.MaxUint32 - 1)
	if value, ok := d.Authorization("o", u, new(Try), "GET", "/"); !ok || !strings.Contains(value, "nc=ffffffff,") {
		t.Errorf("the last count: %q", value)
	}
	for _, try := range []*Try{&try, {}} {
		if value, ok := d.Authorization("o", u, try, "GET", "/"); ok || try.nonce != nil {
			t.Errorf("behind the last count: %q", value)
		}
	}
}

// Many calls share a nonce, and no two its count; meanwhile others get new ones.
func TestDigestConcurrency(t *testing.T) {
	s := &verifier{algorithm: "SHA-256-sess", qop: "auth", realm: "r", nonce: "n"}
	u := User{"u", "p"}
	var d Nonces
	if again, err := d.Challenged("o", u, new(Try), []string{s.challenge()}); !again {
		t.Fatal(err)
	}
	const callers, calls = 16, 50
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range calls {
				value, ok := d.Authorization("o", u, new(Try), "GET", "/")
				fault, nc := s.verify(value, "GET", "/", u.Name, u.Password)
				if !ok || fault != "" {
					t.Errorf("%s: %s", value, fault)
				}
				mu.Lock()
				seen[nc] = true
				mu.Unlock()

				elsewhere := fmt.Sprint(i, j)
				var try Try
				d.Challenged(elsewhere, u, &try, []string{s.challenge()})
				d.Authorization(elsewhere, u, &try, "GET", "/")
				d.Challenged(elsewhere, u, &try, []string{s.challenge()}) // refused: forgotten
			}
		})
	}
	wg.Wait()
	for i := range callers * calls {
		if nc := fmt.Sprintf("%08x", i+1); !seen[nc] {
			t.Errorf("no request had nc %s", nc)
		}
	}
	if len(d.known) != 1 {
		t.Errorf("%d nonces are kept", len(d.known))
	}
}

func TestDigestCnonceIsRandom(t *testing.T) {
	var d Nonces
	seen := map[string]bool{}
	for range 100 {
		seen[d.newCnonce()] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d different of 100", len(seen))
	}
}
