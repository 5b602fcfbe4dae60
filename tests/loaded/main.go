// Loaded runs a test command again and again beside programs that keep every core busy,
// and tells what failed how often. A test that depends on how fast the machine is shows
// itself here.
//
//	go run ./tests/loaded -n 20 -- go test -count=1 ./...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

const usage = `Loaded runs a test command again and again while every core is kept busy.

  go run ./tests/loaded [-n runs] [-timeout t] -- command [argument ...]
  go run ./tests/loaded -n 20 -- go test -count=1 ./...

Beside each run it starts one busy process a core, and ends them with the run. After each
run it prints whether the command passed and how long it took; at the end, which tests
and packages failed how often. What a failed run wrote stays in a file that it names.
It exits with 0 if all runs passed, 1 if one failed, 2 if it could not run them, 130 if
it was interrupted.

`

// The exit codes, as usage tells them.
const (
	exitPassed      = 0
	exitFailed      = 1
	exitUnable      = 2
	exitInterrupted = 130
)

// options is what the command line asks for.
type options struct {
	runs    int
	timeout time.Duration // of one run; its busy processes never outlive it
	busy    int           // busy processes
	command []string
}

func main() {
	if busyIfAsked() {
		return
	}
	opts, err := parse(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "loaded: %v (-h shows how it is used)\n", err)
		os.Exit(exitUnable)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := repeat(ctx, opts, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "loaded: %v\n", err)
	}
	os.Exit(code)
}

// parse reads the command line; help goes to out.
func parse(args []string, out io.Writer) (options, error) {
	opts := options{busy: runtime.NumCPU()}
	flags := flag.NewFlagSet("loaded", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&opts.runs, "n", 1, "how many `runs`, at least 1")
	flags.DurationVar(&opts.timeout, "timeout", 30*time.Minute, "end a run that takes longer than `t`; it counts as failed")
	err := flags.Parse(args)
	opts.command = flags.Args()
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		flags.SetOutput(out)
		flags.PrintDefaults()
		return opts, err
	case err != nil:
		return opts, err
	case opts.runs < 1:
		return opts, fmt.Errorf("-n is %d: at least one run is needed", opts.runs)
	case opts.timeout <= 0:
		return opts, fmt.Errorf("-timeout is %v: it must be above zero", opts.timeout)
	case len(opts.command) == 0:
		return opts, errors.New("no command to run: name it behind --, as in -n 20 -- go test -count=1 ./api")
	}
	return opts, nil
}
