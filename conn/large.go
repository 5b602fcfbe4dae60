package conn

import (
	"math/bits"
	"slices"
	"sync"
)

const (
	// largeFrom is from where on memory for a body is kept apart from its answer's: an
	// answer of 13 bytes that its caller holds on to must not hold a megabyte, as it
	// would in memory that was handed on from answer to answer.
	largeFrom = 128 << 10
	largeBits = 17 // log2(largeFrom)

	// largeSizes is how many powers of two are kept: up to 64 GiB.
	largeSizes = 20
)

// large keeps the memory of large bodies for the next ones: a fresh megabyte costs as
// much to clear and to collect as it costs to read it from a socket. What two garbage
// collections find unused is gone.
type large [largeSizes]sync.Pool // of *[]byte, by the power of two that is not above their size

// Grow gives dst room for want more bytes, unless it has room for need. Memory that is
// not kept ready is taken by doubling, from firstGrowth on, down to need: want may be no
// more than somebody's claim. What dst holds stays; its old memory is not to be used any
// more. Keep takes back what is not needed any more.
func (b *Buffers) Grow(dst []byte, need, want int) []byte {
	if cap(dst)-len(dst) >= need {
		return dst
	}
	if len(dst)+want < largeFrom {
		return slices.Grow(dst, want)
	}
	grown := b.take(len(dst) + want)
	if grown == nil {
		more := min(want, max(need, len(dst), firstGrowth))
		grown = make([]byte, 0, max(len(dst)+more, largeFrom)) // fresh memory is not cleared again, as by slices.Grow
	}
	grown = append(grown, dst...)
	b.Keep(dst)
	return grown
}

// take is a kept buffer of n bytes or more, or nil.
func (b *Buffers) take(n int) []byte {
	if i := sizeOf(n); i < largeSizes {
		if p, ok := b.large[i].Get().(*[]byte); ok && cap(*p) >= n { // else dropped: larger ones are in demand
			return *p
		}
	}
	return nil
}

// Keep takes memory back that Grow gave. It refuses what is small, which is worth
// keeping where it is.
func (b *Buffers) Keep(p []byte) (kept bool) {
	if cap(p) < largeFrom {
		return false
	}
	if i := sizeOf(cap(p)); i < largeSizes {
		kept := p[:0] // p itself would be on the heap also where it is refused
		b.large[i].Put(&kept)
	}
	return true
}

func sizeOf(n int) int { return max(0, bits.Len(uint(n))-1-largeBits) }
