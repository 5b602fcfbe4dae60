package main

import (
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how far the uploads are: as bars on a terminal, else as a line for
// each that has ended.
type progress struct {
	out   io.Writer
	bars  *mpb.Progress // nil: lines
	total *mpb.Bar
	many  bool // only the bars of what is under way are kept

	mu       sync.Mutex // one line at a time
	failures []string   // where there are bars, to be printed under them
}

// fewBars fit on any terminal beside the total.
const fewBars = 12

func newProgress(out io.Writer, terminal bool, jobs []job) *progress {
	p := &progress{out: out, many: len(jobs) > fewBars}
	if !terminal {
		return p
	}
	p.bars = mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh())
	p.total = p.bar("total", sum(jobs), "", mpb.BarPriority(math.MaxInt)) // below the others
	return p
}

// bar adds one that is complete when it is told so, not when all bytes are sent: the
// receiver has the last word.
func (p *progress) bar(name string, total size, done string, more ...mpb.BarOption) *mpb.Bar {
	state := decor.Percentage(decor.WCSyncSpace)
	if done != "" {
		state = decor.OnComplete(state, done)
	}
	b := p.bars.AddBar(0, append(more,
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(
			decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace),
			decor.OnAbort(state, " failed"),
		))...)
	b.SetTotal(int64(total), false)
	return b
}

// wait draws the bars a last time and ends what draws them.
func (p *progress) wait(ok bool) {
	if p.bars == nil {
		return
	}
	if ok {
		p.total.SetTotal(-1, true)
	} else {
		p.total.Abort(false)
	}
	p.bars.Wait()
	for _, line := range p.failures {
		fmt.Fprintln(p.out, line)
	}
}

// track is the progress of one upload.
type track struct {
	progress *progress
	job      job
	bar      *mpb.Bar
	began    time.Time
}

func (p *progress) start(j job) *track {
	t := &track{progress: p, job: j, began: time.Now()}
	if p.bars == nil {
		return t
	}
	if p.many {
		t.bar = p.bar(j.name, j.size, " ok", mpb.BarRemoveOnComplete())
	} else {
		t.bar = p.bar(j.name, j.size, " ok")
	}
	return t
}

// moved tells that n more bytes are on their way.
func (t *track) moved(n int) {
	if t.bar != nil {
		t.bar.IncrBy(n)
		t.progress.total.IncrBy(n)
	}
}

// ended tells how the upload went.
func (t *track) ended(sum string, err error) {
	p := t.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case t.bar != nil && err != nil:
		p.failures = append(p.failures, t.failure(err))
		t.bar.Abort(p.many)
	case t.bar != nil:
		t.bar.SetTotal(-1, true)
	case err != nil:
		fmt.Fprintln(p.out, t.failure(err))
	default:
		fmt.Fprintf(p.out, "%s: %v in %v, SHA-256 %s… is the same at both ends\n",
			t.job.name, t.job.size, time.Since(t.began).Round(time.Millisecond), sum[:12])
	}
}

func (t *track) failure(err error) string { return fmt.Sprintf("%s: FAILED: %v", t.job.name, err) }
