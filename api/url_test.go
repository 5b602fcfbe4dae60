package api

import (
	"iter"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/actors"
)

func TestURLFragment(t *testing.T) {
	const raw = "http://u:p@h/a?b#c d"
	r := newRequest(new(Session), nil)
	var err error
	if r.to, err = locate(raw); err != nil {
		t.Fatal(err)
	}
	if got := r.to.String(); got != "http://h/a?b" {
		t.Errorf("for errors: %q", got)
	}
	r.url = raw
	resp := r.response(&actors.Answer{})
	if got := resp.URL(); got != "http://h/a?b#c%20d" {
		t.Errorf("of a response: %q", got)
	}
	if got := resp.shown(); got != "http://h/a?b" {
		t.Errorf("of a response's errors: %q", got)
	}
}

// The page on odd URLs says what is so.
func TestURLTable(t *testing.T) {
	page, err := os.ReadFile("../docs/urls.md")
	if err != nil {
		t.Fatal(err)
	}
	base, err := locate("http://a/b/c/d;p?q")
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]func(raw string) ([]string, error){
		"URL | Host | request target | dialled": func(raw string) ([]string, error) {
			l, err := locate(raw)
			return []string{l.Authority, l.Target, net.JoinHostPort(l.Host, l.Port)}, err
		},
		"URL | error": func(raw string) ([]string, error) {
			_, err := locate(raw)
			return []string{errorText(err)}, nil
		},
		"Location | becomes": func(raw string) ([]string, error) {
			l, err := base.url().Resolve(raw)
			return []string{l.String()}, err
		},
		"Location | error": func(raw string) ([]string, error) {
			_, err := base.url().Resolve(raw)
			return []string{errorText(err)}, nil
		},
	}
	seen := map[string]int{}
	for heading, row := range tableRows(t, string(page)) {
		check := checks[heading]
		if check == nil {
			t.Fatalf("a table headed %q, which is not checked", heading)
		}
		seen[heading]++
		if got, err := check(row[0]); err != nil || !slices.Equal(got, row[1:]) {
			t.Errorf("%q:\n got %q, %v\nsays %q", row[0], got, err, row[1:])
		}
	}
	for heading := range checks {
		if seen[heading] < 5 {
			t.Errorf("%d rows headed %q", seen[heading], heading)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "troupe: ")
}

// tableRows are the rows of the tables of a page, each under its table's heading,
// without the remarks in the column "why". Cells are Go strings in backticks.
func tableRows(t *testing.T, page string) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		var heading []string
		for line := range strings.Lines(page) {
			line = strings.TrimSpace(line)
			cells := strings.Split(strings.Trim(line, "| "), " | ")
			switch {
			case !strings.HasPrefix(line, "|"):
				heading = nil
			case heading == nil:
				if heading = cells; heading[len(cells)-1] == "why" {
					heading = heading[:len(cells)-1]
				}
			case strings.HasPrefix(line, "|---"):
			case len(cells) < len(heading):
				t.Fatalf("too few cells: %s", line)
			case !yield(strings.Join(heading, " | "), unquoteCells(t, cells[:len(heading)])):
				return
			}
		}
	}
}

func unquoteCells(t *testing.T, cells []string) []string {
	var row []string
	for _, cell := range cells {
		text := strings.NewReplacer("`", "", `\|`, "|", `"`, `\"`).Replace(cell)
		plain, err := strconv.Unquote(`"` + text + `"`)
		if err != nil {
			t.Fatalf("%s: %v", cell, err)
		}
		row = append(row, plain)
	}
	return row
}
