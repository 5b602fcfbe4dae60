// Command uploads sends the files of a folder, several at a time, through one troupe
// Session, with a progress bar for each and one for the total.
//
//	go run ./examples/uploads                    eight generated files of 8 MiB
//	go run ./examples/uploads -dir .             the files of this folder
//	go run ./examples/uploads -files 3 -size 1GiB -rate 0
//
// The receiver is its own, on 127.0.0.1. It takes each file at the given rate, so that
// the bars can be watched, checks length and SHA-256 against what the request's
// head announces, and answers with what it got, which is compared once more. On a
// terminal there are bars; elsewhere a line for each file.
//
// It shows api.OpenFile and Session.Upload, and how to watch an upload: a File of
// one's own around it, with Read and Size. The exit code is 1 if any file did not
// arrive as it was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	dir      string        // whose files are sent; empty: generated ones
	files    int           // how many to generate
	size     size          // of each
	parallel int           // uploads at a time
	rate     size          // bytes a second that the receiver takes of each; 0: all it can
	terminal bool          // bars can be drawn
	patience time.Duration // with what is under way at the end
}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "uploads: %v (-help lists the flags)\n", err)
		os.Exit(2)
	}
	o.terminal = isTerminal(os.Stdout)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "uploads:", err)
		os.Exit(1)
	}
}

// parse reads the flags and refuses what can't be meant. Asked for help, it
// prints that and returns flag.ErrHelp.
func parse(args []string, help io.Writer) (options, error) {
	o := options{size: 8 * mebi, rate: 8 * mebi, patience: 2 * time.Second}
	flags := flag.NewFlagSet("uploads", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller prints the error
	flags.StringVar(&o.dir, "dir", "", "send the files of this `folder` (not of those in it) instead of generated ones")
	flags.IntVar(&o.files, "files", 8, "how many files to generate")
	flags.Var(&o.size, "size", "`size` of each generated file, as 512KiB, 8MiB or 1GiB")
	flags.IntVar(&o.parallel, "parallel", 4, "how many uploads at a time")
	flags.Var(&o.rate, "rate", "`size` a second that the receiver takes of each upload; 0 means all it can")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(help, "go run ./examples/uploads [flags]")
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: all settings are flags", flags.Arg(0))
	case o.files < 1 || o.files > 10_000:
		return o, fmt.Errorf("-files %d: give 1 to 10000", o.files)
	case o.parallel < 1 || o.parallel > 1000:
		return o, fmt.Errorf("-parallel %d: give 1 to 1000", o.parallel)
	}
	return o, nil
}

// isTerminal tells whether bars can be drawn on f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
