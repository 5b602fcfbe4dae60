// Compare measures the clients side by side: client CPU, requests a second,
// allocations and latency, and the CPU's ratios to a bare socket loop, to fasthttp and
// to net/http.
//
// The origin runs in a process of its own on the second core, all clients in this one
// on the first. In each round every client runs once, in an order that rotates;
// ratios are taken within a round, and what is printed are medians over the rounds.
//
//	go run ./cmd/compare                              # everything, under 10 minutes
//	go run ./cmd/compare -docs ../../docs             # the same, into docs/benchmarks.md and below docs/benchmarks
//	go run ./cmd/compare -cells 64x64,tls -rounds 5   # two cells, quickly
//	go run ./cmd/compare -cells 1x1 -client troupe -for 10s -rounds 1 -cpuprofile cpu.out
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed53b03582/troupe/tests/bench"
)

func main() {
	if os.Getenv(roleVar) == roleOrigin {
		exit(serveOrigin())
	}
	s, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = compare(s)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// settings are the flags, and what all sections use.
type settings struct {
	sections   []section
	rounds     int // 0: as many as a cell deserves
	runFor     time.Duration
	cells      []bench.Cell
	clients    []bench.Contender
	csv        string
	docs       string
	cpuprofile string
	memprofile string

	origin *origin // in a process of its own
	pinned string  // what runs on which core, in words
}

func parseFlags(args []string) (*settings, error) {
	s := &settings{}
	var sections, cells, clients string
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.StringVar(&sections, "sections", "", "the parts to run, by name (default all; cells, if -cells is given)")
	f.IntVar(&s.rounds, "rounds", 0, fmt.Sprintf("how often every client runs in each cell (default %d in cells that have a goal, %d in others)", goalRounds, otherRounds))
	f.DurationVar(&s.runFor, "for", 250*time.Millisecond, "how long one run takes")
	f.StringVar(&cells, "cells", "", "the loads, by name, or any as callers x connections (default all that have a name)")
	f.StringVar(&clients, "client", "", "the clients to run, by name (default all)")
	f.StringVar(&s.csv, "csv", "", "write every single run to this `file` (default with -docs: benchmarks/runs.csv in there)")
	f.StringVar(&s.docs, "docs", "", "write tables, plots and runs into this `directory`, which has a benchmarks.md with markers")
	f.StringVar(&s.cpuprofile, "cpuprofile", "", "write a CPU profile of the measured runs to this `file`")
	f.StringVar(&s.memprofile, "memprofile", "", "write a profile of all allocations, each one recorded, to this `file`; spoils the timings")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if sections == "" && cells != "" {
		sections = "cells"
	}
	if s.csv == "" {
		s.csv = s.file("runs.csv")
	}
	var err1, err2, err3 error
	s.sections, err1 = pickSections(sections)
	s.cells, err2 = pickCells(cells)
	s.clients, err3 = pickClients(clients)
	switch err := errors.Join(err1, err2, err3); {
	case err != nil:
		return nil, err
	case f.NArg() > 0:
		return nil, fmt.Errorf("%q is no flag", f.Arg(0))
	case s.rounds < 0 || s.runFor <= 0:
		return nil, errors.New("-rounds and -for must be more than zero")
	}
	return s, nil
}

func pickCells(names string) ([]bench.Cell, error) {
	if names == "" {
		return bench.Cells(), nil
	}
	var picked []bench.Cell
	for name := range strings.SplitSeq(names, ",") {
		cell, err := bench.ParseCell(name)
		if err != nil {
			return nil, err
		}
		picked = append(picked, cell)
	}
	return picked, nil
}

func pickClients(names string) ([]bench.Contender, error) {
	all := bench.Contenders()
	if names == "" {
		return all, nil
	}
	var picked []bench.Contender
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(c bench.Contender) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no client %q", name)
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}

// compare measures everything and reports it.
func compare(s *settings) (err error) {
	if err := prepareDocs(s); err != nil {
		return err
	}
	s.pinned = pinClient()
	runtime.GOMAXPROCS(1)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if s.origin, err = startOrigin(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.origin.stop()) }()
	fmt.Fprintln(os.Stderr, s.pinned)
	return runSections(ctx, s)
}
