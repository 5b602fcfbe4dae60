package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// screen shows a table with the breakers' latest changes under it. On a terminal it
// is redrawn in place; elsewhere each goes below the one before, and changes
// are printed as they come.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	began    time.Time
	drawn    int // lines to go up before the next drawing
	all      []change
}

// change is a breaker that went from one state to another.
type change struct {
	origin, from, to string
	at               time.Duration
}

func (c change) String() string {
	return fmt.Sprintf("breaker %s: %s -> %s  (%.1fs)", c.origin, c.from, c.to, c.at.Seconds())
}

const shownChanges = 10

func newScreen(out io.Writer, terminal bool) *screen {
	return &screen{out: out, terminal: terminal, began: time.Now()}
}

// drawEach draws once each period until ctx ends.
func (s *screen) drawEach(ctx context.Context, period time.Duration, lines func() []string) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		if s.terminal { // elsewhere the first empty one is no help
			s.draw(lines())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !s.terminal && ctx.Err() == nil {
			s.draw(lines())
		}
	}
}

// final draws the last table. Printing goes on under it.
func (s *screen) final(lines []string) {
	s.draw(lines)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		fmt.Fprintln(s.out)
	}
	s.drawn = 0
}

func (s *screen) draw(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	if !s.terminal {
		for _, line := range lines {
			fmt.Fprintln(&b, line)
		}
		fmt.Fprintln(&b)
		s.out.Write(b.Bytes())
		return
	}
	for _, c := range s.all[max(0, len(s.all)-shownChanges):] {
		lines = append(lines, c.String())
	}
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	b.WriteString("\r\x1b[?7l") // a long line is cut, not wrapped: lines are counted
	for _, line := range lines {
		fmt.Fprintf(&b, "%s\x1b[K\n", line)
	}
	b.WriteString("\x1b[J\x1b[?7h")
	s.drawn = len(lines)
	s.out.Write(b.Bytes())
}

func (s *screen) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format, args...)
}

// changes are all changes of breakers so far, oldest first.
func (s *screen) changes() []change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// count is how often an origin's breaker opened from closed, went half-open, and closed.
func count(changes []change, origin string) (opened, probed, closed int) {
	for _, c := range changes {
		switch {
		case c.origin != origin:
		case c.to == "closed":
			closed++
		case c.to == "half-open":
			probed++
		case c.from == "closed":
			opened++
		}
	}
	return opened, probed, closed
}

// logger hears what a Session has to say: breakers that change state, which have
// the attributes origin, from and to, and actors that failed.
func (s *screen) logger() *slog.Logger { return slog.New(logHandler{s}) }

type logHandler struct{ screen *screen }

func (logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h logHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h logHandler) WithGroup(string) slog.Handler          { return h }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	c := change{at: r.Time.Sub(h.screen.began)}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "origin":
			c.origin = a.Value.String()
		case "from":
			c.from = a.Value.String()
		case "to":
			c.to = a.Value.String()
		}
		return true
	})
	s := h.screen
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.to != "":
		s.all = append(s.all, c)
		if !s.terminal {
			fmt.Fprintln(s.out, c)
		}
	case !s.terminal:
		fmt.Fprintln(s.out, r.Message)
	}
	return nil
}
