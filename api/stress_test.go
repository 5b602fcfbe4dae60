package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// These tests take what they find at random moments, and go on for a number of rounds:
// where the machine is slow they last longer, and see no less.

// micros is a time at random, below n µs.
func micros(n int) time.Duration { return time.Duration(rand.IntN(n)) * time.Microsecond }

// inPieces is a server whose answers come bit by bit, so that reads have to wait.
func inPieces(answers map[string]string) func(net.Conn) {
	return func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req := readRequest(r)
			if req == nil {
				return
			}
			for a := answers[req.URL.Path]; len(a) > 0; {
				n := min(len(a), 1+rand.IntN(20_000))
				if _, err := io.WriteString(c, a[:n]); err != nil {
					return
				}
				a = a[n:]
			}
		}
	}
}

// Whoever ends a body, and whenever, harms no other call: its reader, a Close or Release
// on another goroutine, the context, BodyTimeout, the session's own end.
func TestStreamBodyFromAllSides(t *testing.T) {
	long := strings.Repeat("hello, troupe. ", 10_000)
	bodies := map[string]string{"/gzip": long, "/small": "hello", "/chunked": long}
	url := loopback(t, inPieces(map[string]string{
		"/gzip":    withLength(gzipped(long), "Content-Encoding: gzip"),
		"/small":   withLength("hello"),
		"/chunked": chunked(long[:70_000], long[70_000:70_001], long[70_001:]),
	}))
	var whole, cut atomic.Int32
	round := func(closes bool, timeout time.Duration) {
		s := newSession(t, Config{BodyTimeout: timeout, MaxConnsPerOrigin: 4, MaxDialsPerOrigin: 4, Breaker: Breaker{Disabled: true}})
		var calls atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for calls.Add(1) < 100 {
					for path, body := range bodies {
						if readFromAllSides(t, s, url+path, body) {
							whole.Add(1)
						} else {
							cut.Add(1)
						}
					}
				}
				if closes { // with the others under way
					s.Close()
				}
			})
		}
		all.Wait()
		if closes {
			return
		}
		awaitReleased(t, s)
		if resp, err := s.Get(t.Context(), url+"/chunked"); err != nil || resp.Text() != long {
			t.Errorf("the session afterwards: %v, %v", resp, err)
		}
	}
	for range 2 {
		round(true, 2*time.Millisecond)
		round(false, 2*time.Millisecond)
		round(true, 0)
		round(false, 0)
	}
	if whole.Load() == 0 || cut.Load() == 0 {
		t.Errorf("%d bodies were read, %d cut short: not from all sides", whole.Load(), cut.Load())
	}
}

// readFromAllSides streams one body, which a few others may end before: for one in four
// the session alone. It tells whether it was read whole.
func readFromAllSides(t *testing.T, s *Session, url, want string) bool {
	harassed := rand.IntN(4) > 0
	ctx, cancel := context.WithCancel(t.Context())
	if harassed {
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Millisecond+micros(20_000))
	}
	defer cancel()
	expected := func(err error) bool {
		for _, reason := range []error{errBodyClosed, ErrBodyAbandoned, ErrSessionClosed, context.Canceled, context.DeadlineExceeded} {
			if errors.Is(err, reason) {
				return true
			}
		}
		return false
	}
	resp, err := s.Get(ctx, url, StreamBody())
	if err != nil {
		if !expected(err) || errors.Is(err, ErrBodyAbandoned) {
			t.Errorf("the call: %v", err)
		}
		return false
	}
	body := resp.Body()
	var ends sync.WaitGroup
	for _, end := range []func(){cancel, resp.Release, func() { body.Close() }} {
		if harassed && rand.IntN(4) == 0 {
			ends.Add(1)
			time.AfterFunc(micros(3000), func() { defer ends.Done(); end() })
		}
	}
	defer resp.Release()
	defer ends.Wait()
	p := make([]byte, 1+rand.IntN(10_000))
	for got := 0; ; {
		n, err := body.Read(p)
		if !strings.HasPrefix(want[got:], string(p[:n])) {
			t.Errorf("%d other bytes at %d", n, got)
			return false
		}
		got += n
		switch {
		case err == io.EOF && got == len(want):
			return true
		case err != nil:
			if !expected(err) {
				t.Errorf("a read at %d of %d: %v", got, len(want), err)
			}
			return false
		case harassed && rand.IntN(50) == 0:
			<-ctx.Done() // beyond BodyTimeout
		}
	}
}

// hasty is a server that answers at a moment of its choice, and closes on the rest. It
// minds that what it reads is the beginning of want, or, where it ends, all of it.
func hasty(t *testing.T, want string) func(net.Conn) {
	return func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, _ := head(r)
			if req == nil {
				return
			}
			read := func(most int) bool { // most of the body, or all
				p := make([]byte, 64<<10)
				for got := 0; got < most; {
					n, err := req.Body.Read(p[:min(len(p), most-got)])
					if !strings.HasPrefix(want[got:], string(p[:n])) {
						t.Errorf("other bytes of a body at %d", got)
						return false
					}
					got += n
					if err == io.EOF && got != len(want) {
						t.Errorf("a body of %d bytes, want %d", got, len(want))
					}
					if err != nil {
						return err == io.EOF
					}
				}
				return true
			}
			switch rand.IntN(5) {
			case 0:
				read(rand.IntN(len(want)))
				io.WriteString(c, "HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
				return
			case 1:
				io.WriteString(c, "HTTP/1.1 307 x\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")
				read(1000)
				return
			case 2:
				io.WriteString(c, "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 100 x\r\n\r\n")
			}
			if !read(len(want) + 1) {
				return
			}
			if _, err := io.WriteString(c, ok); err != nil {
				return
			}
		}
	}
}

// Early answers, interim ones and connections that end, against every kind of body: a
// call has an answer, or an error that tells what happened, and no server another body.
func TestEarlyAnswersToEveryKindOfBody(t *testing.T) {
	var numbers strings.Builder
	numbers.WriteByte('=')
	for n := 0; numbers.Len() < 3<<20; n++ { // more than the sockets hold
		fmt.Fprintf(&numbers, "%07d.", n)
	}
	text := numbers.String()
	url := loopback(t, hasty(t, text))
	s := newSession(t, Config{
		MaxConnsPerOrigin:     4,
		MaxDialsPerOrigin:     4,
		ExpectContinueTimeout: 5 * time.Millisecond,
		Breaker:               Breaker{Disabled: true},
		Retry:                 Retry{Attempts: 3, Backoff: -1},
	})
	kinds := map[string]func(disk *DiskFile) Option{
		"bytes":  func(*DiskFile) Option { return Form(map[string][]string{"": {text[1:]}}) },
		"memory": func(*DiskFile) Option { return Body(strings.NewReader(text)) },
		"file":   func(disk *DiskFile) Option { return Body(disk) },
		"seeker": func(*DiskFile) Option { return Body(struct{ io.ReadSeeker }{strings.NewReader(text)}) },
		"reader": func(*DiskFile) Option { return Body(struct{ io.Reader }{strings.NewReader(text)}) },
	}
	rounds := 12
	if raceEnabled {
		rounds = 4
	}
	var answers [600]atomic.Int32 // by status
	var all sync.WaitGroup
	for range 4 {
		disk := onDisk(t, text)
		all.Go(func() {
			for n := 0; n < rounds || answers[200].Load() == 0 || answers[413].Load() == 0; n++ {
				for kind, body := range kinds {
					opts := []Option{body(disk)}
					if rand.IntN(2) == 0 {
						opts = append(opts, ExpectContinue())
					}
					if rand.IntN(3) == 0 {
						opts = append(opts, StreamBody())
					}
					status, err := putInHaste(s, url, opts)
					var failed *IOError
					var redirect *RedirectError
					if err != nil && !errors.As(err, &failed) && !(kind == "reader" && errors.As(err, &redirect)) {
						t.Errorf("%s: %v", kind, err)
					}
					answers[status].Add(1)
				}
			}
		})
	}
	all.Wait()
	awaitReleased(t, s)
}

// putInHaste sends one request to a hasty server and checks the answer.
func putInHaste(s *Session, url string, opts []Option) (status int, _ error) {
	resp, err := s.Put(context.Background(), url, opts...)
	if err != nil {
		return 0, err
	}
	defer resp.Release()
	b, err := io.ReadAll(resp.Body())
	if want := map[int]string{200: "ok", 413: "big"}[resp.Status()]; err == nil && string(b) != want {
		return 0, fmt.Errorf("status %d with %q", resp.Status(), b)
	}
	return resp.Status(), err
}
