package tests

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// TestSoak runs 200 callers against an upstream that stalls, resets, truncates and
// now and then dies altogether, for TROUPE_SOAK (5m, say) or else for so many calls.
// In the end no slot is lost, and goroutines and heap have not grown.
func TestSoak(t *testing.T) {
	noLeaks(t)
	const workers, conns, samples = 200, 64, 30
	o := newOrigin(t)
	url := o.route("/soak", moody)
	s := newSession(t, api.Config{
		MaxConnsPerOrigin: conns,
		MaxQueuePerOrigin: workers,
		Breaker:           api.Breaker{Ratio: 0.9, Failures: 40, OpenFor: 20 * time.Millisecond},
	})
	book := soakBook{counts: map[string]int{}}
	progress := soakLength(t, &book)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() { soakCaller(ctx, t, s, url, rand.New(rand.NewPCG(1, uint64(i))), &book) })
	}
	var taken []soakSample
	begun, told := time.Now(), time.Now()
	for i := range samples {
		if i%6 == 5 { // the server goes away for a moment, until callers have noticed
			failed := book.count("no connection")
			o.shut()
			soakUntil(t, &book, "a call finds no server", func() bool { return book.count("no connection") > failed })
			o.restart(t)
		}
		soakUntil(t, &book, "the calls go on", func() bool { return progress() >= float64(i+1)/samples })
		taken = append(taken, soakNow())
		if i == samples-1 || time.Since(told) > 10*time.Second {
			told = time.Now()
			t.Logf("%8v  %s  %s", time.Since(begun).Round(time.Second/10), taken[len(taken)-1], &book)
		}
	}
	stop()
	all.Wait()

	o.route("/", ok("ok"))
	eventually(t, "service resumes", func() bool { return second(s.Get(t.Context(), o.URL)) == nil })
	wantQuiet(t, s)
	wantCapacity(t, s, o, conns)
	wantFlat(t, taken)
	t.Logf("in the end: %s\n%s", &book, soakTotals(s))
	if book.unexpected != nil {
		t.Errorf("unexpected: %v", book.unexpected)
	}
	if book.count("ok") == 0 {
		t.Errorf("nothing was answered: %s", &book)
	}
}

// soakLength gives the share of the soak that is over.
func soakLength(t *testing.T, book *soakBook) (progress func() float64) {
	const calls = 2_000
	v := os.Getenv("TROUPE_SOAK")
	if v == "" {
		return func() float64 { return float64(book.count("all")) / calls }
	}
	length, err := time.ParseDuration(v)
	if err != nil || length <= 0 {
		t.Fatalf("TROUPE_SOAK is %q: give a duration, as 5m", v)
	}
	begun := time.Now()
	return func() float64 { return float64(time.Since(begun)) / float64(length) }
}

// soakUntil is eventually for a soak, parts of which may take hours: it gives up when no
// call has ended for long.
func soakUntil(t *testing.T, book *soakBook, what string, holds func() bool) {
	t.Helper()
	for seen, last := 0, time.Now(); !holds(); pause(t.Context(), 5*time.Millisecond) {
		if now := book.count("all"); now > seen {
			seen, last = now, time.Now()
		} else if time.Since(last) > patience {
			t.Fatalf("no call has ended for %v: %s\n%s", patience, what, stacks())
		}
	}
}

func soakTotals(s *api.Session) string {
	first, _, _ := strings.Cut(s.Snapshot().String(), "\n\n")
	return first
}

// moody does to a request what comes to its mind.
func moody(x *exchange) bool {
	switch n := rand.IntN(100); {
	case n < 3:
		return reset(x)
	case n < 5:
		return truncate(x)
	case n < 7:
		return hangUp(x)
	case n < 8:
		return garbage(x)
	case n < 12:
		return stall(&gate{})(x) // until the client has had enough
	case n < 20:
		pause(context.Background(), time.Duration(rand.IntN(5_000))*time.Microsecond)
		return count(x)
	case n < 22:
		return drip("drip drip", time.Millisecond)(x)
	case n < 24:
		return raw(answerOf("ok") + "HTTP/1.1 408 \r\nContent-Length: 0\r\n\r\n")(x)
	case n < 30:
		return closeAfter(1)(x)
	case n < 40:
		return x.take() && x.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1000\r\n"+strings.Repeat("c", 0x1000)+"\r\n0\r\n\r\n")
	}
	return count(x)
}

// soakCaller calls in every way there is, until ctx ends.
func soakCaller(ctx context.Context, t *testing.T, s *api.Session, url string, r *rand.Rand, book *soakBook) {
	body := bytes.Repeat([]byte("b"), 100_000)
	for ctx.Err() == nil {
		err := soakCall(t.Context(), s, url, r, body)
		book.note(err)
		if errors.Is(err, api.ErrCircuitOpen) || errors.Is(err, api.ErrQueueFull) {
			pause(ctx, 5*time.Millisecond)
		}
	}
}

func soakCall(ctx context.Context, s *api.Session, url string, r *rand.Rand, body []byte) error {
	limit := api.Timeout(time.Duration(5+r.IntN(200)) * time.Millisecond)
	opts := []api.Option{limit}
	method := "GET"
	switch n := r.IntN(10); {
	case n < 1:
		method = "POST"
		opts = append(opts, api.Body(struct{ *bytes.Buffer }{bytes.NewBuffer(body)}))
	case n < 2:
		method = "PUT"
		opts = append(opts, api.Body(bytes.NewReader(body)))
	case n < 4:
		opts = append(opts, api.Stream(func([]byte) error {
			if r.IntN(20) == 0 {
				return errBoom
			}
			return nil
		}, 100))
	case n < 5:
		left, leave := context.WithCancel(ctx)
		defer leave()
		defer time.AfterFunc(time.Duration(r.IntN(10))*time.Millisecond, leave).Stop()
		ctx = left
	case n < 6:
		lease, err := s.Lease(ctx, url, limit)
		if err != nil {
			return err
		}
		defer lease.Release()
		opts = append(opts, lease)
	}
	resp, err := s.Request(ctx, method, url, opts...)
	if r.IntN(2) == 0 {
		resp.Release()
	}
	return err
}

// soakBook counts how calls have ended.
type soakBook struct {
	mu         sync.Mutex
	counts     map[string]int
	unexpected error
}

func (b *soakBook) note(err error) {
	kind := "?"
	switch e := err.(type) {
	case nil:
		kind = "ok"
	case *api.HTTPConnectionError:
		switch {
		case errors.Is(err, api.ErrCircuitOpen):
			kind = "circuit open"
		case errors.Is(err, api.ErrQueueFull):
			kind = "queue full"
		default:
			kind = "no connection"
		}
	case *api.IOError:
		kind = "I/O"
		if e.Timeout() {
			kind = "timeout"
		}
	case *api.ProtocolError:
		kind = "not HTTP"
	}
	switch {
	case errors.Is(err, context.Canceled):
		kind = "cancelled"
	case errors.Is(err, errBoom):
		kind = "callback"
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts["all"]++
	b.counts[kind]++
	if kind == "?" {
		b.unexpected = cmp.Or(b.unexpected, err)
	}
}

// count is how many calls have ended so.
func (b *soakBook) count(kind string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[kind]
}

func (b *soakBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s []string
	for _, kind := range slices.Sorted(maps.Keys(b.counts)) {
		s = append(s, fmt.Sprintf("%s %d", kind, b.counts[kind]))
	}
	return strings.Join(s, ", ")
}

// soakSample is what the process takes, in goroutines and bytes.
type soakSample struct {
	goroutines int
	heap       uint64
}

func soakNow() soakSample {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return soakSample{runtime.NumGoroutine(), m.HeapAlloc}
}

func (x soakSample) String() string {
	return fmt.Sprintf("%d goroutines, heap %.1f MiB", x.goroutines, float64(x.heap)/(1<<20))
}

// wantFlat compares the least of the first and of the last third: what is under way comes on
// top of that, now more and now less, and what leaks stays.
func wantFlat(t *testing.T, samples []soakSample) {
	t.Helper()
	third := len(samples) / 3
	if third == 0 {
		t.Errorf("only %d samples", len(samples))
		return
	}
	least := func(of []soakSample) soakSample {
		m := of[0]
		for _, x := range of {
			m.goroutines, m.heap = min(m.goroutines, x.goroutines), min(m.heap, x.heap)
		}
		return m
	}
	first, last := least(samples[:third]), least(samples[len(samples)-third:])
	t.Logf("first third: %s; last third: %s", first, last)
	if last.goroutines > first.goroutines+first.goroutines/4+20 {
		t.Errorf("goroutines have grown from %d to %d", first.goroutines, last.goroutines)
	}
	if last.heap > first.heap+first.heap/4+4<<20 {
		t.Errorf("the heap has grown from %d to %d KiB", first.heap>>10, last.heap>>10)
	}
}
