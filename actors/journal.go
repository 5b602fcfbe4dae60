package actors

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/seed53b03582/troupe/conn"
)

// journal writes to one of the user's loggers, in order, on a goroutine of the crew: a
// handler may be slow, and an actor must not wait for it. Nothing of the logger's is called
// anywhere else. A nil journal is silent.
type journal struct {
	log  *slog.Logger
	crew *crew

	mu      sync.Mutex
	queue   []entry
	size    int // bytes of text in queue
	writing bool
	leftOut int // entries that found the queue full, since the last that did not
}

// entry is one line of a log.
type entry struct {
	level slog.Level
	text  string
	attrs []slog.Attr
	size  int // bytes of text in attrs, where that may be much
}

// What may wait for a slow handler. What comes beyond that is left out, and counted.
const (
	maxEntries   = 4096
	maxEntryText = 8 << 20
)

func newJournal(log *slog.Logger, c *crew) *journal {
	if log == nil {
		return nil
	}
	return &journal{log: log, crew: c}
}

// breaker notes that an origin's breaker has changed its state.
func (j *journal) breaker(origin, from, to string) {
	j.note(entry{level: slog.LevelWarn, text: "circuit breaker",
		attrs: []slog.Attr{slog.String("origin", origin), slog.String("from", from), slog.String("to", to)}})
}

// failure notes that code inside an actor has panicked.
func (j *journal) failure(actor string, err error) {
	attrs := []slog.Attr{slog.String("actor", actor), slog.Any("error", &maskedError{err})}
	var p *conn.PanicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	j.note(entry{level: slog.LevelError, text: "actor failed", attrs: attrs})
}

// maskedError is an error whose text may quote a URL or what was sent.
type maskedError struct{ err error }

func (e *maskedError) Error() string { return conn.MaskText(e.err.Error()) }

func (e *maskedError) Unwrap() error { return e.err }

// bodyAbandoned notes that nobody read a streamed body for too long.
func (j *journal) bodyAbandoned(url, opened string) {
	j.note(entry{level: slog.LevelWarn, text: "response body abandoned",
		attrs: []slog.Attr{slog.String("url", url), slog.String("opened", opened)}})
}

// bodyPanicked notes that the Close of a request's body has panicked.
func (j *journal) bodyPanicked(err error) {
	j.note(entry{level: slog.LevelError, text: "closing a request body failed",
		attrs: []slog.Attr{slog.Any("error", &maskedError{err})}})
}

// tap shows what goes over a connection; nil where there is no log for that.
func (j *journal) tap(id, origin string) conn.Tap {
	if j == nil {
		return nil
	}
	return func(sent bool, text string) {
		j.note(entry{level: slog.LevelInfo, text: "wire", size: len(text),
			attrs: []slog.Attr{slog.String("connection", id), slog.String("origin", origin), slog.Bool("sent", sent), slog.String("text", text)}})
	}
}

// note queues an entry, and never waits.
func (j *journal) note(e entry) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) >= maxEntries || j.size > 0 && j.size+e.size > maxEntryText {
		j.leftOut++
		return
	}
	if j.leftOut > 0 {
		j.queue = append(j.queue, j.omission())
	}
	j.queue = append(j.queue, e)
	j.size += e.size
	if !j.writing {
		on := &errand{what: "the Logger's handler does not return"} // its own: the writer before may not have left yet
		j.writing = j.crew.startErrand(on, func() { j.write(on) })
	}
}

// omission tells of entries that were left out. The caller holds mu.
func (j *journal) omission() entry {
	n := j.leftOut
	j.leftOut = 0
	return entry{level: slog.LevelWarn, text: "log lines left out", attrs: []slog.Attr{slog.Int("count", n)}}
}

// next takes an entry out of the queue; false where none is left, and this writer is to end.
func (j *journal) next() (e entry, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case len(j.queue) > 0:
		e = j.queue[0]
		j.queue[0] = entry{}
		j.queue = j.queue[1:]
		j.size -= e.size
		return e, true
	case j.leftOut > 0:
		return j.omission(), true
	}
	j.queue, j.writing = nil, false
	return entry{}, false
}

// write writes until the queue is empty. Where a handler ends its goroutine
// (runtime.Goexit), another goes on, in the same place in the crew.
func (j *journal) write(on *errand) {
	done := false
	defer func() {
		if done {
			j.crew.finish(on)
			j.crew.leave()
		} else {
			go j.write(on)
		}
	}()
	for e, ok := j.next(); ok; e, ok = j.next() {
		j.safely(e)
	}
	done = true
}

// safely keeps a panicking log handler from ending the program.
func (j *journal) safely(e entry) {
	defer func() { _ = recover() }()
	j.log.LogAttrs(context.Background(), e.level, e.text, e.attrs...)
}
