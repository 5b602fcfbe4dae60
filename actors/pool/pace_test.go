package pool

import (
	"testing"
	"time"
)

func TestPaceIsTheRecentMedian(t *testing.T) {
	var p pace
	for i := range 200 { // one in ten is slow
		p.answered([]time.Duration{30 * time.Millisecond, time.Second}[i%10/9])
	}
	if p.typical < 25*time.Millisecond || p.typical > 60*time.Millisecond {
		t.Errorf("typical of 30 ms, with a second now and then: %v", p.typical)
	}
	for range 60 {
		p.answered(time.Second)
	}
	if p.typical != time.Second {
		t.Errorf("typical of what takes a second: %v", p.typical)
	}
	for range 60 {
		p.answered(time.Millisecond)
	}
	if p.typical > 2*time.Millisecond {
		t.Errorf("typical of what takes a millisecond: %v", p.typical)
	}
}

func TestDeadlinesThatCount(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name    string
		typical time.Duration
		had     time.Duration // by each of the calls
		beside  int           // so many at a time
		calls   int           // the first that counts; 0: none of a hundred
	}{
		{"long enough", 30 * ms, 30 * ms, 1, 1},
		{"too short", 30 * ms, 5 * ms, 1, 0},
		{"too short, until it was silent for long", 30 * ms, 29 * ms, 1, 35}, // a second
		{"of a slow origin", 2000 * ms, 1000 * ms, 1, 20},                    // ten times its answers
		{"of an unknown origin", 0, 100 * ms, 1, 1},
		{"of an unknown origin, too short", 0, 5 * ms, 1, 0},
		{"of an unknown origin that is silent", 0, 50 * ms, 1, 20},
		{"that pass together", 30 * ms, 29 * ms, 10, 341}, // are one silence
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pace{typical: c.typical}
			now, first := Instant(0), 0
			for n := 1; n <= max(100, c.calls) && first == 0; n++ {
				if (n-1)%c.beside == 0 {
					now = now.Add(c.had)
				}
				if p.judge(now, c.had) == OutcomeFailed {
					first = n
				}
			}
			if first != c.calls {
				t.Errorf("the first that counts is the %d., want the %d.", first, c.calls)
			}
			p.answered(0)
			if p.silence != 0 {
				t.Error("an answer did not end the silence")
			}
		})
	}
	t.Run("far apart", func(t *testing.T) {
		p := pace{typical: 30 * ms}
		for n := range 100 { // half a second in all, though over minutes
			if p.judge(Instant(n+1).Add(time.Duration(n)*time.Minute), 5*ms) != OutcomeNeutral {
				t.Fatalf("the %d. counts", n+1)
			}
		}
	})
}
