//go:build !linux

package conn

import "runtime"

// thread is 0: it can't be told.
func thread() int { return 0 }

// A Read that is watched has this many turns, some 20 µs together, to give what it has.
const settleTurns = 100

func pause() { runtime.Gosched() }
