// Command gateway answers one request by asking several upstreams, all through one
// troupe Session, and merges their JSON into one answer under one deadline. What
// an upstream does not give in time is reported in its part of the answer: "ok",
// "error" with a text, or "circuit open".
//
//	go run ./examples/gateway                 ten seconds of everything, then a summary
//	go run ./examples/gateway -rps 175        about what the slow upstream's connections carry: see its queue
//	go run ./examples/gateway -serve 127.0.0.1:8080
//	curl http://127.0.0.1:8080/               in another terminal
//	go run ./examples/gateway -upstream http://127.0.0.1:9001/a -upstream http://127.0.0.1:9002/b
//
// By default it starts three upstreams of its own on 127.0.0.1 (one fast, one slow
// that now and then misses the deadline, one that dies for a while and comes back),
// sends requests to itself through a second Session, and draws a table each second.
//
// Watch the row "flaky": its errors grow until the breaker opens; from then on its
// calls are cut off without touching the network; now and then one goes out as a probe
// (half-open), and once the upstream is back that closes the breaker. The
// answers stay partial in between and complete before and after.
//
// It ends by itself, or at an interrupt, checks that no connection and no goroutine
// is left, and exits with 1 if that fails or nothing could be merged.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	length    time.Duration // of the run
	rps       int           // requests a second that it sends to itself
	serve     string        // address to serve on until interrupted; empty: run for length
	upstreams []string      // URLs; none: the embedded ones
	terminal  bool          // the table is redrawn in place
	patience  time.Duration // with what is under way at the end
	network   network
}

func main() {
	o, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "gateway: %v (-help lists the flags)\n", err)
		os.Exit(2)
	}
	o.terminal = isTerminal(os.Stdout)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

// parse reads the flags and refuses what can't be meant. Asked for help, it
// prints that and returns flag.ErrHelp.
func parse(args []string, help io.Writer) (options, error) {
	o := options{patience: 2 * time.Second, network: network{listen: listenTCP}}
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller prints the error
	flags.DurationVar(&o.length, "for", 10*time.Second, "how long to run; with -serve it is until interrupted")
	flags.IntVar(&o.rps, "rps", 100, "requests a second that it sends to itself; with -serve none, unless given")
	flags.StringVar(&o.serve, "serve", "", "serve on `ADDR`, as 127.0.0.1:8080, until interrupted")
	flags.Func("upstream", "`URL` of an upstream that answers JSON, instead of the embedded ones; repeatable", func(v string) error {
		o.upstreams = append(o.upstreams, v) // checked later: the flag package's error would show a password
		return nil
	})
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(help, "go run ./examples/gateway [flags]")
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return o, err
	}
	rpsGiven := false
	flags.Visit(func(f *flag.Flag) { rpsGiven = rpsGiven || f.Name == "rps" })
	if o.serve != "" && !rpsGiven {
		o.rps = 0
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: all settings are flags", flags.Arg(0))
	}
	return o, o.check()
}

// check refuses what can't be meant.
func (o *options) check() error {
	switch {
	case o.length <= 0:
		return fmt.Errorf("-for %v is no time to run; give more than zero", o.length)
	case o.rps < 0 || o.rps > 10_000:
		return fmt.Errorf("-rps %d: give 0 to 10000", o.rps)
	case o.rps == 0 && o.serve == "":
		return errors.New("-rps 0 leaves nothing to do; give more, or -serve ADDR")
	}
	if o.serve != "" {
		if _, _, err := net.SplitHostPort(o.serve); err != nil {
			return fmt.Errorf("-serve %s: %w", o.serve, err)
		}
	}
	for i, u := range o.upstreams {
		if err := checkURL(u); err != nil {
			return fmt.Errorf("-upstream number %d: %w", i+1, err)
		}
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("not a URL") // url's own error would show a password
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("an upstream's URL starts with http:// or https://")
	case u.Host == "":
		return errors.New("the URL names no host")
	}
	return nil
}

// isTerminal tells whether a table can be redrawn in place on f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
