package memory

import (
	"math"
	"math/rand/v2"
	"time"
)

// Link is the way to an address. Its zero value is a perfect one: no delay, no fault.
type Link struct {
	// Latency is how long bytes, and the two halves of a dial, travel one way.
	Latency time.Duration
	// Jitter is by how much more at most, drawn anew for each write. Order is kept.
	Jitter time.Duration
	// Window is how many bytes wait on the way, each way, before a write blocks. Zero
	// means 64 KiB. Negative means none: bytes set out only for a Read that waits for them,
	// as on a net.Pipe, so that who has written knows that the other side reads.
	Window int
	// Pieces bounds the bytes that one Read gives, to a number drawn from 1 to Pieces.
	// Zero means no bound.
	Pieces int

	// Refuse fails dials with ECONNREFUSED, though somebody listens.
	Refuse bool
	// Silent leaves dials without an answer until their context ends.
	Silent bool

	// Up is the fault of what travels to who listens, Down of what comes back.
	Up, Down Fault
}

// Fault befalls the bytes that travel one way.
type Fault struct {
	Kind FaultKind
	// AfterBytes is how many bytes get through before. It counts where AfterTime is 0.
	AfterBytes int64
	// AfterTime is how long after the dial it strikes, whatever has been sent.
	AfterTime time.Duration
	// Share of the connections that it befalls, drawn for each. Zero means all.
	Share float64
}

// FaultKind is what befalls a connection.
type FaultKind uint8

// The kinds of faults.
const (
	None      FaultKind = iota
	Truncate            // the rest of this way is lost, and its reader sees an orderly end
	Cut                 // both ways end so: as where the other program was ended
	Reset               // both sides get ECONNRESET, and what was on the way is lost
	BlackHole           // the rest of this way is lost, and nobody is told
)

// String names the kind.
func (k FaultKind) String() string {
	return [...]string{"none", "truncate", "cut", "reset", "black hole"}[k]
}

const defaultWindow = 64 << 10

// room is how many bytes may set out on w now.
func (l *Link) room(w *way) int {
	switch {
	case l.Window > 0:
		return l.Window - w.size
	case l.Window == 0:
		return defaultWindow - w.size
	case w.size > 0:
		return 0 // they are for the Read that waits
	}
	return w.wanted
}

// delay is how long something that starts now travels.
func (l *Link) delay(random *rand.Rand) time.Duration {
	if l.Jitter <= 0 {
		return l.Latency
	}
	return l.Latency + time.Duration(random.Float64()*float64(l.Jitter))
}

// allowed is how many bytes get through before f strikes by count.
func (f *Fault) allowed() int64 {
	if f.Kind == None || f.AfterTime > 0 {
		return math.MaxInt64
	}
	return max(0, f.AfterBytes)
}
