package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/seed53b03582/troupe/tests/bench"
)

// spread is the middle of the rounds with the lowest and the highest.
type spread struct {
	low, median, high float64
}

func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{v[0], (v[(n-1)/2] + v[n/2]) / 2, v[n-1]}
}

func (s spread) String() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.low, s.high) }

// over takes a figure of one client through all rounds.
func (t *table) over(client int, figure func(bench.Result) float64) spread {
	var values []float64
	for _, row := range t.rounds {
		values = append(values, figure(row[client]))
	}
	return spreadOf(values)
}

// ratio is a client's CPU to another's, round by round; "" where it was not run.
func (t *table) ratio(client int, to string) string {
	base := slices.Index(t.clients, to)
	if base < 0 || t.rounds[0][base].CPU == 0 {
		return ""
	}
	var values []float64
	for _, row := range t.rounds {
		values = append(values, cpuPerRequest(row[client])/cpuPerRequest(row[base]))
	}
	return spreadOf(values).String()
}

func perRequest(total float64, r bench.Result) float64 { return total / float64(r.Requests) }

func cpuPerRequest(r bench.Result) float64 { // µs
	return perRequest(micros(r.CPU), r)
}

func requestsPerSecond(r bench.Result) float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// columns are what a table tells of each client.
var columns = []struct {
	head  string
	value func(t *table, client int) string
}{
	{"client", func(t *table, i int) string { return t.clients[i] }},
	{"CPU µs/req", number("%.2f", cpuPerRequest)},
	{"CPU to bare", func(t *table, i int) string { return t.ratio(i, bench.Bare) }},
	{"CPU to fasthttp", func(t *table, i int) string { return t.ratio(i, bench.FastHTTP) }},
	{"req/s", number("%.0f", requestsPerSecond)},
	{"allocs/req", number("%.2f", func(r bench.Result) float64 { return perRequest(float64(r.Allocs), r) })},
	{"B/req", number("%.0f", func(r bench.Result) float64 { return perRequest(float64(r.Bytes), r) })},
	{"p50 µs", quantile(0.5)},
	{"p99 µs", quantile(0.99)},
	{"p99.9 µs", quantile(0.999)},
}

func number(format string, figure func(bench.Result) float64) func(*table, int) string {
	return func(t *table, i int) string { return fmt.Sprintf(format, t.over(i, figure).median) }
}

func quantile(q float64) func(*table, int) string {
	return number("%.0f", func(r bench.Result) float64 { return micros(r.Latency.Quantile(q)) })
}

// title says a cell in words.
func title(c bench.Cell) string {
	return fmt.Sprintf("%s over %s", plural(c.Callers, "caller"), plural(c.Conns, "connection"))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// print writes the table for a terminal.
func (t *table) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%s, %s, median (lowest–highest)\n", title(t.cell), plural(len(t.rounds), "round"))
	for _, c := range columns {
		fmt.Fprintf(tw, "%s\t", c.head)
	}
	fmt.Fprintln(tw)
	for i := range t.clients {
		for _, c := range columns {
			fmt.Fprintf(tw, "%s\t", cmp.Or(c.value(t, i), "-"))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}
