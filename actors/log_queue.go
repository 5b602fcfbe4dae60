package actors

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/seed53b03582/troupe/conn"
)

// logQueue writes to one of the user's loggers, in order, on a goroutine of the group: a
// handler may be slow, and an actor must not wait for it. Nothing of the logger's is called
// anywhere else. A nil logQueue is silent.
type logQueue struct {
	log   *slog.Logger
	group *group

	mu      sync.Mutex
	queue   []record
	size    int // bytes of text in queue
	writing bool
	leftOut int // entries that found the queue full, since the last that did not
}

// record is one line of a log.
type record struct {
	level slog.Level
	text  string
	attrs []slog.Attr
	size  int // bytes of text in attrs, where that may be much
}

// What may wait for a slow handler. What comes beyond that is left out, and counted.
const (
	maxRecords    = 4096
	maxRecordText = 8 << 20
)

func newLogQueue(log *slog.Logger, g *group) *logQueue {
	if log == nil {
		return nil
	}
	return &logQueue{log: log, group: g}
}

// breaker notes that an origin's breaker has changed its state.
func (q *logQueue) breaker(origin, from, to string) {
	q.note(record{level: slog.LevelWarn, text: "circuit breaker",
		attrs: []slog.Attr{slog.String("origin", origin), slog.String("from", from), slog.String("to", to)}})
}

// failure notes that code inside an actor has panicked.
func (q *logQueue) failure(actor string, err error) {
	attrs := []slog.Attr{slog.String("actor", actor), slog.Any("error", &maskedError{err})}
	var p *conn.PanicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	q.note(record{level: slog.LevelError, text: "actor failed", attrs: attrs})
}

// maskedError is an error whose text may quote a URL or what was sent.
type maskedError struct{ err error }

func (e *maskedError) Error() string { return conn.MaskText(e.err.Error()) }

func (e *maskedError) Unwrap() error { return e.err }

// bodyAbandoned notes that nobody read a streamed body for too long.
func (q *logQueue) bodyAbandoned(url, opened string) {
	q.note(record{level: slog.LevelWarn, text: "response body abandoned",
		attrs: []slog.Attr{slog.String("url", url), slog.String("opened", opened)}})
}

// bodyPanicked notes that the Close of a request's body has panicked.
func (q *logQueue) bodyPanicked(err error) {
	q.note(record{level: slog.LevelError, text: "closing a request body failed",
		attrs: []slog.Attr{slog.Any("error", &maskedError{err})}})
}

// tap shows what goes over a connection; nil where there is no log for that.
func (q *logQueue) tap(id, origin string) conn.Tap {
	if q == nil {
		return nil
	}
	return func(sent bool, text string) {
		q.note(record{level: slog.LevelInfo, text: "wire", size: len(text),
			attrs: []slog.Attr{slog.String("connection", id), slog.String("origin", origin), slog.Bool("sent", sent), slog.String("text", text)}})
	}
}

// note queues an entry, and never waits.
func (q *logQueue) note(e record) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) >= maxRecords || q.size > 0 && q.size+e.size > maxRecordText {
		q.leftOut++
		return
	}
	if q.leftOut > 0 {
		q.queue = append(q.queue, q.omission())
	}
	q.queue = append(q.queue, e)
	q.size += e.size
	if !q.writing {
		on := &errand{what: "the Logger's handler does not return"} // its own: the writer before may not have left yet
		q.writing = q.group.startErrand(on, func() { q.write(on) })
	}
}

// omission tells of entries that were left out. The caller holds mu.
func (q *logQueue) omission() record {
	n := q.leftOut
	q.leftOut = 0
	return record{level: slog.LevelWarn, text: "log lines left out", attrs: []slog.Attr{slog.Int("count", n)}}
}

// next takes an entry out of the queue; false where none is left, and this writer is to end.
func (q *logQueue) next() (e record, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.queue) > 0:
		e = q.queue[0]
		q.queue[0] = record{}
		q.queue = q.queue[1:]
		q.size -= e.size
		return e, true
	case q.leftOut > 0:
		return q.omission(), true
	}
	q.queue, q.writing = nil, false
	return record{}, false
}

// write writes until the queue is empty. Where a handler ends its goroutine
// (runtime.Goexit), another goes on, in the same place in the group.
func (q *logQueue) write(on *errand) {
	done := false
	defer func() {
		if done {
			q.group.finish(on)
			q.group.leave()
		} else {
			go q.write(on)
		}
	}()
	for e, ok := q.next(); ok; e, ok = q.next() {
		q.safely(e)
	}
	done = true
}

// safely keeps a panicking log handler from ending the program.
func (q *logQueue) safely(e record) {
	defer func() { _ = recover() }()
	q.log.LogAttrs(context.Background(), e.level, e.text, e.attrs...)
}
