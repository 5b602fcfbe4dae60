package api_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGuide holds docs/guide.md to the examples: each section is about something that
// runs, and what it names is there and has an output that is compared.
func TestGuide(t *testing.T) {
	page, err := os.ReadFile("../docs/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := runnable(t)
	preface, sections := sectionsOf(string(page))
	if len(sections) < 25 {
		t.Fatalf("%d sections are all that was found", len(sections))
	}
	for _, s := range sections {
		t.Run(s.title, func(t *testing.T) {
			names := exampleName.FindAllStringSubmatch(s.text, -1)
			programs := programName.FindAllStringSubmatch(s.text, -1)
			if len(names)+len(programs) == 0 {
				t.Error("names no Example and no program of examples/")
			}
			for _, m := range names {
				if !examples[m[1]] {
					t.Errorf("no Example%s with an output in the test files", m[1])
				}
			}
			for _, m := range programs {
				if _, err := os.Stat(filepath.Join("..", "examples", m[1])); err != nil {
					t.Error(err)
				}
			}
			if anchor := anchorOf(s.title); strings.Count(preface, "(#"+anchor+")") != 1 {
				t.Errorf("the contents have not one link to #%s", anchor)
			}
		})
	}
	if n := strings.Count(preface, "(#"); n != len(sections) {
		t.Errorf("the contents have %d links to %d sections", n, len(sections))
	}
}

var (
	exampleName = regexp.MustCompile("`Example(\\w*)`")
	programName = regexp.MustCompile("`(?:go run \\./)?examples/(\\w+)`")
)

// runnable are the names behind "Example" of those that go test runs.
func runnable(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	found := map[string]bool{}
	for _, e := range doc.Examples(parsed...) {
		if e.Output != "" || e.EmptyOutput {
			found[e.Name] = true
		}
	}
	return found
}

type section struct{ title, text string }

// sectionsOf splits a page at its second-level headings.
func sectionsOf(page string) (preface string, sections []section) {
	parts := strings.Split(page, "\n## ")
	for _, part := range parts[1:] {
		title, text, _ := strings.Cut(part, "\n")
		sections = append(sections, section{title, text})
	}
	return parts[0], sections
}

// anchorOf is the address that GitHub gives a heading.
func anchorOf(title string) string {
	return strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}
