//go:build !unix

package bench

import "time"

// CPUTime can't be told here.
func CPUTime() time.Duration { return 0 }
