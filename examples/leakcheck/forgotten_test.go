package leakcheck

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// TestForgotten runs the other tests without Close: each fails, and the message leads to
// the line that opened what was left.
func TestForgotten(t *testing.T) {
	for _, test := range []string{"TestPrices", "TestManyAtOnce", "TestWhoGivesUpLeavesNothing", "TestALostAnswerLeavesNothing"} {
		out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-forget").CombinedOutput()
		want := regexp.MustCompile(`left open by ` + test + `:\n\s+a Session, opened at \S*prices.go:\d+ \(connections: \d+.*\): call its Close`)
		if err == nil || !want.Match(out) {
			t.Errorf("%s without Close: %v, and\n%s\nwant a match of %s", test, err, out, want)
		}
	}
}
