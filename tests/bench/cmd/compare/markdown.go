package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// The table in a document stands between these two lines.
const (
	tableBegin = "<!-- table -->"
	tableEnd   = "<!-- /table -->"
)

// markdown is all tables, and what one has to know to make them again.
func markdown(tables []*table, pinned string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Made by `%s`: %s/%s, %s, %s, fasthttp %s; %s.\n",
		command(os.Args[1:]), runtime.GOOS, runtime.GOARCH, plural(numCPU(), "core"),
		runtime.Version(), version("github.com/valyala/fasthttp"), pinned)
	for _, t := range tables {
		fmt.Fprintf(&b, "\n%s, %s:\n\n", title(t.cell), plural(len(t.rounds), "round"))
		for i, c := range columns {
			fmt.Fprintf(&b, "| %s ", c.head)
			if i == len(columns)-1 {
				b.WriteString("|\n")
			}
		}
		b.WriteString("|---" + strings.Repeat("|---:", len(columns)-1) + "|\n")
		for i := range t.clients {
			for _, c := range columns {
				fmt.Fprintf(&b, "| %s ", cmp.Or(c.value(t, i), "–"))
			}
			b.WriteString("|\n")
		}
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

// checkMarkers tells whether replaceTable will find its place.
func checkMarkers(name string) error {
	doc, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	_, _, err = around(name, doc)
	return err
}

// replaceTable puts text between the markers of a file and leaves the rest alone.
func replaceTable(name, text string) error {
	doc, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, after, err := around(name, doc)
	if err != nil {
		return err
	}
	doc = append(append(bytes.Clone(before), "\n"+text...), after...)
	return os.WriteFile(name, doc, 0o666)
}

// around is what stands up to and with the first marker, and from the second on.
func around(name string, doc []byte) (before, after []byte, err error) {
	i := bytes.Index(doc, []byte(tableBegin))
	j := bytes.Index(doc, []byte(tableEnd))
	if i < 0 || j < i {
		return nil, nil, fmt.Errorf("%s: a line %s and one %s after it must mark where the table goes", name, tableBegin, tableEnd)
	}
	return doc[:i+len(tableBegin)], doc[j:], nil
}
