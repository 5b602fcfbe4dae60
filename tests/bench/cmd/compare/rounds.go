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
	rounds  [][]bench.Result // one row a round, in it one result a client
}

// measure runs all rounds of a cell.
func measure(ctx context.Context, s *settings, cell bench.Cell, origin *origin, p *profiler) (*table, error) {
	t := &table{cell: cell}
	var loads []*bench.Load
	defer func() {
		for _, l := range loads {
			l.Close()
		}
	}()
	for _, c := range s.clients {
		l, err := bench.NewLoad(c, origin.addr, cell)
		if err != nil {
			return nil, err
		}
		loads = append(loads, l)
		t.clients = append(t.clients, c.Name)
		if _, err := run(ctx, origin, l, warmUp); err != nil {
			return nil, fmt.Errorf("%s, %s, warming up: %w", cell, c.Name, err)
		}
	}
	took := time.Duration(s.rounds*len(loads)) * s.runFor
	fmt.Fprintf(os.Stderr, "%s: about %s\n", title(cell), took.Round(time.Second))
	for round := range s.rounds {
		row := make([]bench.Result, len(loads))
		for i := range loads {
			who := (i + round) % len(loads) // who comes first changes
			if err := p.start(); err != nil {
				return nil, err
			}
			r, err := run(ctx, origin, loads[who], s.runFor)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", cell, t.clients[who], err)
			}
			row[who] = r
		}
		t.rounds = append(t.rounds, row)
	}
	return t, nil
}

func run(ctx context.Context, origin *origin, l *bench.Load, d time.Duration) (bench.Result, error) {
	overdue := time.AfterFunc(d+patience, origin.kill)
	defer overdue.Stop()
	r, err := l.Run(ctx, d)
	if ctx.Err() != nil {
		return r, errInterrupted
	}
	if err == nil && r.Requests == 0 {
		err = errors.New("no request was answered in time")
	}
	return r, err
}
