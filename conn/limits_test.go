package conn

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

// allocated is how many bytes f allocates. Under the race detector slices.Grow
// takes twice what it needs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	used := after.TotalAlloc - before.TotalAlloc
	if raceEnabled {
		used /= 2
	}
	return used
}

// A head without end costs a few times its limit, and no more.
func TestHeadTooLarge(t *testing.T) {
	const limit = 64 << 10
	for name, tc := range map[string]struct{ in, loop string }{
		"endless status line": {ok[:len(ok)-2], "x"},
		"endless value":       {ok + "A: ", "x"},
		"endless name":        {ok, "a"},
		"endless fields":      {ok, "A: b\r\n"},
		"endless folding":     {ok + "A: b\r\n", " c\r\n"},
		"endless after 1xx":   {"HTTP/1.1 103 Early Hints\r\n\r\n" + ok, "A: b\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newCanned(tc.in)
			m.loop = []byte(tc.loop)
			c := newConn(m, &Buffers{})
			c.Write([]byte(get), nil, true)
			var err error
			used := allocated(func() {
				_, err = c.ReadHead("GET", new(http1.Head), nil, http1.Limits{Bytes: limit, Fields: math.MaxInt32}, 0)
			})
			wantError(t, err, ErrTooLarge)
			if cap(c.buf) > 2*limit || m.read > 2*limit+bufferSize {
				t.Errorf("a buffer of %d for %d bytes read, with a limit of %d", cap(c.buf), m.read, limit)
			}
			// The buffers on the way to the largest one, and the places of the fields.
			if used > 8*limit && !strings.Contains(tc.loop, ":") || used > 40*limit {
				t.Errorf("allocated %d bytes", used)
			}
			if c.Reusable() {
				t.Error("reusable")
			}
		})
	}
}

func TestHeadLimits(t *testing.T) {
	head := ok + "A: b\r\nC: d\r\nContent-Length: 0\r\n\r\n"
	for name, tc := range map[string]struct {
		limits http1.Limits
		want   error
	}{
		"default":         {http1.Limits{}, nil},
		"just fits":       {http1.Limits{Bytes: len(head), Fields: 3}, nil},
		"a byte too long": {http1.Limits{Bytes: len(head) - 1}, ErrTooLarge},
		"a field more":    {http1.Limits{Fields: 2}, ErrTooLarge},
	} {
		c := newConn(newCanned(head), &Buffers{})
		_, err := c.ReadHead("GET", new(http1.Head), nil, tc.limits, 0)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The limit holds in every framing, to the byte, and what comes beyond it is not
// gathered.
func TestBodyTooLarge(t *testing.T) {
	payload := text(100_000)
	for name, in := range bodies(payload) {
		for _, max := range []int64{0, 1, 99_999, 100_000, 100_001} {
			c := newConn(newCanned(in), &Buffers{})
			c.Write([]byte(get), nil, true)
			got := receive(c, "GET", max)
			if max == 0 || max >= 100_000 {
				if got.err != nil || got.body != payload {
					t.Errorf("%s, at most %d: %v", name, max, got.err)
				}
				continue
			}
			if !errors.Is(got.err, ErrTooLarge) {
				t.Errorf("%s, at most %d: %v", name, max, got.err)
			}
		}
	}
}

func TestEndlessBody(t *testing.T) {
	const most = 1 << 20
	for name, tc := range map[string]struct {
		in, loop string
	}{
		"length":       {ok + "Content-Length: 9223372036854775807\r\n\r\n", "x"},
		"tiny chunks":  {okChunked, "1\r\nx\r\n"},
		"large chunks": {okChunked, "2000\r\n" + strings.Repeat("x", 0x2000) + "\r\n"},
		"one chunk":    {okChunked + "7fffffffffffffff\r\n", "x"},
		"until close":  {ok + "\r\n", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newCanned(tc.in)
			m.loop = []byte(tc.loop)
			c := newConn(m, &Buffers{})
			c.Write([]byte(get), nil, true)
			var got reply
			used := allocated(func() { got = receive(c, "GET", most) })
			wantError(t, got.err, ErrTooLarge)
			if used > 10*most {
				t.Errorf("allocated %d bytes for a limit of %d", used, most)
			}
			if c.Reusable() {
				t.Error("reusable")
			}
		})
	}
}

// A length beyond the limit is refused before any of the body is read.
func TestBodyTooLargeByItsLength(t *testing.T) {
	m := newCanned(ok + "Content-Length: 1001\r\n\r\n")
	head := len(m.in)
	m.loop = []byte("x")
	m.cut = func() int { return head }
	c := newConn(m, &Buffers{})
	c.Write([]byte(get), nil, true)
	wantError(t, receive(c, "GET", 1000).err, ErrTooLarge)
	if m.read != head {
		t.Errorf("read %d bytes of the body", m.read-head)
	}
}

// What a head promises is not what is allocated for it.
func TestPromisedLength(t *testing.T) {
	for name, head := range map[string]string{
		"length": ok + "Content-Length: 1000000000000\r\n\r\n",
		"chunk":  okChunked + "e8d4a51000\r\n",
	} {
		for at, few := range map[string]string{"none": "", "some": "hello"} {
			m := newCanned(head + few)
			m.cut = func() int { return len(head) }
			c := newConn(m, &Buffers{})
			c.Write([]byte(get), nil, true)
			var got reply
			used := allocated(func() { got = receive(c, "GET", 0) })
			wantError(t, got.err, http1.ErrTruncated)
			if used > firstGrowth*5/4 {
				t.Errorf("%s with %s of its bytes: allocated %d", name, at, used)
			}
		}
	}
}

// A large body is not copied again and again as it grows.
func TestGrowth(t *testing.T) {
	payload := strings.Repeat("x", 4<<20)
	for name, tc := range map[string]struct {
		in   string
		most uint64 // times its length
	}{
		"length":      {fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, len(payload), payload), 3},
		"chunks":      {okChunked + chunks(payload, 1000, 50_000), 6},
		"one chunk":   {okChunked + chunks(payload, len(payload)), 3},
		"until close": {ok + "\r\n" + payload, 4}, // doubles once more to see the end
	} {
		c := newConn(newCanned(tc.in), &Buffers{})
		c.Write([]byte(get), nil, true)
		readHead(t, c)
		var n int
		used := allocated(func() {
			body, err := c.ReadAll(nil, 0)
			if err != nil {
				t.Error(err)
			}
			n = len(body)
		})
		if n != len(payload) || used > tc.most*uint64(n) {
			t.Errorf("%s: allocated %d for %d bytes", name, used, n)
		}
	}
}
