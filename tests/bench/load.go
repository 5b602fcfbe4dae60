package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// idleFor keeps connections over the runs of the other clients.
	idleFor = time.Hour
	// waitFor is how long a caller waits for a connection where a client wants to
	// know; none ever waits for long.
	waitFor = 10 * time.Second
)

// Load is a client under the load of a cell: one goroutine for each caller.
type Load struct {
	client  Client
	cell    Cell
	callers []Caller
	body    []byte // what every answer's body has to be
}

// NewLoad makes a client with its callers. Close ends it.
func NewLoad(c Contender, to Target, cell Cell) (*Load, error) {
	client, err := c.New(to, cell)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	l := &Load{client: client, cell: cell, body: cell.body()}
	for range cell.Callers {
		caller, err := client.Caller()
		if err != nil {
			client.Close()
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		l.callers = append(l.callers, caller)
	}
	return l, nil
}

// Close ends the client.
func (l *Load) Close() error { return l.client.Close() }

// Result is what one run took, in the process as a whole.
type Result struct {
	Requests int
	Elapsed  time.Duration
	CPU      time.Duration // user and system; 0 where it can't be told
	Allocs   uint64
	Bytes    uint64 // allocated
	Latency  *Latency
}

// Run lets all callers send for d, or until ctx ends. The first error ends it.
func (l *Load) Run(ctx context.Context, d time.Duration) (Result, error) {
	var stop atomic.Bool
	var requests atomic.Int64
	var before, after runtime.MemStats
	r := Result{Latency: new(Latency)}
	end := func() { stop.Store(true) }

	runtime.GC() // nobody pays for another's garbage
	runtime.ReadMemStats(&before)
	cpu, began := CPUTime(), time.Now()

	defer time.AfterFunc(d, end).Stop()
	defer context.AfterFunc(ctx, end)()
	err := l.each(func(c Caller) error {
		n, err := l.sendUntil(c, r.Latency, &stop)
		requests.Add(int64(n))
		if err != nil {
			end()
		}
		return err
	})

	r.Elapsed, r.CPU = time.Since(began), CPUTime()-cpu
	runtime.ReadMemStats(&after)
	r.Requests = int(requests.Load())
	r.Allocs, r.Bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return r, err
}

// Send lets the callers together send n requests, with no look at the latency.
func (l *Load) Send(n int) error {
	var left atomic.Int64
	left.Store(int64(n))
	return l.each(func(c Caller) error {
		var r Reply
		for left.Add(-1) >= 0 {
			if err := l.do(c, &r); err != nil {
				left.Store(0)
				return err
			}
		}
		return nil
	})
}

// sendUntil reads the clock once a request: the end of one is the start of the next.
func (l *Load) sendUntil(c Caller, latency *Latency, stop *atomic.Bool) (int, error) {
	var r Reply
	n, last := 0, time.Now()
	for !stop.Load() {
		if err := l.do(c, &r); err != nil {
			return n, err
		}
		now := time.Now()
		latency.Add(now.Sub(last))
		last = now
		n++
	}
	return n, nil
}

// do sends one request and makes sure that an answer is one: a client that is fast
// because it drops the body would not be worth a number.
func (l *Load) do(c Caller, r *Reply) error {
	ctx := context.Background()
	if l.cell.Deadline {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, waitFor)
		defer cancel()
	}
	if err := c.Do(ctx, r); err != nil {
		return err
	}
	last := len(l.body) - 1
	if r.Status != 200 || len(r.Body) != len(l.body) || r.Body[last] != l.body[last] {
		return fmt.Errorf("the answer has status %d and %d bytes", r.Status, len(r.Body))
	}
	c.Release()
	return nil
}

// each runs work for every caller at once, waits, and returns the first error.
func (l *Load) each(work func(Caller) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for _, c := range l.callers {
		wg.Go(func() {
			if err := work(c); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}
