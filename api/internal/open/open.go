// Package open knows what users of package api have opened and not closed: sessions,
// leases, streamed bodies, kept connections. It is what package apitest asks.
//
// It knows so only while somebody watches (Watch). Else noting costs one load of an
// atomic, and nothing is kept. It may be used from any number of goroutines.
package open

import (
	"cmp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed53b03582/troupe/actors"
)

// current is nil unless somebody watches.
var current atomic.Pointer[registry]

// changing guards the count of those who watch.
var changing struct {
	sync.Mutex
	watchers int
}

// registry is what is open, since the first of those who watch began.
type registry struct {
	mu     sync.Mutex
	n      uint64
	things map[*Thing]struct{}
	claims map[uint64]any // by goroutine: to whom what it opens belongs
}

// Thing is one that was opened. A nil one is nobody's concern: its methods do nothing.
type Thing struct {
	Kind  string          // "Session", "Lease" …
	Place actors.CallSite // where it was opened
	Fix   string          // what closes it

	state   func(here bool) string
	bubble  uint64 // of time in which it was opened; 0: none
	from    *registry
	n       uint64 // in which order they were opened
	opener  uint64 // the goroutine
	claimed any
	within  *Thing // nil: nothing
}

// Watch has what is opened from now on noted, until the function that it returns is
// called, once.
func Watch() (stop func()) {
	changing.Lock()
	defer changing.Unlock()
	if changing.watchers++; changing.watchers == 1 {
		current.Store(&registry{things: map[*Thing]struct{}{}, claims: map[uint64]any{}})
	}
	return func() {
		changing.Lock()
		defer changing.Unlock()
		if changing.watchers--; changing.watchers == 0 {
			current.Store(nil)
		}
	}
}

// Note notes that the user has opened a thing; nil where nobody watches.
// within is what it is part of, and ends with, or nil. state tells what it is doing, "" where
// it has ended by itself, and must be safe to call until Closed; where it is not called here,
// it is from outside of the bubble of time whose channels the thing has.
func Note(kind, fix string, within *Thing, state func(here bool) string) *Thing {
	r := current.Load()
	if r == nil {
		return nil
	}
	t := &Thing{Kind: kind, Fix: fix, state: state, within: within}
	t.Place.Take()
	return r.note(t)
}

func (r *registry) note(t *Thing) *Thing {
	t.from, t.opener, t.bubble = r, Goroutine(), bubble()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	t.n, t.claimed = r.n, r.claims[t.opener]
	r.things[t] = struct{}{}
	return t
}

// Closed notes that t was closed. It may be called again.
func (t *Thing) Closed() {
	if t == nil {
		return
	}
	t.from.mu.Lock()
	defer t.from.mu.Unlock()
	delete(t.from.things, t)
}

// State is what t is doing; "" where it has ended by itself.
func (t *Thing) State() string { return t.state(t.bubble == 0 || t.bubble == bubble()) }

// As runs open, and has all that it opens on this goroutine belong to owner.
func As(owner any, open func()) {
	r := current.Load()
	if r == nil {
		open()
		return
	}
	id := Goroutine()
	r.claim(id, owner)
	defer r.claim(id, nil)
	open()
}

func (r *registry) claim(id uint64, owner any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if owner == nil {
		delete(r.claims, id)
	} else {
		r.claims[id] = owner
	}
}

// Mark is a moment in the order in which things are opened.
func Mark() uint64 {
	r := current.Load()
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// Left are the things that are open still, oldest first. With an owner they are those that
// belong to it, or that goroutine has opened after mark and nobody has claimed, and what is
// part of such; with nil, all.
func Left(owner any, goroutine, mark uint64) []*Thing {
	r := current.Load()
	if r == nil {
		return nil
	}
	r.mu.Lock()
	var left []*Thing
	for t := range r.things {
		if owner == nil || t.belongs(owner, goroutine, mark) {
			left = append(left, t)
		}
	}
	r.mu.Unlock()
	left = slices.DeleteFunc(left, func(t *Thing) bool { return t.State() == "" })
	slices.SortFunc(left, func(a, b *Thing) int { return cmp.Compare(a.n, b.n) })
	return left
}

func (t *Thing) belongs(owner any, goroutine, mark uint64) bool {
	switch {
	case t.claimed == owner:
		return true
	case t.claimed == nil && t.opener == goroutine && t.n > mark:
		return true
	}
	return t.within != nil && t.within.belongs(owner, goroutine, mark)
}

// Goroutine is the number of the calling goroutine, as a stack trace has it.
func Goroutine() uint64 {
	n, ok := numberBehind("goroutine ")
	if !ok {
		panic("open: a stack trace begins in a way that is not known")
	}
	return n
}

// bubble is the number of the bubble of time that the caller is in, 0 where it is in none.
func bubble() uint64 {
	n, _ := numberBehind("synctest bubble ")
	return n
}

// numberBehind finds a number in how the stack trace of the calling goroutine begins, such
// as: goroutine 7 [running, synctest bubble 3]:
func numberBehind(word string) (n uint64, ok bool) {
	var buf [64]byte
	line, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), "\n")
	_, rest, _ := strings.Cut(line, word)
	if end := strings.IndexAny(rest, " ]"); end >= 0 {
		rest = rest[:end]
	}
	n, err := strconv.ParseUint(rest, 10, 64)
	return n, err == nil
}
