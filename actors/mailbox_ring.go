package actors

// ring is a queue that grows, by doubling, and keeps its memory.
type ring struct {
	buf     []any
	head, n int
}

func (r *ring) push(v any) {
	r.grow()
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// unpop puts v back at the front.
func (r *ring) unpop(v any) {
	r.grow()
	r.head = (r.head - 1) & (len(r.buf) - 1)
	r.buf[r.head] = v
	r.n++
}

func (r *ring) pop() (any, bool) {
	if r.n == 0 {
		return nil, false
	}
	v := r.buf[r.head]
	r.buf[r.head] = nil
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return v, true
}

func (r *ring) grow() {
	if r.n < len(r.buf) {
		return
	}
	next := make([]any, max(8, 2*len(r.buf)))
	for i := range r.n {
		next[i] = r.buf[(r.head+i)&(len(r.buf)-1)]
	}
	r.buf, r.head = next, 0
}
