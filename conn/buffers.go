package conn

import "sync"

// bufferSize is what a connection reads into while an answer is due: most small
// answers come whole with one read of it.
const bufferSize = 8 << 10

// Buffers lends read buffers to busy connections, so that idle ones hold none, and
// memory for large bodies. The zero value is ready. One belongs to each scheduler.
type Buffers struct {
	pool  sync.Pool
	large large
}

func (b *Buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, bufferSize)
	return &p
}

// put takes a buffer back. One that a large head made grow is dropped.
func (b *Buffers) put(p *[]byte) {
	if cap(*p) == bufferSize {
		b.pool.Put(p)
	}
}
