package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/seed53b03582/troupe/tests/bench"
)

// madeBy is what one has to know to measure it all again.
func madeBy(s *settings) string {
	return fmt.Sprintf("Made by `%s`: %s/%s, %s, %s, fasthttp %s, resty %s; %s.\n",
		command(os.Args[1:]), runtime.GOOS, runtime.GOARCH, plural(numCPU(), "core"),
		runtime.Version(), version("github.com/valyala/fasthttp"), version("resty.dev/v3"), s.pinned)
}

// summary has a line for each cell: how troupe compares, and what the others cost beside
// the bare loop.
func summary(tables []*table) string {
	head := []string{"cell", "troupe to bare", "to fasthttp", "to net/http", "fasthttp to bare", "net/http to bare", "resty to bare"}
	var rows [][]string
	for _, t := range tables {
		row := []string{t.cell.Name}
		for _, to := range []string{bench.Bare, bench.FastHTTP, bench.NetHTTP} {
			row = append(row, t.compared("troupe", to, spread.String))
		}
		for _, client := range []string{bench.FastHTTP, bench.NetHTTP, "resty"} {
			row = append(row, t.compared(client, bench.Bare, func(s spread) string { return fmt.Sprintf("%.2f", s.median) }))
		}
		rows = append(rows, row)
	}
	return "Client CPU per request, as ratios:\n\n" + grid(head, rows)
}

// compared is the CPU ratio between two clients; "" if one of them was not run.
func (t *table) compared(client, to string, format func(spread) string) string {
	i := slices.Index(t.clients, client)
	if i < 0 {
		return ""
	}
	s, ok := t.ratio(i, to, cpuPerRequest)
	if !ok {
		return ""
	}
	return format(s)
}

// details has a table for each cell.
func details(tables []*table) string {
	var b strings.Builder
	for _, t := range tables {
		var head []string
		for _, c := range t.columns() {
			head = append(head, c.head)
		}
		var rows [][]string
		for i := range t.clients {
			var row []string
			for _, c := range t.columns() {
				row = append(row, c.value(t, i))
			}
			rows = append(rows, row)
		}
		fmt.Fprintf(&b, "\n%s; %s:\n\n%s", title(t.cell), plural(len(t.rounds), "round"), grid(head, rows))
	}
	return b.String()
}

// grid is a table in Markdown; its first column is text, the others are numbers.
func grid(head []string, rows [][]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|---%s|\n", strings.Join(head, " | "), strings.Repeat("|---:", len(head)-1))
	for _, row := range rows {
		for _, value := range row {
			fmt.Fprintf(&b, "| %s ", cmp.Or(value, "–"))
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// command is how a reader runs this.
func command(args []string) string {
	return strings.Join(append([]string{"go run ./cmd/compare"}, args...), " ")
}

// version is that of a module this program was built with.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, m := range info.Deps {
			if m.Path == module {
				return m.Version
			}
		}
	}
	return "of unknown version"
}
