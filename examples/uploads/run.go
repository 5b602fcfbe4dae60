package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// run is the whole program: it uploads all files and returns an error if any
// failed, after all the others were sent too.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	dir := o.dir
	if dir == "" {
		fmt.Fprintf(out, "generating %d files of %v\n", o.files, o.size)
		dir, err = generate(o.files, o.size)
		defer os.RemoveAll(dir)
		if err != nil {
			return err
		}
	}
	jobs, err := list(dir)
	if err != nil {
		return err
	}
	to, closeReceiver, err := receive(o.rate)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end(o.patience, closeReceiver)) }()

	session, err := api.NewSession(api.Config{MaxConnsPerOrigin: o.parallel})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end(o.patience, session.Shutdown)) }() // before the receiver

	began := time.Now()
	p := newProgress(out, o.terminal, jobs)
	failed := uploadAll(ctx, session, to, jobs, o.parallel, p)
	p.wait(failed == 0)

	fmt.Fprintf(out, "%d of %d files arrived as they were; %v in all, %v, over %d connections\n",
		len(jobs)-failed, len(jobs), sum(jobs), time.Since(began).Round(time.Millisecond), dials(session))
	switch {
	case failed == 0:
		return nil
	case ctx.Err() != nil:
		return errors.New("interrupted")
	}
	return fmt.Errorf("%d of %d files did not arrive as they were", failed, len(jobs))
}

// uploadAll sends the jobs, so many at a time, and returns how many failed. None
// is left out because of another that failed.
func uploadAll(ctx context.Context, s *api.Session, to string, jobs []job, parallel int, p *progress) int {
	var failed atomic.Int64
	var wg sync.WaitGroup
	queue := make(chan job)
	for range min(parallel, len(jobs)) {
		wg.Go(func() {
			for j := range queue {
				t := p.start(j)
				sum, err := upload(ctx, s, to, j, t.moved)
				t.ended(sum, err)
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
feed:
	for i, j := range jobs {
		select {
		case queue <- j:
		case <-ctx.Done():
			failed.Add(int64(len(jobs) - i))
			break feed
		}
	}
	close(queue)
	wg.Wait()
	return int(failed.Load())
}

func sum(jobs []job) (all size) {
	for _, j := range jobs {
		all += j.size
	}
	return all
}

// dials is how many connections the session has opened.
func dials(s *api.Session) (n uint64) {
	for _, o := range s.Snapshot().Origins {
		n += o.Dials
	}
	return n
}

// end gives what is under way a while.
func end(patience time.Duration, shutdown func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return shutdown(ctx)
}
