package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// actVariable makes the test binary play the command that is run: what it holds is
// written to the standard output, and the exit code is 1 if that names a failure.
const actVariable = "TROUPE_LOADED_ACT"

func TestMain(m *testing.M) {
	if busyIfAsked() {
		return
	}
	switch act := os.Getenv(actVariable); act {
	case "":
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // -race keeps each process a second after its end
		os.Exit(m.Run())
	case "hang":
		time.Sleep(time.Hour)
	case "interrupt":
		parent, err := os.FindProcess(os.Getppid())
		if err == nil {
			err = parent.Signal(os.Interrupt)
		}
		if err != nil {
			fmt.Print("FAIL: no interrupt: ", err)
			os.Exit(1)
		}
		time.Sleep(time.Hour)
	default:
		fmt.Print(act)
		if strings.Contains(act, "FAIL") {
			os.Exit(1)
		}
	}
}

// TestFailuresAreNamed: what go test writes, and what failed in it.
func TestFailuresAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		output string
		want   []string
	}{
		"nothing": {"ok  \tm/a\t0.1s\n?   \tm/b\t[no test files]\n", nil},
		"the innermost of two packages": {
			"--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/x (0.0s)\n        a_test.go:3: panic: no\nFAIL\nFAIL\tm/a\t0.1s\n" +
				"ok  \tm/b\t1s\n--- FAIL: TestC (0.0s)\nFAIL\nFAIL\tm/c\t0.1s\nFAIL\n",
			[]string{"m/a TestA/x", "m/c TestC"},
		},
		"a name that begins like another": {
			"--- FAIL: TestA (0s)\n--- FAIL: TestAB (0s)\nFAIL\tm/a\t1s\n", []string{"m/a TestA", "m/a TestAB"},
		},
		"a panic": {
			"panic: boom\n\ngoroutine 7 [running]:\nmain.f()\n\t/x.go:3 +0x1\nFAIL\tm/a\t0.1s\n", []string{"m/a panic: boom"},
		},
		"a fatal error": {
			"fatal error: concurrent map writes\nFAIL\tm/a\t0.1s\n", []string{"m/a fatal error: concurrent map writes"},
		},
		"time ran out": {
			"panic: test timed out after 1s\n\trunning tests:\n\t\tTestA (1s)\n\t\tTestB/x (0s)\n\ngoroutine 1 [running]:\nFAIL\tm/a\t1.0s\n",
			[]string{"m/a test timed out", "m/a TestA (running when time ran out)", "m/a TestB/x (running when time ran out)"},
		},
		"data races": {
			"==================\nWARNING: DATA RACE\n==================\nWARNING: DATA RACE\n--- FAIL: TestA (0s)\nFAIL\tm/a\t1s\n",
			[]string{"m/a TestA", "m/a data race"},
		},
		"a build": {"# m/a\nx.go:1: no\nFAIL\tm/a [build failed]\n", []string{"m/a FAIL [build failed]"}},
		"no reason given": {
			"FAIL\tm/a\t0.1s\n", []string{"m/a FAIL"},
		},
		"a passing package prints": {
			"panic: not really\nok  \tm/a\t0.1s\nFAIL\tm/b\t0.1s\n", []string{"m/b FAIL"},
		},
		"a test binary by itself": {"--- FAIL: TestA (0s)\nFAIL\n", []string{"TestA"}},
	} {
		if got := failuresIn(c.output); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestRunsAreCounted: a command that passes and one that fails, with the exit code, the
// counts and the file that is left.
func TestRunsAreCounted(t *testing.T) {
	code, out, err := play(t, t.Context(), "ok", 2, time.Hour)
	if code != exitPassed || err != nil || !strings.Contains(out, "2 of 2 runs passed") {
		t.Errorf("passing: %d, %v\n%s", code, err, out)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("passing leaves %q", left)
	}
	const failing = "--- FAIL: TestA (0s)\nFAIL\nFAIL\tm/a\t0s\n"
	code, out, err = play(t, t.Context(), failing, 3, time.Hour)
	if code != exitFailed || err != nil || !strings.Contains(out, "0 of 3 runs passed") || !strings.Contains(out, "3 x m/a TestA") {
		t.Errorf("failing: %d, %v\n%s", code, err, out)
	}
	left := leftovers(t)
	if len(left) != 3 || !strings.Contains(out, filepath.Dir(left[0])) {
		t.Fatalf("failing leaves %q", left)
	}
	if text, err := os.ReadFile(left[0]); err != nil || string(text) != failing {
		t.Errorf("the first run's output: %q, %v", text, err)
	}
}

// TestRunsEnd: at their time, and when the program is interrupted.
func TestRunsEnd(t *testing.T) {
	code, out, err := play(t, t.Context(), "hang", 1, time.Millisecond)
	if code != exitFailed || err != nil || !strings.Contains(out, "longer than 1ms") {
		t.Errorf("too long: %d, %v\n%s", code, err, out)
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	code, out, err = play(t, ctx, "interrupt", 2, time.Hour)
	if code != exitInterrupted || err == nil || !strings.Contains(out, "0 of 0 runs passed") {
		t.Errorf("interrupted: %d, %v\n%s", code, err, out)
	}
}

// TestBusyProcessesEnd: with the input that their starter holds, long before their time.
func TestBusyProcessesEnd(t *testing.T) {
	busy, err := startBusy(2, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := stopBusy(busy); err != nil {
		t.Error(err)
	}
}

func TestBadInputIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-n", "0", "--", "x"}, {"-n", "many", "--", "x"}, {"-n", "2", "--"}, {"-timeout", "0", "--", "x"}, {"-what"},
	} {
		if _, err := parse(args, io.Discard); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q: %v", args, err)
		}
	}
	opts, err := parse([]string{"-n", "4", "--", "go", "test", "-n"}, io.Discard)
	if err != nil || opts.runs != 4 || !slices.Equal(opts.command, []string{"go", "test", "-n"}) {
		t.Errorf("%+v, %v", opts, err)
	}
	var help strings.Builder
	if _, err := parse([]string{"-h"}, &help); !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-n runs") {
		t.Errorf("%v: %s", err, &help)
	}
	opts.command = []string{filepath.Join(t.TempDir(), "none")}
	if code, err := repeat(t.Context(), opts, io.Discard); code != exitUnable || err == nil {
		t.Errorf("no such command: %d, %v", code, err)
	}
}

// play repeats the test binary in the role that act names, with a temporary directory of
// the test's own.
func play(t *testing.T, ctx context.Context, act string, runs int, timeout time.Duration) (int, string, error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv(actVariable, act)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	code, err := repeat(ctx, options{runs: runs, timeout: timeout, busy: 1, command: []string{self}}, &out)
	return code, out.String(), err
}

// leftovers are the files that the last play left.
func leftovers(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(os.TempDir(), "loaded-*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}
