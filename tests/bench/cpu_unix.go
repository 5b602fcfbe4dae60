//go:build unix

package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is what this process has used of all cores, user and system together.
func CPUTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
