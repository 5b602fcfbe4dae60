package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// section is one part of what is measured. What it returns stands in docs/benchmarks.md
// between two marker lines of its name; without -docs it is printed.
type section struct {
	name string
	run  func(ctx context.Context, s *settings) (markdown string, err error)
}

// sections are all parts, in the order in which they run.
func sections() []section {
	return []section{
		{"cells", runCells},
		{"growth", runGrowth},
		{"memory", runMemory},
	}
}

// pickSections finds sections by name; "" are all.
func pickSections(names string) ([]section, error) {
	all := sections()
	if names == "" {
		return all, nil
	}
	var picked []section
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no section %q", name)
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}

// document is the page that -docs fills.
func (s *settings) document() string { return filepath.Join(s.docs, "benchmarks.md") }

// file names a file beside the page, for its links to be benchmarks/name; "" without
// -docs.
func (s *settings) file(name string) string {
	if s.docs == "" {
		return ""
	}
	return filepath.Join(s.docs, "benchmarks", name)
}

// prepareDocs finds out what would be in the way before minutes of measuring.
func prepareDocs(s *settings) error {
	if s.docs == "" {
		return nil
	}
	if err := os.MkdirAll(s.file(""), 0o777); err != nil {
		return err
	}
	for _, part := range s.sections {
		if err := checkMarkers(s.document(), part.name); err != nil {
			return err
		}
	}
	return nil
}

// runSections runs all that were asked for. Each is written when it is there, so that an
// interrupt loses only the one under way.
func runSections(ctx context.Context, s *settings) error {
	for _, part := range s.sections {
		text, err := part.run(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if s.docs == "" {
			fmt.Println(text)
			continue
		}
		if err := replaceBetween(s.document(), part.name, text); err != nil {
			return err
		}
	}
	return nil
}
