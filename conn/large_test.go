package conn

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
)

func TestGrow(t *testing.T) {
	const mb = 1 << 20
	for _, tc := range []struct {
		name       string
		have, used int // of the slice
		need, want int
		kept       []int // what lies ready
		least      int   // the capacity afterwards
		most       int
	}{
		{"there is room", 100, 50, 50, 1000, nil, 100, 100},
		{"small", 100, 60, 50, 1000, nil, 1060, 2000},
		{"large", 100, 60, mb, 2 * mb, nil, 60 + mb, 60 + mb},
		{"as large as needed", 100, 60, 2 * mb, 2 * mb, nil, 60 + 2*mb, 60 + 2*mb},
		{"doubles", 4 * mb, 4 * mb, 1, 100 * mb, nil, 8 * mb, 8 * mb},
		{"as wanted at the most", 4 * mb, 4 * mb, 1, 10, nil, 4*mb + 10, 4*mb + 10},
		{"lies ready", 100, 60, mb, 3 * mb, []int{4*mb - 1}, 4*mb - 1, 4*mb - 1},
		{"what lies ready is too small", 100, 60, mb, 3 * mb, []int{2 * mb}, 60 + mb, 60 + mb},
		{"what lies ready is far too large", 100, 60, mb, mb, []int{8 * mb}, 60 + mb, 60 + mb},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if raceEnabled && tc.kept != nil {
				t.Skip("sync.Pool drops at random there")
			}
			var b Buffers
			for _, n := range tc.kept {
				if !b.Keep(make([]byte, 5, n)) {
					t.Errorf("%d bytes are refused", n)
				}
			}
			before := make([]byte, tc.used, tc.have)
			for i := range before {
				before[i] = byte(i)
			}
			got := b.Grow(before, tc.need, tc.want)
			if len(got) != tc.used || cap(got) < tc.least || cap(got) > tc.most {
				t.Errorf("length %d, capacity %d; want %d, %d to %d", len(got), cap(got), tc.used, tc.least, tc.most)
			}
			for i := range got {
				if got[i] != byte(i) {
					t.Fatalf("byte %d is another", i)
				}
			}
		})
	}
	if new(Buffers).Keep(make([]byte, 0, largeFrom-1)) {
		t.Error("small memory was taken")
	}
}

// A large body is read into the memory of the one before.
func TestLargeBodiesAllocateLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random there")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would empty the pools
	payload := strings.Repeat("x", 1<<20)
	for name, in := range map[string]string{
		"length":      fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, len(payload), payload),
		"chunks":      okChunked + chunks(payload, 1000, 50_000),
		"until close": ok + "\r\n" + payload,
	} {
		t.Run(name, func(t *testing.T) {
			var b Buffers
			read := func() (used uint64) {
				c := newConn(newCanned(in), &b)
				c.Write([]byte(get), nil, true)
				readHead(t, c)
				return allocated(func() {
					body, err := c.ReadAll(make([]byte, 0, 512), 0)
					if err != nil || len(body) != len(payload) {
						t.Error(len(body), err)
					}
					b.Keep(body)
				})
			}
			used := read()
			for range 5 { // the first ones grow, and sync.Pool may miss what lies at another core
				used = min(used, read())
			}
			if used > 2*largeFrom { // what it grows through below that is not kept
				t.Errorf("allocated %d bytes", used)
			}
		})
	}
}
