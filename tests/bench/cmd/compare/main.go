// Compare measures the clients side by side: client CPU, requests a second,
// allocations and latency, and the CPU's ratio to a bare socket loop and to fasthttp.
//
// The origin runs in a process of its own on the second core, all clients in this one
// on the first. In each round every client runs once, in an order that rotates;
// ratios are taken within a round, and what is printed are medians over the rounds.
//
//	go run ./cmd/compare                              # all cells, under 3 minutes
//	go run ./cmd/compare -cells 64x64 -rounds 5       # one of them, quickly
//	go run ./cmd/compare -md -o ../../docs/benchmarks.md
//	go run ./cmd/compare -cells 1x1 -client troupe -for 10s -rounds 1 -cpuprofile cpu.out
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

// settings are the flags.
type settings struct {
	rounds     int
	runFor     time.Duration
	cells      []bench.Cell
	clients    []bench.Contender
	csv        string
	markdown   bool
	out        string
	cpuprofile string
	memprofile string
}

func parseFlags(args []string) (*settings, error) {
	s := &settings{}
	var cells, clients string
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.IntVar(&s.rounds, "rounds", 21, "how often every client runs in each cell")
	f.DurationVar(&s.runFor, "for", 500*time.Millisecond, "how long one run takes")
	f.StringVar(&cells, "cells", "1x1,64x64,64x8", "loads, as callers x connections")
	f.StringVar(&clients, "client", "", "the clients to run, by name (default all)")
	f.StringVar(&s.csv, "csv", "", "write every single run to this `file`")
	f.BoolVar(&s.markdown, "md", false, "print the table as Markdown")
	f.StringVar(&s.out, "o", "", "with -md: put the table into this `file`, between its two marker comments")
	f.StringVar(&s.cpuprofile, "cpuprofile", "", "write a CPU profile of the measured runs to this `file`")
	f.StringVar(&s.memprofile, "memprofile", "", "write a profile of all allocations, each one recorded, to this `file`; spoils the timings")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(cells, ",") {
		cell, err := bench.ParseCell(name)
		if err != nil {
			return nil, err
		}
		s.cells = append(s.cells, cell)
	}
	var err error
	s.clients, err = pickClients(clients)
	switch {
	case err != nil:
		return nil, err
	case f.NArg() > 0:
		return nil, fmt.Errorf("%q is no flag", f.Arg(0))
	case s.rounds < 1 || s.runFor <= 0:
		return nil, errors.New("-rounds and -for must be more than zero")
	case s.out != "" && !s.markdown:
		return nil, errors.New("-o is for -md")
	}
	return s, nil
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
	if s.out != "" {
		if err := checkMarkers(s.out); err != nil {
			return err // before minutes of measuring
		}
	}
	pinned := pinClient()
	runtime.GOMAXPROCS(1)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	origin, err := startOrigin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, origin.stop()) }()
	fmt.Fprintln(os.Stderr, pinned)

	p, err := newProfiler(s)
	if err != nil {
		return err
	}
	var tables []*table
	for _, cell := range s.cells {
		t, err := measure(ctx, s, cell, origin, p)
		if err != nil {
			return errors.Join(err, p.close())
		}
		tables = append(tables, t)
		if !s.markdown {
			t.print(os.Stdout)
		}
	}
	if err := p.close(); err != nil {
		return err
	}
	if s.csv != "" {
		if err := writeCSV(s.csv, tables); err != nil {
			return err
		}
	}
	if !s.markdown {
		return nil
	}
	text := markdown(tables, pinned)
	if s.out != "" {
		return replaceTable(s.out, text)
	}
	_, err = io.WriteString(os.Stdout, text)
	return err
}
