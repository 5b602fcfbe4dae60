package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Crowd is any number of callers that send without a pause. Unlike a Load it is
// measured while it runs: with a hundred thousand callers, starting and ending them
// would be most of what a short run takes.
type Crowd struct {
	close    func() error
	stop     atomic.Bool
	requests atomic.Int64
	running  sync.WaitGroup
	once     sync.Once
	failed   chan error // capacity 1
}

// Sender makes what the i-th caller sends with.
type Sender func(i int) (send func() error, err error)

// NewCrowd sets callers going. Close ends them, and then calls end.
func NewCrowd(callers int, sender Sender, end func() error) (*Crowd, error) {
	c := &Crowd{close: end, failed: make(chan error, 1)}
	for i := range callers {
		send, err := sender(i)
		if err != nil {
			c.Close()
			return nil, err
		}
		c.running.Go(func() { c.run(send) })
	}
	return c, nil
}

func (c *Crowd) run(send func() error) {
	for !c.stop.Load() {
		if err := send(); err != nil {
			c.once.Do(func() { c.failed <- err })
			return
		}
		c.requests.Add(1)
	}
}

// Count waits until n more requests have been answered, or ctx has ended.
func (c *Crowd) Count(ctx context.Context, n int) error {
	t := time.NewTicker(time.Millisecond)
	defer t.Stop()
	for until := c.requests.Load() + int64(n); c.requests.Load() < until; {
		select {
		case <-t.C:
		case err := <-c.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Window measures the next d: what the process used meanwhile, and how many requests
// were answered.
func (c *Crowd) Window(ctx context.Context, d time.Duration) (Result, error) {
	cpu, began, before := CPUTime(), time.Now(), c.requests.Load()
	select {
	case <-time.After(d):
	case err := <-c.failed:
		return Result{}, err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	return Result{
		Requests: int(c.requests.Load() - before),
		Elapsed:  time.Since(began),
		CPU:      CPUTime() - cpu,
	}, nil
}

// Close lets every caller end its request, and waits.
func (c *Crowd) Close() error {
	c.stop.Store(true)
	c.running.Wait()
	return c.close()
}
