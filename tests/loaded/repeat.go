package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// repeat runs the command as often as opts says and writes how it went to out. It gives
// the exit code; the error is what kept it from running on.
func repeat(ctx context.Context, opts options, out io.Writer) (int, error) {
	if _, err := exec.LookPath(opts.command[0]); err != nil {
		return exitUnable, err
	}
	dir, err := os.MkdirTemp("", "loaded-")
	if err != nil {
		return exitUnable, err
	}
	fmt.Fprintf(out, "%s, %d times beside %d busy processes\n", strings.Join(opts.command, " "), opts.runs, opts.busy)
	failures := map[string]int{}
	done, failed := 0, 0
	for done < opts.runs && ctx.Err() == nil {
		result := run(ctx, opts, filepath.Join(dir, fmt.Sprintf("run-%d.txt", done+1)))
		if result.err != nil {
			if failed == 0 {
				_ = os.RemoveAll(dir)
			}
			return exitUnable, result.err
		}
		if ctx.Err() != nil {
			break // what an interrupted run says is about the interrupt
		}
		done++
		verdict := "passed"
		if len(result.failures) > 0 {
			failed++
			verdict = "FAILED"
		}
		fmt.Fprintf(out, "run %d of %d: %s in %.1f s\n", done, opts.runs, verdict, result.took.Seconds())
		for _, name := range result.failures {
			fmt.Fprintf(out, "\t%s\n", name)
			failures[name]++
		}
	}
	summarize(out, done, failed, failures)
	if failed > 0 {
		fmt.Fprintf(out, "what the failed runs wrote: %s\n", filepath.Join(dir, "run-*.txt"))
	} else {
		_ = os.RemoveAll(dir)
	}
	switch {
	case ctx.Err() != nil:
		return exitInterrupted, fmt.Errorf("interrupted after %d of %d runs", done, opts.runs)
	case failed > 0:
		return exitFailed, nil
	}
	return exitPassed, nil
}

// summarize tells what failed how often, the most frequent first.
func summarize(out io.Writer, done, failed int, failures map[string]int) {
	fmt.Fprintf(out, "\n%d of %d runs passed\n", done-failed, done)
	names := make([]string, 0, len(failures))
	for name := range failures {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if failures[a] != failures[b] {
			return failures[b] - failures[a]
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		fmt.Fprintf(out, "%4d x %s\n", failures[name], name)
	}
}

// result is how one run went: failures names what failed in it, none if it passed. err
// is why there was no run.
type result struct {
	took     time.Duration
	failures []string
	err      error
}

// run runs the command once beside its busy processes. Its output goes to the file
// name, which stays if the run failed.
func run(ctx context.Context, opts options, name string) result {
	file, err := os.Create(name)
	if err != nil {
		return result{err: err}
	}
	defer file.Close()
	ctx, cancel := context.WithTimeout(ctx, opts.timeout)
	defer cancel()
	// The bound of the busy processes is for the case that nobody is left to end them.
	busy, err := startBusy(opts.busy, opts.timeout+time.Minute)
	if err != nil {
		return result{err: err}
	}
	cmd := exec.CommandContext(ctx, opts.command[0], opts.command[1:]...)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.Cancel = func() error { return interruptGroup(cmd) }
	cmd.WaitDelay = 10 * time.Second
	setGroup(cmd)
	began := time.Now()
	failure := cmd.Run()
	took := time.Since(began)
	if ctx.Err() != nil && cmd.Process != nil {
		killGroup(cmd) // what did not end when it was asked to
	}
	if err := stopBusy(busy); err != nil {
		return result{err: err}
	}
	if failure == nil {
		return result{took: took, err: os.Remove(name)}
	}
	var exit *exec.ExitError
	if ctx.Err() == nil && !errors.As(failure, &exit) {
		return result{err: fmt.Errorf("run the command: %w", failure)}
	}
	output, err := os.ReadFile(name)
	if err != nil {
		return result{err: err}
	}
	failures := failuresIn(string(output))
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		failures = append(failures, fmt.Sprintf("the command took longer than %v (-timeout)", opts.timeout))
	case len(failures) == 0:
		failures = []string{fmt.Sprintf("the command ended with %v and named nothing that failed", failure)}
	}
	return result{took: took, failures: failures}
}
