package main

import (
	"regexp"
	"slices"
	"strings"
)

// What go test writes about failures. Each is matched at the start of a line, but for
// --- FAIL, which is indented for subtests; the log lines of a test are indented too, and
// begin with the place that logged.
var (
	failedTest    = regexp.MustCompile(`^\s*--- FAIL: (\S+)`)
	failedPackage = regexp.MustCompile(`^FAIL\s+(\S+)(?: (\[.*\]))?`)
	passedPackage = regexp.MustCompile(`^(?:ok  |\?   )\t\S+`)
	timedOut      = regexp.MustCompile(`^panic: test timed out after`)
	crashed       = regexp.MustCompile(`^(?:panic|fatal error): .*`)
	raced         = regexp.MustCompile(`^WARNING: DATA RACE`)
	running       = regexp.MustCompile(`^\t+(\S+) \(\d[^)]*\)$`) // below "running tests:"
)

// failuresIn names what failed in the output of go test, each thing once, in order: the
// innermost tests that failed, and packages with what happened to them (a panic, a
// timeout, a data race, a build that failed).
func failuresIn(output string) []string {
	var all, tests, events []string
	flush := func(pkg, remark string) {
		if pkg != "" {
			pkg += " "
		}
		here := append(innermost(tests), events...)
		if remark != "" || len(here) == 0 {
			here = append(here, strings.TrimSpace("FAIL "+remark))
		}
		for _, what := range here {
			if name := pkg + what; !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
		tests, events = nil, nil
	}
	listing := false // the tests that were running when time ran out
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		if listing {
			if m := running.FindStringSubmatch(line); m != nil {
				events = append(events, m[1]+" (running when time ran out)")
				continue
			}
			listing = false
		}
		switch {
		case passedPackage.MatchString(line):
			tests, events = nil, nil // what a passing package printed is no failure
		case timedOut.MatchString(line):
			events = append(events, "test timed out")
		case line == "\trunning tests:":
			listing = true
		case crashed.MatchString(line):
			events = append(events, cut(line))
		case raced.MatchString(line):
			events = append(events, "data race")
		case failedTest.MatchString(line):
			tests = append(tests, failedTest.FindStringSubmatch(line)[1])
		case failedPackage.MatchString(line):
			m := failedPackage.FindStringSubmatch(line)
			flush(m[1], m[2])
		}
	}
	if len(tests)+len(events) > 0 { // a test binary run by itself names no package
		flush("", "")
	}
	return all
}

// innermost leaves out the tests that failed because one of their subtests did.
func innermost(tests []string) []string {
	var kept []string
	for _, name := range tests {
		if !slices.ContainsFunc(tests, func(other string) bool { return strings.HasPrefix(other, name+"/") }) {
			kept = append(kept, name)
		}
	}
	return kept
}

// cut keeps a line short enough for a table.
func cut(line string) string {
	const most = 120
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return line
}
