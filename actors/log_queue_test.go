package actors

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// listener is a log handler that does something rude before it notes a line.
type listener struct {
	mu    sync.Mutex
	lines []string
	rude  func(line int)
	asked func() // in Enabled
}

func (h *listener) Enabled(context.Context, slog.Level) bool {
	if h.asked != nil {
		h.asked()
	}
	return true
}

func (h *listener) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		line.WriteString(" " + a.String())
		return true
	})
	h.mu.Lock()
	h.lines = append(h.lines, line.String())
	n := len(h.lines)
	h.mu.Unlock()
	if h.rude != nil {
		h.rude(n)
	}
	return nil
}

func (h *listener) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *listener) WithGroup(string) slog.Handler      { return h }

func (h *listener) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lines
}

// A handler that panics or ends its goroutine, at every line or in Enabled, loses no other.
func TestLogHandlerThatFails(t *testing.T) {
	for name, h := range map[string]*listener{
		"exits":  {rude: func(int) { runtime.Goexit() }},
		"panics": {rude: func(int) { panic("rude") }},
		"both": {rude: func(n int) {
			if n%2 == 0 {
				panic("rude")
			}
			runtime.Goexit()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				m := &pipes{serve: answering(greeting)}
				s := m.start(t, Config{WireLog: slog.New(h)})
				for i := range 5 {
					body, err := get(t.Context(), s)
					wantBody(t, body, err)
					synctest.Wait()
					if n := len(h.all()); n < 2*(i+1) {
						t.Fatalf("%d lines after %d calls", n, i+1)
					}
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Enabled is the handler's own code: no call waits for it.
func TestLogHandlerIsNeverAskedInAnActor(t *testing.T) {
	in(t, func(t *testing.T) {
		done := make(chan struct{})
		h := &listener{asked: func() { <-done }}
		m := &pipes{serve: answering(greeting)}
		s := m.start(t, Config{WireLog: slog.New(h), Logger: slog.New(h), Breaker: Breaker{Failures: 1}})
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
		s.logs.failure("x", context.Canceled)
		s.Snapshot()
		close(done)
		s.Close()
		if n := len(h.all()); n < 3 {
			t.Errorf("%d lines", n)
		}
	})
}

// While a handler blocks, calls go on, what waits for it has its bound, and what it missed is
// counted.
func TestLogHandlerThatBlocks(t *testing.T) {
	in(t, func(t *testing.T) {
		done := make(chan struct{})
		h := &listener{rude: func(n int) {
			if n == 1 {
				<-done
			}
		}}
		m := &pipes{serve: answering(greeting)}
		s := m.start(t, Config{WireLog: slog.New(h)})
		const calls = maxRecords/2 + 10 // two lines each, and more
		began := time.Now()
		for range calls {
			body, err := get(t.Context(), s)
			wantBody(t, body, err)
		}
		if time.Since(began) > 0 { // the bubble's clock moves only where all wait
			t.Error("a call has waited")
		}
		s.wire.mu.Lock()
		waiting, left := len(s.wire.queue), s.wire.leftOut
		s.wire.mu.Unlock()
		if waiting != maxRecords || left == 0 {
			t.Errorf("%d wait, %d are left out", waiting, left)
		}
		close(done)
		synctest.Wait()
		lines := h.all()
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "log lines left out count=") {
			t.Errorf("the last line: %s", last)
		}
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
		s.Close()
		if more := h.all()[len(lines):]; len(more) < 2 || !strings.HasPrefix(more[0], "wire ") {
			t.Errorf("afterwards: %q", more)
		}
	})
}

// The bound of text holds beside that of lines.
func TestLogTextIsBounded(t *testing.T) {
	q := newLogQueue(slog.New(slog.DiscardHandler), &group{})
	q.writing = true // nobody takes them
	show := q.tap("1", "http://h")
	for range 100 {
		show(true, strings.Repeat("x", maxRecordText/10))
	}
	if len(q.queue) != 10 || q.leftOut != 90 || q.size != maxRecordText/10*10 {
		t.Errorf("%d wait, %d bytes, %d are left out", len(q.queue), q.size, q.leftOut)
	}
	if e, ok := q.next(); !ok || q.size != maxRecordText/10*9 || e.size != maxRecordText/10 {
		t.Errorf("%v: %d bytes are left", ok, q.size)
	}
	show(false, "y")
	if e := q.queue[len(q.queue)-2]; e.text != "log lines left out" || e.attrs[0].Value.Int64() != 90 {
		t.Errorf("got %q %v", e.text, e.attrs)
	}
}

// An error in the log shows no secret that it quotes.
func TestLogMasksErrors(t *testing.T) {
	in(t, func(t *testing.T) {
		h := &listener{}
		s := (&pipes{serve: answering(greeting)}).start(t, Config{Logger: slog.New(h)})
		s.logs.failure("conn-1", conn.NewPanicError("dialling http://joe:geheim@h/?token=geheim failed"))
		s.Close()
		if lines := h.all(); len(lines) != 1 || strings.Contains(lines[0], "geheim") || !strings.Contains(lines[0], "http://***@h/?token=***") {
			t.Errorf("got %q", lines)
		}
	})
}
