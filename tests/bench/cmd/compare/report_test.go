package main

import (
	"os"
	"path/filepath"
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
		{[]float64{3, 1, 2}, spread{1, 2, 3}},
		{[]float64{4, 1, 3, 2}, spread{1, 2.5, 4}},
	} {
		if got := spreadOf(tc.values); got != tc.want {
			t.Errorf("spreadOf(%v) = %v, want %v", tc.values, got, tc.want)
		}
	}
}

// sampleTable has two rounds in which everything takes twice as long in the second:
// the ratio between clients is the same in both.
func sampleTable() *table {
	t := &table{cell: bench.Cell{Callers: 64, Conns: 8}, clients: []string{bench.Bare, "troupe"}}
	for _, pace := range []time.Duration{1, 2} {
		var row []bench.Result
		for _, cpu := range []time.Duration{10 * time.Microsecond, 12 * time.Microsecond} {
			row = append(row, bench.Result{Requests: 1, CPU: pace * cpu, Elapsed: time.Second, Latency: new(bench.Latency)})
		}
		t.rounds = append(t.rounds, row)
	}
	return t
}

// TestRatioIsPaired: ratios are taken within a round, so that a slow round changes none.
func TestRatioIsPaired(t *testing.T) {
	s := sampleTable()
	if got, want := s.ratio(1, bench.Bare), "1.20 (1.20–1.20)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := s.ratio(1, bench.FastHTTP); got != "" {
		t.Errorf("a ratio to a client that was not run: %s", got)
	}
}

// TestReplaceTable: what stands outside the markers stays as it is, however often the
// table is replaced.
func TestReplaceTable(t *testing.T) {
	const before, after = "# Title\n\ntext\n\n" + tableBegin, tableEnd + "\n\nmore | text\n"
	name := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(name, []byte(before+"\nold\n"+after), 0o666); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := checkMarkers(name); err != nil {
			t.Fatal(err)
		}
		if err := replaceTable(name, markdown([]*table{sampleTable()}, "nothing is pinned")); err != nil {
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
			t.Errorf("the table is not the new one:\n%s", inner)
		}
	}
}

func TestMissingMarkers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "doc.md")
	for _, text := range []string{"", tableBegin, tableEnd + tableBegin} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := checkMarkers(name); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, bad := range [][]string{
		{"-rounds", "0"}, {"-for", "-1s"}, {"-cells", "64"}, {"-client", "nobody"}, {"-o", "x.md"}, {"stray"},
	} {
		if _, err := parseFlags(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	s, err := parseFlags([]string{"-cells", "1x1,512x64", "-client", "troupe,bare"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.cells) != 2 || len(s.clients) != 2 || s.clients[0].Name != "troupe" {
		t.Errorf("got %v and %v", s.cells, s.clients)
	}
}
