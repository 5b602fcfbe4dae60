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

// spread is the middle of the rounds, with the quartiles: half of the rounds are between
// low and high.
type spread struct {
	low, median, high float64
}

func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	return spread{quantileOf(v, 0.25), quantileOf(v, 0.5), quantileOf(v, 0.75)}
}

// quantileOf lies between the two values that are nearest.
func quantileOf(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i == len(sorted)-1 {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func (s spread) String() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.low, s.high) }

// over takes a figure of one client through all rounds.
func (t *table) over(client int, figure func(result) float64) spread {
	var values []float64
	for _, row := range t.rounds {
		values = append(values, figure(row[client]))
	}
	return spreadOf(values)
}

// ratio is a client's figure to another's, round by round; not ok where the other was
// not run or there is no figure.
func (t *table) ratio(client int, to string, figure func(result) float64) (s spread, ok bool) {
	base := slices.Index(t.clients, to)
	if base < 0 || figure(t.rounds[0][base]) == 0 {
		return spread{}, false
	}
	var values []float64
	for _, row := range t.rounds {
		values = append(values, figure(row[client])/figure(row[base]))
	}
	return spreadOf(values), true
}

func perRequest(total float64, r result) float64 { return total / float64(r.Requests) }

func cpuPerRequest(r result) float64 { // µs
	return perRequest(micros(r.CPU), r)
}

func originPerRequest(r result) float64 { // µs
	return perRequest(micros(r.originCPU), r)
}

func requestsPerSecond(r result) float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// busy is how much of its core a process used, in percent.
func busy(r result) float64 { return 100 * r.CPU.Seconds() / r.Elapsed.Seconds() }

func originBusy(r result) float64 { return 100 * r.originCPU.Seconds() / r.Elapsed.Seconds() }

func latency(q float64) func(result) float64 {
	return func(r result) float64 { return micros(r.Latency.Quantile(q)) }
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// column is what a table tells of each client; a value may be "".
type column struct {
	head  string
	value func(t *table, client int) string
}

func columns() []column {
	return []column{
		{"client", func(t *table, i int) string { return t.clients[i] }},
		{"CPU µs/req", number("%.2f", cpuPerRequest)},
		{"CPU to bare", ratioTo(bench.Bare, cpuPerRequest)},
		{"to fasthttp", ratioTo(bench.FastHTTP, cpuPerRequest)},
		{"to net/http", ratioTo(bench.NetHTTP, cpuPerRequest)},
		{"req/s", number("%.0f", requestsPerSecond)},
		{"req/s to fasthttp-pipeline", ratioTo(bench.Pipeline, requestsPerSecond)},
		{"req/s to fasthttp-batched", ratioTo(bench.Batched, requestsPerSecond)},
		{"allocs/req", number("%.2f", func(r result) float64 { return perRequest(float64(r.Allocs), r) })},
		{"B/req", number("%.0f", func(r result) float64 { return perRequest(float64(r.Bytes), r) })},
		{"p50 µs", number("%.0f", latency(0.5))},
		{"p99 µs", number("%.0f", latency(0.99))},
		{"p99.9 µs", number("%.0f", latency(0.999))},
		{"origin µs/req", number("%.2f", originPerRequest)},
		{"busy client / origin", func(t *table, i int) string {
			return fmt.Sprintf("%.0f / %.0f %%", t.over(i, busy).median, t.over(i, originBusy).median)
		}},
	}
}

func number(format string, figure func(result) float64) func(*table, int) string {
	return func(t *table, i int) string { return fmt.Sprintf(format, t.over(i, figure).median) }
}

func ratioTo(other string, figure func(result) float64) func(*table, int) string {
	return func(t *table, i int) string {
		s, ok := t.ratio(i, other, figure)
		if !ok {
			return ""
		}
		return s.String()
	}
}

// columns are those that have something to tell in this table.
func (t *table) columns() []column {
	return slices.DeleteFunc(columns(), func(c column) bool {
		for i := range t.clients {
			if c.value(t, i) != "" {
				return false
			}
		}
		return true
	})
}

// title says a cell in words.
func title(c bench.Cell) string {
	s := fmt.Sprintf("%s: %s over %s", c.Name, plural(c.Callers, "caller"), plural(c.Conns, "connection"))
	for _, more := range []struct {
		so   bool
		says string
	}{
		{c.Pipeline, "pipelined"},
		{c.Keep, "answers kept instead of released"},
		{c.Deadline, "a context with deadline and cancel for each request"},
		{c.Body > 0, fmt.Sprintf("answers of %s", size(c.Body))},
		{c.Post > 0, fmt.Sprintf("POST of %s", size(c.Post))},
		{c.TLS, "TLS"},
		{c.Fields > 0, fmt.Sprintf("%d header fields in an answer", c.Fields)},
	} {
		if more.so {
			s += ", " + more.says
		}
	}
	return s
}

func size(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
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
	fmt.Fprintf(w, "\n%s; %s, median (quartiles)\n", title(t.cell), plural(len(t.rounds), "round"))
	for _, c := range t.columns() {
		fmt.Fprintf(tw, "%s\t", c.head)
	}
	fmt.Fprintln(tw)
	for i := range t.clients {
		for _, c := range t.columns() {
			fmt.Fprintf(tw, "%s\t", cmp.Or(c.value(t, i), "-"))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}
