package servers

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// traffic is what callers did to a server that was reloaded under them.
type traffic struct {
	o   *origin
	url string

	gets, posts atomic.Int64
	mu          sync.Mutex
	getErrs     []error
	postErrs    map[string]error // by id
	oddStatus   []string
}

// drive runs n callers, every other call a GET and every other a POST with an id
// that no other POST has, until ctx ends.
func (tr *traffic) drive(ctx context.Context, s *api.Session, n int) {
	tr.postErrs = map[string]error{}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				if (i+k)%2 == 0 {
					tr.get(s)
				} else {
					tr.post(s, fmt.Sprintf("%d-%d", i, k))
				}
			}
		})
	}
	all.Wait()
}

// get and post have a context of their own: the end of the test must not look
// like a failure.
func (tr *traffic) get(s *api.Session) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tr.gets.Add(1)
	resp, err := s.Get(ctx, tr.url+"/")
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if err != nil {
		tr.getErrs = append(tr.getErrs, err)
	} else if resp.Status() != 200 {
		tr.oddStatus = append(tr.oddStatus, fmt.Sprintf("GET %d", resp.Status()))
	}
}

func (tr *traffic) post(s *api.Session, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tr.posts.Add(1)
	resp, err := s.Post(ctx, tr.url+"/id", api.Headers{"X-Id": id}, api.Data{"id": id})
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if err != nil {
		tr.postErrs[id] = err
		return
	}
	if resp.Status() != 200 {
		tr.oddStatus = append(tr.oddStatus, fmt.Sprintf("POST %d", resp.Status()))
	} else if resp.Text() != id {
		tr.oddStatus = append(tr.oddStatus, fmt.Sprintf("POST %s got the answer of %s", id, resp.Text()))
	} else if tr.o.counted(id) != 1 {
		tr.oddStatus = append(tr.oddStatus, fmt.Sprintf("POST %s was answered and seen %d times", id, tr.o.counted(id)))
	}
}

// judge holds the outcome to what is promised: no GET failed, no POST was done
// twice, and a POST that was not answered is an error that says it was sent whole.
func (tr *traffic) judge(t *testing.T, reloads int) {
	t.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	doubled, lost := 0, 0
	tr.o.mu.Lock()
	for id, n := range tr.o.ids {
		if n > 1 {
			doubled++
			t.Errorf("POST %s was seen %d times", id, n)
		}
	}
	unclear := map[string]int{}
	whole := 0
	for id, err := range tr.postErrs {
		if tr.o.ids[id] == 0 {
			lost++
		}
		if e, ok := asError[*api.IOError](err); !ok || e.Sent != api.SentAll {
			unclear[err.Error()]++
		} else {
			whole++
		}
	}
	tr.o.mu.Unlock()
	for err, n := range unclear {
		t.Errorf("%d POSTs failed without having been sent whole: %s", n, err)
	}
	failed := map[string]int{}
	for _, err := range tr.getErrs {
		failed[err.Error()]++
	}
	for err, n := range failed {
		t.Errorf("%d GETs failed: %s", n, err)
	}
	if len(tr.oddStatus) > 0 {
		t.Errorf("%d odd answers: %s …", len(tr.oddStatus), strings.Join(tr.oddStatus[:min(5, len(tr.oddStatus))], ", "))
	}
	t.Logf("%d reloads: %d GETs, %d failed; %d POSTs, %d doubled, %d with an error of Sent=all; %d never seen by the origin",
		reloads, tr.gets.Load(), len(tr.getErrs), tr.posts.Load(), doubled, whole, lost)
	if tr.gets.Load() < 100 || tr.posts.Load() < 100 {
		t.Error("hardly any traffic: the test proves nothing")
	}
}

// haproxy reloaded: the old worker finishes what is under way and closes what
// idles, the new one takes the listener over.
func TestHaproxyReloadUnderLoad(t *testing.T) {
	o := newOrigin(t)
	h := startHaproxy(t, haproxyConf{defaults: "retries 0", backends: []string{o.addr}})
	s := newSession(t, api.Config{})
	tr := &traffic{o: o, url: h.URL}
	const reloads = 5
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for range reloads {
			pause(t.Context(), 300*time.Millisecond)
			if err := h.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
				t.Error(err)
			}
		}
		pause(t.Context(), 300*time.Millisecond)
	}()
	tr.drive(ctx, s, 20)
	tr.judge(t, reloads)
}
