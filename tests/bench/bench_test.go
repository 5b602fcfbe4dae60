package bench

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's cleaner sleeps as long as a connection may idle, and ends after that.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"))
}

func startOrigin(tb testing.TB) *Origin {
	tb.Helper()
	o, err := StartOrigin()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { o.Close() })
	return o
}

func startLoad(tb testing.TB, c Contender, o *Origin, cell Cell) *Load {
	tb.Helper()
	l, err := NewLoad(c, o.Addr(), cell)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l
}

var cells = []Cell{{1, 1}, {64, 64}, {64, 8}}

// TestClients: every client gets the whole answer, again and again, and opens no more
// connections than the cell allows.
func TestClients(t *testing.T) {
	for _, cell := range cells {
		for _, c := range Contenders() {
			t.Run(cell.String()+"/"+c.Name, func(t *testing.T) {
				o := startOrigin(t)
				l := startLoad(t, c, o, cell)
				for range 3 {
					var r Reply
					if err := l.callers[0].Get(&r); err != nil {
						t.Fatal(err)
					}
					if r.Status != 200 || string(r.Body) != Body {
						t.Fatalf("got %d %q, want 200 %q", r.Status, r.Body, Body)
					}
				}
				if err := l.Send(20 * cell.Callers); err != nil {
					t.Fatal(err)
				}
				if n := o.Opened(); n < 1 || n > cell.Conns {
					t.Errorf("%d connections were opened, want 1 to %d", n, cell.Conns)
				}
			})
		}
	}
}

// TestRun: a run counts what was sent and ends in time.
func TestRun(t *testing.T) {
	o := startOrigin(t)
	l := startLoad(t, Contenders()[0], o, Cell{Callers: 4, Conns: 4})
	r, err := l.Run(t.Context(), 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests == 0 || r.Elapsed < 50*time.Millisecond || r.Latency.Quantile(0.5) <= 0 {
		t.Errorf("got %+v: no requests, too short, or without latencies", r)
	}
}

// TestOriginGone: a run does not hang when the origin dies under it.
func TestOriginGone(t *testing.T) {
	for _, c := range Contenders() {
		t.Run(c.Name, func(t *testing.T) {
			o := startOrigin(t)
			l := startLoad(t, c, o, Cell{Callers: 4, Conns: 2})
			time.AfterFunc(20*time.Millisecond, func() { o.Close() })
			if _, err := l.Run(t.Context(), 30*time.Second); err == nil {
				t.Error("no error though the origin was closed")
			}
		})
	}
}

func TestParseCell(t *testing.T) {
	for _, cell := range cells {
		if got, err := ParseCell(cell.String()); err != nil || got != cell {
			t.Errorf("ParseCell(%q) = %v, %v", cell.String(), got, err)
		}
	}
	for _, bad := range []string{"", "64", "64x", "x8", "0x1", "1x0", "64x8x2", "ax1"} {
		if got, err := ParseCell(bad); err == nil {
			t.Errorf("ParseCell(%q) = %v, want an error", bad, got)
		}
	}
}

// TestQuantile: a quantile is no further from the truth than its bucket is wide.
func TestQuantile(t *testing.T) {
	var l Latency
	if got := l.Quantile(0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for i := range 1000 {
		l.Add(time.Duration(i+1) * time.Microsecond)
	}
	for _, q := range []float64{0.01, 0.5, 0.99, 1} {
		want := time.Duration(q*1000) * time.Microsecond
		if got := l.Quantile(q); (got - want).Abs() > want/steps {
			t.Errorf("Quantile(%v) = %v, want about %v", q, got, want)
		}
	}
	l.Add(1 << 60) // beyond the last bucket
	l.Add(-1)
}

// BenchmarkGet has the origin in the same process: its work and its allocations (none)
// are part of the figures, so only their differences mean something.
func BenchmarkGet(b *testing.B) {
	for _, cell := range cells {
		name := fmt.Sprintf("callers=%d", cell.Callers)
		if cell.Conns != cell.Callers {
			name += fmt.Sprintf(",conns=%d", cell.Conns)
		}
		for _, c := range Contenders() {
			b.Run(name+"/"+c.Name, func(b *testing.B) {
				l := startLoad(b, c, startOrigin(b), cell)
				if err := l.Send(20 * cell.Callers); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.ResetTimer()
				if err := l.Send(b.N); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
