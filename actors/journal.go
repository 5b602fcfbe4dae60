package actors

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/seed53b03582/troupe/conn"
)

// journal writes to the user's logger, in order, on a goroutine of the crew: a
// handler may be slow, and an actor must not wait for it. A nil journal is
// silent.
type journal struct {
	log  *slog.Logger
	crew *crew

	mu      sync.Mutex
	entries []func()
	writing bool
	leftOut int // pieces of the wire, since the log can't keep up
}

func newJournal(log *slog.Logger, c *crew) *journal {
	if log == nil {
		return nil
	}
	return &journal{log: log, crew: c}
}

// breaker notes that an origin's breaker has changed its state.
func (j *journal) breaker(origin, from, to string) {
	j.note(func() {
		j.log.Warn("circuit breaker", slog.String("origin", origin), slog.String("from", from), slog.String("to", to))
	})
}

// failure notes that code inside an actor has panicked.
func (j *journal) failure(actor string, err error) {
	attrs := []slog.Attr{slog.String("actor", actor), slog.Any("error", err)}
	var p *conn.PanicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	j.note(func() { j.log.LogAttrs(context.Background(), slog.LevelError, "actor failed", attrs...) })
}

// bodyAbandoned notes that nobody read a streamed body for too long.
func (j *journal) bodyAbandoned(url, opened string) {
	j.note(func() { j.log.Warn("response body abandoned", slog.String("url", url), slog.String("opened", opened)) })
}

// bodyPanicked notes that the Close of a request's body has panicked.
func (j *journal) bodyPanicked(err error) {
	j.note(func() { j.log.Error("closing a request body failed", slog.Any("error", err)) })
}

// wireBacklog is how many entries may wait for a slow log before pieces of the wire
// are left out.
const wireBacklog = 4096

// tap shows a log that is enabled for debug what goes over a connection, secrets
// masked; nil where there is none.
func (j *journal) tap(id, origin string) conn.Tap {
	if j == nil || !j.log.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	var masks [2]conn.Masker // the two directions may come from two goroutines
	return func(sent bool, data []byte) {
		mask := &masks[0]
		if sent {
			mask = &masks[1]
		}
		if text := mask.Append(nil, data); len(text) > 0 {
			j.wire(id, origin, sent, string(text))
		}
	}
}

func (j *journal) wire(id, origin string, sent bool, text string) {
	j.mu.Lock()
	full := len(j.entries) >= wireBacklog
	left := j.leftOut
	if j.leftOut = 0; full {
		j.leftOut = left + 1
	}
	j.mu.Unlock()
	if full {
		return
	}
	attrs := []slog.Attr{slog.String("connection", id), slog.String("origin", origin), slog.Bool("sent", sent), slog.String("text", text)}
	if left > 0 {
		attrs = append(attrs, slog.Int("left_out", left))
	}
	j.note(func() { j.log.LogAttrs(context.Background(), slog.LevelDebug, "wire", attrs...) })
}

func (j *journal) note(entry func()) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry)
	if !j.writing {
		j.writing = j.crew.runErrand(&errand{what: "the Logger's handler does not return"}, j.write)
	}
}

func (j *journal) write() {
	for {
		j.mu.Lock()
		entries := j.entries
		j.entries = nil
		if len(entries) == 0 {
			j.writing = false
			j.mu.Unlock()
			return
		}
		j.mu.Unlock()
		for _, entry := range entries {
			j.safely(entry)
		}
	}
}

// safely keeps a panicking log handler from ending the program.
func (j *journal) safely(entry func()) {
	defer func() { _ = recover() }()
	entry()
}
