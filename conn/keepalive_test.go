package conn

import (
	"testing"
	"time"
)

func TestKeepAlive(t *testing.T) {
	for _, tc := range []struct {
		value string
		want  time.Duration
	}{
		{"", 0},
		{"max=100", 0},
		{"timeout", 0},
		{"timeout=", 0},
		{"timeout=5", 4 * time.Second},
		{"timeout=5, max=100", 4 * time.Second},
		{"max=100,timeout=5", 4 * time.Second},
		{"Timeout=60", 59 * time.Second},
		{"\ttimeout = 5 ", 4 * time.Second},
		{`timeout="5"`, 4 * time.Second},
		{"timeout=2", time.Second},
		{"timeout=1", 500 * time.Millisecond}, // the margin is at most half
		{"timeout=0", 1},                      // not 0, which means that it does not say
		{"timeout=007", 6 * time.Second},
		{"timeout=5,timeout=9", 4 * time.Second},
		{"timeouts=5", 0},
		{"xtimeout=5", 0},
		{"timeout=-5", 0},
		{"timeout=+5", 0},
		{"timeout=5s", 0},
		{"timeout=1.5", 0},
		{"timeout=5;max=1", 0},
		{"timeout=x, timeout=5", 0},
		{"timeout=2147483647", 2147483646 * time.Second},
		{"timeout=2147483648", 0},
		{"timeout=99999999999999999999", 0},
		{",,=,timeout=5", 4 * time.Second},
		{"timeout=5=6", 0},
		{"timeout=5\x00", 0},
	} {
		if got := KeepAlive([]byte(tc.value)); got != tc.want {
			t.Errorf("%q: %v, want %v", tc.value, got, tc.want)
		}
	}
	if got := KeepAlive(nil); got != 0 {
		t.Errorf("no field: %v", got)
	}
}
