package tests

import (
	"context"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// still is a connection without a socket, and without a goroutine at its other end: it
// answers each request as soon as open is.
type still struct {
	open *gate
	due  []byte
}

var stillAnswer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")

func (s *still) Write(p []byte) (int, error) {
	s.due = stillAnswer
	return len(p), nil
}

func (s *still) Read(p []byte) (int, error) {
	<-s.open.ch
	n := copy(p, s.due)
	s.due = s.due[n:]
	return n, nil
}

func (s *still) Close() error                     { return nil }
func (s *still) LocalAddr() net.Addr              { return stillAddr }
func (s *still) RemoteAddr() net.Addr             { return stillAddr }
func (s *still) SetDeadline(time.Time) error      { return nil }
func (s *still) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (s *still) SetWriteDeadline(time.Time) error { return nil }

var stillAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}

func stillDriver(open *gate) driver {
	return func(context.Context, string, string) (net.Conn, error) { return &still{open: open}, nil }
}

// heap is what is in use once all that is not has been collected: pools drop what they
// hold after the second collection.
func heap() int {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// crowd makes the runtime have room for n goroutines, which it never gives back, so
// that it is not counted among what a test's own take.
func crowd(n int) {
	var all sync.WaitGroup
	hold := newGate()
	for range n {
		all.Go(func() { <-hold.ch })
	}
	hold.open()
	all.Wait()
}

// The figure is 3 KiB with the socket, of which package net's part takes less than
// 400 bytes: tests/bench measures that.
func TestAnIdleConnectionTakesNoGoroutineAndLittleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	const n, most = 3000, 3<<10 - 400
	crowd(2 * n)
	open := newGate()
	s := newSession(t, api.Config{Driver: stillDriver(open), MaxConns: -1, MaxConnsPerOrigin: -1, MaxDialsPerOrigin: -1, IdleTimeout: -1})
	before, goroutines := heap(), runtime.NumGoroutine()
	all := start(func() error {
		return callers(n, func(int) error { return second(s.Get(t.Context(), "http://still.test/")) })
	})
	eventually(t, "every call has a connection", func() bool {
		snap := s.Snapshot()
		return len(snap.Origins) == 1 && snap.Origins[0].Busy == n
	})
	open.open()
	if err := receive(t, "the calls", all); err != nil {
		t.Fatal(err)
	}
	wantQuiet(t, s)
	idle := 0
	eventually(t, "all connections idle", func() bool { // none is being looked at
		idle = s.Snapshot().Origins[0].Idle
		return idle >= n // more where a dial took long enough to be taken for one that hangs
	})
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	each := (heap() - before) / idle
	t.Logf("%d bytes", each)
	if each > most {
		t.Errorf("an idle connection holds %d bytes, want no more than %d", each, most)
	}
}

// Each call beside its goroutine: the Call takes 352 bytes, the request 192, its head
// 128, the channel it waits on 112, and the runtime 112 for every channel waited on: with
// a context that can end, that is one more.
func TestACallThatWaitsTakesLittleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		most int
	}{
		{"for ever", context.Background(), 1 << 10},
		{"until its context ends", ctx, 1<<10 + 112},
	} {
		t.Run(c.name, func(t *testing.T) {
			if each := waiting(t, c.ctx, 5_000); each > c.most {
				t.Errorf("a call that waits holds %d bytes, want no more than %d", each, c.most)
			}
		})
	}
}

// waiting is how many bytes each of n calls holds that wait for one connection.
func waiting(t *testing.T, ctx context.Context, n int) (each int) {
	crowd(2 * n)
	open := newGate()
	s := newSession(t, api.Config{Driver: stillDriver(open), MaxConnsPerOrigin: 1, MaxQueuePerOrigin: -1})
	before := heap()
	all := start(func() error {
		return callers(n, func(int) error { return second(s.Get(ctx, "http://still.test/")) })
	})
	eventually(t, "all but one wait", func() bool {
		snap := s.Snapshot()
		return len(snap.Origins) == 1 && snap.Origins[0].Queued == n-1 && snap.Origins[0].Busy == 1
	})
	each = (heap() - before) / n
	open.open()
	if err := receive(t, "the calls", all); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", each)
	return each
}
