package conn

import (
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// One exchange after the other over one connection allocates nothing, in each
// framing that a connection outlives.
func TestAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	for name, in := range bodies("hello") {
		if name == "until close" {
			continue
		}
		for _, timeout := range []time.Duration{0, time.Minute} {
			m := newCanned(in)
			m.again = true
			c := newConn(m, &Buffers{})
			request, dst := []byte(get), make([]byte, 0, 1024)
			var h http1.Head
			got := testing.AllocsPerRun(1000, func() {
				if _, err := c.Write(request, nil, true); err != nil {
					t.Fatal(err)
				}
				var err error
				if dst, err = c.ReadHead("GET", &h, dst[:0], http1.Limits{}, timeout); err != nil {
					t.Fatal(err)
				}
				if dst, err = c.ReadAll(dst, 1000); err != nil {
					t.Fatal(err)
				}
				if !c.Reusable() {
					t.Fatal("not reusable")
				}
				c.Park()
				if !c.Alive(time.Hour) {
					t.Fatal("not alive")
				}
			})
			if got != 0 {
				t.Errorf("%s: %v allocations", name, got)
			}
		}
	}
}

// Reading in pieces into the caller's memory allocates nothing either.
func TestReadAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	for name, in := range bodies(text(50_000)) {
		if name == "until close" {
			continue
		}
		m := newCanned(in)
		m.again = true
		c := newConn(m, &Buffers{})
		request, dst, p := []byte(get), make([]byte, 0, 1024), make([]byte, 512)
		var h http1.Head
		got := testing.AllocsPerRun(100, func() {
			c.Write(request, nil, true)
			var err error
			if dst, err = c.ReadHead("GET", &h, dst[:0], http1.Limits{}, 0); err != nil {
				t.Fatal(err)
			}
			for done := false; !done; {
				if _, done, err = c.Read(p, true); err != nil {
					t.Fatal(err)
				}
			}
			c.Park()
		})
		if got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
