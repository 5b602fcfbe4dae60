package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/seed53b03582/troupe/tests/bench"
)

// runCells is the section with all clients beside each other.
func runCells(ctx context.Context, s *settings) (text string, err error) {
	tables, err := measureCells(ctx, s)
	if err != nil {
		return "", err
	}
	if s.csv != "" {
		if err := writeCSV(s.csv, tables); err != nil {
			return "", err
		}
	}
	if s.docs == "" {
		return "", nil // printed already
	}
	byLoad, err := plotByLoad(s, tables)
	if err != nil {
		return "", err
	}
	byQuantile, err := plotByQuantile(s, tables)
	if err != nil {
		return "", err
	}
	return strings.Join([]string{madeBy(s), summary(tables), byLoad, byQuantile, details(tables)}, "\n"), nil
}

func measureCells(ctx context.Context, s *settings) (tables []*table, err error) {
	p, err := newProfiler(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	for _, cell := range s.cells {
		t, err := measure(ctx, s, cell, p)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
		if s.docs == "" {
			t.print(os.Stdout)
		}
	}
	return tables, nil
}

// plotByLoad draws the CPU's ratio to the bare loop for the loads that differ in nothing
// but callers and connections.
func plotByLoad(s *settings, tables []*table) (string, error) {
	a := axes{title: "Client CPU per request, to the bare loop's", x: "callers x connections", y: "ratio", names: []string{}}
	var lines []line
	for _, t := range tables {
		if !plain(t.cell) {
			continue
		}
		x := float64(len(a.names))
		a.names = append(a.names, t.cell.Name)
		for i, client := range t.clients {
			if ratio, ok := t.ratio(i, bench.Bare, cpuPerRequest); ok {
				lines = appendPoint(lines, client, x, ratio.median)
			}
		}
	}
	if lines == nil {
		return "", nil
	}
	return linePlot(s, "load", a, lines)
}

// plain tells that a cell is callers and connections and nothing else.
func plain(c bench.Cell) bool {
	return c == bench.Cell{Name: c.Name, Callers: c.Callers, Conns: c.Conns, Goal: c.Goal}
}

// plotByQuantile draws the latencies of 64 callers.
func plotByQuantile(s *settings, tables []*table) (string, error) {
	a := axes{title: "Latency of 64 callers over 64 connections", x: "quantile", y: "µs", logY: true}
	quantiles := []float64{0.1, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999}
	a.names = []string{"10 %", "50 %", "75 %", "90 %", "95 %", "99 %", "99.9 %"}
	var lines []line
	for _, t := range tables {
		if !plain(t.cell) || t.cell.Callers != 64 || t.cell.Conns != 64 {
			continue
		}
		for i, client := range t.clients {
			for x, q := range quantiles {
				lines = appendPoint(lines, client, float64(x), t.over(i, latency(q)).median)
			}
		}
	}
	if lines == nil {
		return "", nil
	}
	return linePlot(s, "latency", a, lines)
}
