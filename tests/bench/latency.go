package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Latency counts durations in buckets of at most 1/64 of their value. Any goroutine
// may add to it.
type Latency struct {
	buckets [octaves * steps]atomic.Uint32
}

const (
	steps   = 64 // buckets from one power of two to the next
	octaves = 36 // up to 2^41 ns, more than half an hour
)

// Add counts one duration.
func (l *Latency) Add(d time.Duration) { l.buckets[bucket(d)].Add(1) }

// Quantile is the duration that a share q of all, 0 < q <= 1, did not pass: the
// middle of its bucket. Of no durations it is 0.
func (l *Latency) Quantile(q float64) time.Duration {
	total := 0
	for i := range l.buckets {
		total += int(l.buckets[i].Load())
	}
	left := int(q * float64(total))
	for i := range l.buckets {
		n := int(l.buckets[i].Load())
		if left <= n && n > 0 {
			return middle(i)
		}
		left -= n
	}
	return 0
}

// bucket numbers durations below 64 ns by their value and gives each octave after
// that 64 buckets.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < steps {
		return int(v)
	}
	shift := bits.Len64(v) - bits.Len64(steps)
	return min((shift+1)*steps+int(v>>shift)-steps, octaves*steps-1)
}

func middle(i int) time.Duration {
	if i < steps {
		return time.Duration(i)
	}
	shift := i/steps - 1
	low := uint64(steps+i%steps) << shift
	return time.Duration(low + 1<<shift/2)
}
