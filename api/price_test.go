package api

import "testing"

// TestPriceOfASession: sessions are cheap enough to make one for each test. The system of
// the engine, which all share, was 66 000 allocations.
func TestPriceOfASession(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates too")
	}
	const most = 200
	n := testing.AllocsPerRun(20, func() {
		s, err := NewSession(Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if n > most {
		t.Errorf("%v allocations for NewSession and Close, want at most %d", n, most)
	}
	t.Logf("%v allocations", n)
}

func BenchmarkNewSession(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s, err := NewSession(Config{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
