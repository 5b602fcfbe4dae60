package actors

import (
	"fmt"
	"runtime"
	"strings"
)

// CallSite is where in the user's code a call was made. To take one is a walk over a
// few frames; their names are looked up by String alone.
type CallSite struct {
	pcs [16]uintptr // more frames than this module has on the stack at once
}

// Take notes the stack as it is now.
func (s *CallSite) Take() { runtime.Callers(2, s.pcs[:]) }

// String gives the first place outside of this module's library as file:line, or says
// that there is none, as where a goroutine began with a function of the library's.
func (s *CallSite) String() string {
	n := 0
	for n < len(s.pcs) && s.pcs[n] != 0 {
		n++
	}
	frames := runtime.CallersFrames(s.pcs[:n])
	for {
		f, more := frames.Next()
		if f.File != "" && !inLibrary(f) {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

const module = "github.com/seed53b03582/troupe/"

// inLibrary tells whether a frame is of the packages api, those below it, and actors, or of Go's runtime,
// which stands between where a deferred function runs. Their tests are users.
func inLibrary(f runtime.Frame) bool {
	if strings.HasPrefix(f.Function, "runtime.") {
		return true
	}
	pkg, ok := strings.CutPrefix(f.Function, module)
	return ok && !strings.HasSuffix(f.File, "_test.go") &&
		(strings.HasPrefix(pkg, "api.") || strings.HasPrefix(pkg, "api/") || strings.HasPrefix(pkg, "actors."))
}
