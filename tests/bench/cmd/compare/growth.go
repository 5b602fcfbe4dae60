package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/seed53b03582/troupe/tests/bench"
)

const (
	growthRounds = 3
	growthWindow = 150 * time.Millisecond

	idleConns   = 10_000
	idleWaiters = 100_000
)

// growthTitles say what the series are.
var growthTitles = map[string]string{
	"origins":            "Origins: 64 callers, each goes from one origin to the next",
	"waiters":            "Waiters: so many callers beyond the 64 that 64 connections serve",
	"connections":        "Connections: as many callers",
	"origins, no kernel": "Origins, without a kernel",
	"waiters, no kernel": "Waiters, without a kernel",
}

// runGrowth measures what a request costs as the load grows. Ratios are taken within a
// round, to the smallest size of the same client.
func runGrowth(ctx context.Context, s *settings) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Client CPU per request in µs, and, in brackets, its ratio to that of the smallest size: medians of %d rounds.\n\n", growthRounds)
	var lines []line
	for _, g := range bench.Growths() {
		fmt.Fprintf(os.Stderr, "growth: %s\n", g.Name)
		cost, err := growthCosts(ctx, s, g)
		if err != nil {
			return "", fmt.Errorf("%s: %w", g.Name, err)
		}
		text, ratios := growthTable(g, cost)
		fmt.Fprintf(&b, "%s:\n\n%s\n", growthTitles[g.Name], text)
		if g.Kernel {
			lines = append(lines, ratios)
		}
	}
	image, err := linePlot(s, "growth", axes{title: "troupe: CPU per request as the load grows", x: "size", y: "ratio to the smallest size", logX: true}, lines)
	return b.String() + image, err
}

// growthCosts are in ns, by client, size and round.
func growthCosts(ctx context.Context, s *settings, g bench.Growth) (map[string][][]float64, error) {
	cost := map[string][][]float64{}
	for _, c := range g.Clients {
		cost[c] = make([][]float64, len(g.Sizes))
	}
	for range growthRounds {
		for _, c := range g.Clients {
			for i, size := range g.Sizes {
				ns, err := growthCost(ctx, s, g, c, size)
				if err != nil {
					return nil, fmt.Errorf("%s, %d: %w", c, size, err)
				}
				cost[c][i] = append(cost[c][i], ns)
			}
		}
	}
	return cost, nil
}

func growthCost(ctx context.Context, s *settings, g bench.Growth, client string, size int) (ns float64, err error) {
	crowd, err := g.Start(client, size, s.origin.target.Addr)
	if err != nil {
		return 0, err
	}
	defer func() {
		err = errors.Join(err, crowd.Close())
		runtime.GC() // nobody pays for what another left
	}()
	if err := crowd.Count(ctx, max(2*g.Callers(size), 40_000)); err != nil {
		return 0, err
	}
	r, err := crowd.Window(ctx, growthWindow)
	if err == nil && r.Requests == 0 {
		err = errors.New("no request was answered in time")
	}
	return float64(r.CPU.Nanoseconds()) / float64(max(r.Requests, 1)), err
}

// growthTable also gives troupe's ratios, for the plot.
func growthTable(g bench.Growth, cost map[string][][]float64) (string, line) {
	ratios := line{name: g.Name}
	head := append([]string{g.Name}, g.Clients...)
	head = append(head, "troupe to bare")
	var rows [][]string
	for i, size := range g.Sizes {
		row := []string{strconv.Itoa(size)}
		for _, c := range g.Clients {
			to := slices.Clone(cost[c][i])
			for round := range to {
				to[round] /= cost[c][0][round]
			}
			ratio := spreadOf(to).median
			row = append(row, fmt.Sprintf("%.2f (%.2f)", spreadOf(cost[c][i]).median/1000, ratio))
			if c == "troupe" {
				ratios.points = append(ratios.points, plotter.XY{X: float64(size), Y: ratio})
			}
		}
		to := slices.Clone(cost["troupe"][i])
		for round := range to {
			to[round] /= cost[bench.Bare][i][round]
		}
		rows = append(rows, append(row, fmt.Sprintf("%.2f", spreadOf(to).median)))
	}
	return grid(head, rows), ratios
}

// runMemory measures what idle connections and waiting callers hold.
func runMemory(_ context.Context, s *settings) (string, error) {
	var rows [][]string
	add := func(what, client string, m bench.Memory, err error) error {
		if err != nil {
			return fmt.Errorf("%s, %s: %w", what, client, err)
		}
		rows = append(rows, []string{what, client, fmt.Sprintf("%.0f", m.Heap), fmt.Sprintf("%.0f", m.Stack), fmt.Sprintf("%.2f", m.Goroutines)})
		return nil
	}
	for _, client := range bench.MemoryClients() {
		fmt.Fprintf(os.Stderr, "memory: %s\n", client)
		m, err := bench.IdleMemory(client, idleConns, s.origin.target.Addr)
		if err := add(fmt.Sprintf("%d idle connections", idleConns), client, m, err); err != nil {
			return "", err
		}
		if client == bench.FastHTTP {
			continue // over such a connection its waiting callers never all come through; why is not known
		}
		m, err = bench.QueueMemory(client, idleWaiters)
		if err := add(fmt.Sprintf("%d waiting callers", idleWaiters), client, m, err); err != nil {
			return "", err
		}
	}
	slices.SortStableFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return "Bytes and goroutines for each; an idle connection is one of loopback TCP, a waiting caller's goroutine and its stack are its own:\n\n" +
		grid([]string{"what", "client", "heap", "stack", "goroutines"}, rows), nil
}
