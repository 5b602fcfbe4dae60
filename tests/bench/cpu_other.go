//go:build !unix

package bench

import "time"

// cpuTime can't be told here.
func cpuTime() time.Duration { return 0 }
