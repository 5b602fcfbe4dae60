package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/seed53b03582/troupe/tests/bench"
)

const (
	// warmUp opens the connections and fills the pools before anything counts.
	warmUp = 200 * time.Millisecond
	// patience is how much longer than its time a run may take before the origin is
	// killed, which ends every request under way with an error.
	patience = 10 * time.Second
)

var errInterrupted = errors.New("interrupted")

// table is what was measured in one cell.
type table struct {
	cell    bench.Cell
	clients []string
	rounds  [][]result // one row a round, in it one result a client
}

// result is one run of one client.
type result struct {
	bench.Result
	originCPU time.Duration // what the origin used meanwhile
}

// Where the project has set itself figures more rounds are run, for narrower quartiles.
const (
	goalRounds  = 21
	otherRounds = 9
)

func (s *settings) roundsOf(cell bench.Cell) int {
	switch {
	case s.rounds > 0:
		return s.rounds
	case cell.Goal:
		return goalRounds
	}
	return otherRounds
}

// measure runs all rounds of a cell.
func measure(ctx context.Context, s *settings, cell bench.Cell, p *profiler) (*table, error) {
	t := &table{cell: cell}
	loads, err := warm(ctx, s, t)
	defer func() {
		for _, l := range loads {
			l.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	rounds := s.roundsOf(cell)
	took := time.Duration(rounds*len(loads)) * s.runFor
	fmt.Fprintf(os.Stderr, "%s: about %s\n", cell, took.Round(time.Second))
	for round := range rounds {
		row := make([]result, len(loads))
		for i := range loads {
			who := (i + round) % len(loads) // who comes first changes
			if err := p.start(); err != nil {
				return nil, err
			}
			if row[who], err = run(ctx, s.origin, loads[who], s.runFor); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", cell, t.clients[who], err)
			}
		}
		t.rounds = append(t.rounds, row)
	}
	return t, nil
}

// warm makes the clients that fit the table's cell and lets each run for a moment.
func warm(ctx context.Context, s *settings, t *table) (loads []*bench.Load, err error) {
	for _, c := range s.clients {
		if !c.Fits(t.cell) {
			continue
		}
		l, err := bench.NewLoad(c, s.origin.target, t.cell)
		if err != nil {
			return loads, err
		}
		loads = append(loads, l)
		t.clients = append(t.clients, c.Name)
		if _, err := run(ctx, s.origin, l, warmUp); err != nil {
			return loads, fmt.Errorf("%s, %s, warming up: %w", t.cell, c.Name, err)
		}
	}
	if len(loads) == 0 {
		return nil, fmt.Errorf("%s: none of the clients asked for makes sense here", t.cell)
	}
	return loads, nil
}

func run(ctx context.Context, origin *origin, l *bench.Load, d time.Duration) (r result, err error) {
	overdue := time.AfterFunc(d+patience, origin.kill)
	defer overdue.Stop()
	before, err := origin.cpu()
	if err != nil {
		return r, err
	}
	r.Result, err = l.Run(ctx, d)
	if ctx.Err() != nil {
		return r, errInterrupted
	}
	if err == nil && r.Requests == 0 {
		err = errors.New("no request was answered in time")
	}
	if err != nil {
		return r, err
	}
	after, err := origin.cpu()
	r.originCPU = after - before
	return r, err
}
