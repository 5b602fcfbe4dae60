package main

import (
	"bytes"
	"runtime"
	"runtime/pprof"
	"time"
)

// goroutines counts them exactly. runtime.NumGoroutine is off by a few while others end.
func goroutines() int {
	for size := 64; ; size *= 2 {
		if n, ok := runtime.GoroutineProfile(make([]runtime.StackRecord, size)); ok {
			return n
		}
	}
}

// settled waits a moment for goroutines that are about to end, and tells how many
// more there are than before, and where they stand.
func settled(before int) (left int, stacks string) {
	for range 200 {
		if left = goroutines() - before; left <= 0 {
			return 0, ""
		}
		time.Sleep(10 * time.Millisecond)
	}
	var b bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&b, 1)
	return left, b.String()
}
