package actors

import (
	"log/slog"
	"sync"
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
	j.note(func() { j.log.Error("actor failed", slog.String("actor", actor), slog.Any("error", err)) })
}

func (j *journal) note(entry func()) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry)
	if !j.writing {
		j.writing = j.crew.run(j.write)
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
