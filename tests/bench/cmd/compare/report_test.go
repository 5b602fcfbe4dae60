package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/tests/bench"
)

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{2}, spread{2, 2, 2}},
		{[]float64{3, 1, 2}, spread{1.5, 2, 2.5}},
		{[]float64{4, 1, 3, 2}, spread{1.75, 2.5, 3.25}},
		{[]float64{5, 1, 4, 2, 3}, spread{2, 3, 4}},
	} {
		if got := spreadOf(tc.values); got != tc.want {
			t.Errorf("spreadOf(%v) = %v, want %v", tc.values, got, tc.want)
		}
	}
}

// sampleTable has two rounds in which everything takes twice as long in the second:
// the ratio between clients is the same in both.
func sampleTable() *table {
	t := &table{cell: bench.Cell{Name: "64x64", Callers: 64, Conns: 64}, clients: []string{bench.Bare, "troupe"}}
	for _, pace := range []time.Duration{1, 2} {
		var row []result
		for _, cpu := range []time.Duration{10 * time.Microsecond, 12 * time.Microsecond} {
			row = append(row, result{
				Result:    bench.Result{Requests: 1, CPU: pace * cpu, Elapsed: time.Second, Latency: new(bench.Latency)},
				originCPU: pace * time.Microsecond,
			})
		}
		t.rounds = append(t.rounds, row)
	}
	return t
}

// TestRatioIsPaired: ratios are taken within a round, so that a slow round changes none.
func TestRatioIsPaired(t *testing.T) {
	s := sampleTable()
	if got, ok := s.ratio(1, bench.Bare, cpuPerRequest); !ok || got.String() != "1.20 (1.20–1.20)" {
		t.Errorf("got %s, %v, want 1.20 throughout", got, ok)
	}
	if got, ok := s.ratio(1, bench.FastHTTP, cpuPerRequest); ok {
		t.Errorf("a ratio to a client that was not run: %s", got)
	}
	if got, want := originPerRequest(s.rounds[1][0]), 2.0; got != want {
		t.Errorf("the origin took %v µs, want %v", got, want)
	}
}

// TestColumns: a table has no column that tells nothing.
func TestColumns(t *testing.T) {
	var heads []string
	for _, c := range sampleTable().columns() {
		heads = append(heads, c.head)
	}
	if !slices.Contains(heads, "CPU to bare") || slices.Contains(heads, "to net/http") {
		t.Errorf("the columns are %q", heads)
	}
}

func TestTitle(t *testing.T) {
	for _, tc := range []struct{ cell, want string }{
		{"1x1", "1x1: 1 caller over 1 connection"},
		{"1MiB", "1MiB: 64 callers over 64 connections, answers of 1 MiB"},
		{"post-1KiB", "post-1KiB: 64 callers over 64 connections, POST of 1 KiB"},
		{"pipeline-512", "pipeline-512: 512 callers over 1 connection, pipelined"},
	} {
		cell, err := bench.ParseCell(tc.cell)
		if err != nil {
			t.Fatal(err)
		}
		if got := title(cell); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

// TestReplaceBetween: what stands outside the markers stays as it is, however often the
// text is replaced.
func TestReplaceBetween(t *testing.T) {
	begin, end := markers("cells")
	otherBegin, otherEnd := markers("growth")
	before, after := "# Title\n\ntext\n\n"+begin, end+"\n\nmore | text\n"+otherBegin+"\nleft\n"+otherEnd
	name := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(name, []byte(before+"\nold\n"+after), 0o666); err != nil {
		t.Fatal(err)
	}
	tables := []*table{sampleTable()}
	for range 2 {
		if err := checkMarkers(name, "cells"); err != nil {
			t.Fatal(err)
		}
		if err := replaceBetween(name, "cells", summary(tables)+details(tables)); err != nil {
			t.Fatal(err)
		}
		doc, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		inner, ok := strings.CutPrefix(string(doc), before)
		inner, ok2 := strings.CutSuffix(inner, after)
		switch {
		case !ok || !ok2:
			t.Errorf("the text around the table has changed:\n%s", doc)
		case strings.Contains(inner, "old") || strings.Count(inner, "| troupe |") != 1:
			t.Errorf("the tables are not the new ones:\n%s", inner)
		}
	}
}

func TestMissingMarkers(t *testing.T) {
	begin, end := markers("cells")
	name := filepath.Join(t.TempDir(), "doc.md")
	for _, text := range []string{"", begin, end + begin} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := checkMarkers(name, "cells"); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

// TestDocument: the page of this repository has a place for every section.
func TestDocument(t *testing.T) {
	for _, part := range sections() {
		if err := checkMarkers("../../../../docs/benchmarks.md", part.name); err != nil {
			t.Error(err)
		}
	}
}

// TestPlots: both are drawn from what was measured.
func TestPlots(t *testing.T) {
	s := &settings{docs: t.TempDir()}
	if err := os.Mkdir(s.file(""), 0o777); err != nil {
		t.Fatal(err)
	}
	tables := []*table{sampleTable()}
	for _, row := range tables[0].rounds {
		for _, r := range row {
			r.Latency.Add(time.Millisecond)
		}
	}
	for name, plot := range map[string]func(*settings, []*table) (string, error){"load": plotByLoad, "latency": plotByQuantile} {
		text, err := plot(s, tables)
		if err != nil || !strings.Contains(text, "(benchmarks/"+name+".svg)") {
			t.Fatalf("%s: got %q, %v", name, text, err)
		}
		drawing, err := os.ReadFile(s.file(name + ".svg"))
		if err != nil || !strings.Contains(string(drawing), ">troupe</text>") {
			t.Errorf("%s: no legend for troupe, %v", name, err)
		}
	}
}

// TestNoDocsNoPlot: without -docs nothing is written anywhere.
func TestNoDocsNoPlot(t *testing.T) {
	if text, err := plotByLoad(&settings{}, []*table{sampleTable()}); text != "" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestFlags(t *testing.T) {
	for _, bad := range [][]string{
		{"-rounds", "-1"}, {"-for", "-1s"}, {"-cells", "64"}, {"-client", "nobody"}, {"-sections", "none"}, {"stray"},
	} {
		if _, err := parseFlags(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	s, err := parseFlags([]string{"-cells", "1x1,16x4,tls", "-client", "troupe,bare"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.cells) != 3 || len(s.clients) != 2 || s.clients[0].Name != "troupe" || len(s.sections) != 1 || s.csv != "" {
		t.Errorf("got %v, %v, %v and %q", s.cells, s.clients, s.sections, s.csv)
	}
	if s, err = parseFlags([]string{"-docs", "there"}); err != nil || s.csv != filepath.Join("there", "benchmarks", "runs.csv") {
		t.Errorf("got %q, %v", s.csv, err)
	}
	if all := len(bench.Cells()); len(s.cells) != all || len(s.sections) != len(sections()) {
		t.Errorf("got %d cells and %d sections without being told", len(s.cells), len(s.sections))
	}
}
