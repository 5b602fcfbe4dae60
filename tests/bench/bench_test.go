package bench

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	var options []goleak.Option
	for _, name := range []string{
		// fasthttp's cleaner sleeps as long as a connection may idle, and ends after that.
		"(*HostClient).connsCleaner",
		// So do the three goroutines of a pipeline.
		"(*pipelineConnClient).worker", "(*pipelineConnClient).writer", "(*pipelineConnClient).reader",
	} {
		options = append(options, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp."+name))
	}
	goleak.VerifyTestMain(m, options...)
}

func startOrigin(tb testing.TB) (*Origin, Target) {
	tb.Helper()
	o, err := StartOrigin()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { o.Close() })
	to, err := NewTarget(o.Addr(), o.TLSAddr(), o.Certificate())
	if err != nil {
		tb.Fatal(err)
	}
	return o, to
}

func startLoad(tb testing.TB, c Contender, to Target, cell Cell) *Load {
	tb.Helper()
	l, err := NewLoad(c, to, cell)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l
}

// contenders are those that fit a cell.
func contenders(cell Cell) []Contender {
	var fit []Contender
	for _, c := range Contenders() {
		if c.Fits(cell) {
			fit = append(fit, c)
		}
	}
	return fit
}

// TestClients: in every cell every client gets the whole answer, again and again, and
// opens no more connections than the cell allows.
func TestClients(t *testing.T) {
	for _, cell := range Cells() {
		for _, c := range contenders(cell) {
			t.Run(cell.String()+"/"+c.Name, func(t *testing.T) {
				o, to := startOrigin(t)
				l := startLoad(t, c, to, cell)
				for range 3 {
					var r Reply
					if err := l.callers[0].Do(t.Context(), &r); err != nil {
						t.Fatal(err)
					}
					if r.Status != 200 || !bytes.Equal(r.Body, cell.body()) {
						t.Fatalf("got %d and %d bytes, want 200 and the %d of the cell", r.Status, len(r.Body), len(cell.body()))
					}
					l.callers[0].Release()
				}
				if err := l.Send(3 * cell.Callers); err != nil {
					t.Fatal(err)
				}
				// net/http gives a connection up if it has not seen the request written 50 ms
				// after the answer, as can happen to large ones under the race detector.
				if n := o.Opened(); n < 1 || n > cell.Conns && cell.Post == 0 {
					t.Errorf("%d connections were opened, want 1 to %d", n, cell.Conns)
				}
			})
		}
	}
}

// TestStrangeRequests: what is no request of a cell ends the connection without an answer.
func TestStrangeRequests(t *testing.T) {
	_, to := startOrigin(t)
	path := Cell{}.path()
	for _, request := range []string{
		"GET /nowhere HTTP/1.1\r\n\r\n",
		"POST " + path + " HTTP/1.1\r\n\r\n",
		"POST " + path + " HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
	} {
		c, err := net.Dial("tcp", to.Addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte(request))
		if got, _ := io.ReadAll(c); len(got) > 0 {
			t.Errorf("%q was answered with %q", request, got)
		}
		c.Close()
	}
}

// TestRequestsInParts: requests are taken apart alike wherever they are cut.
func TestRequestsInParts(t *testing.T) {
	get, post := Cell{}, Cell{Post: 100}
	stream := append(append(get.request(Target{}), post.request(Target{})...), get.request(Target{})...)
	for cut := range stream {
		r := requests{answers: newAnswers(nil)}
		answered := 0
		var kept []byte
		for _, part := range [][]byte{stream[:cut], stream[cut:]} {
			in := append(kept, part...)
			for {
				rest, answer, err := r.next(in)
				if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				in = rest
				if answer == nil {
					break
				}
				answered++
			}
			kept = in
		}
		if answered != 3 || len(kept) > 0 {
			t.Errorf("cut at %d: %d answers, %d bytes left", cut, answered, len(kept))
		}
	}
}

// TestRun: a run counts what was sent and ends in time.
func TestRun(t *testing.T) {
	_, to := startOrigin(t)
	l := startLoad(t, Contenders()[0], to, Cell{Callers: 4, Conns: 4})
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
	for _, cell := range []Cell{{Callers: 4, Conns: 2}, {Callers: 4, Conns: 1, Pipeline: true}} {
		for _, c := range contenders(cell) {
			t.Run(c.Name, func(t *testing.T) {
				o, to := startOrigin(t)
				l := startLoad(t, c, to, cell)
				time.AfterFunc(20*time.Millisecond, func() { o.Close() })
				if _, err := l.Run(t.Context(), 30*time.Second); err == nil {
					t.Error("no error though the origin was closed")
				}
			})
		}
	}
}

func TestParseCell(t *testing.T) {
	for _, cell := range append(Cells(), Cell{Name: "16x4", Callers: 16, Conns: 4}) {
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
	for _, load := range [][2]int{{1, 1}, {64, 64}, {64, 8}} {
		cell := Cell{Callers: load[0], Conns: load[1]}
		for _, c := range contenders(cell) {
			b.Run(loadName(cell)+"/"+c.Name, func(b *testing.B) {
				_, to := startOrigin(b)
				benchmark(b, c, to, cell)
			})
		}
	}
}
