package main

import (
	"context"
	"errors"
	"net"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// transcript is what a run has printed so far.
type transcript struct {
	mu sync.Mutex
	b  strings.Builder
}

func (p *transcript) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *transcript) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// want fails the test unless the patterns occur, in this order.
func (p *transcript) want(t *testing.T, patterns ...string) {
	t.Helper()
	rest := p.String()
	for _, pattern := range patterns {
		at := regexp.MustCompile(pattern).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no %q (in this place) in\n%s", pattern, p)
		}
		rest = rest[at[1]:]
	}
}

const nothingLeft = `left behind: 0 connection actors, 0 sockets, 0 goroutines`

func TestRunShowsBreakerOpenProbeAndClose(t *testing.T) {
	inBubble(t, func(t *testing.T, m *memoryNetwork) {
		var out transcript
		if err := run(t.Context(), m.options(options{length: 3 * time.Second, rps: 80}), &out); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		out.want(t, `troupe gateway at http://127\.0\.0\.1:\d+/`,
			`breaker http://127\.0\.0\.1:\d+: closed -> open`,
			`: open -> half-open`,
			`: half-open -> closed`,
			`summary`,
			`answers: [1-9]\d* complete, [1-9]\d* partial, 0 failed`,
			`fast: [1-9]\d* ok, 0 errors, 0 cut off`,
			`flaky: [1-9]\d* ok, [1-9]\d* errors, [1-9]\d* cut off`,
			`breaker: opened 1x, probed [1-9]\d*x, closed again 1x`,
			nothingLeft)
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("escape sequences, though not on a terminal:\n%s", &out)
		}
	})
}

func TestRunRedrawsOnTerminal(t *testing.T) {
	inBubble(t, func(t *testing.T, m *memoryNetwork) {
		var out transcript
		if err := run(t.Context(), m.options(options{length: 3 * time.Second, rps: 50, terminal: true}), &out); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		out.want(t, `after 0s of 3s`, `\x1b\[\d+A`, `after 1s`, `\x1b\[\d+A`, `after 2s`, `summary`, nothingLeft)
	})
}

func TestRunOnGivenUpstreams(t *testing.T) {
	inBubble(t, func(t *testing.T, m *memoryNetwork) {
		up := m.serve(t, fast)
		var out transcript
		user := strings.Replace(up, "://", "://me:secret@", 1)
		err := run(t.Context(), m.options(options{length: time.Second, rps: 50, upstreams: []string{user + "/a", up + "/b"}}), &out)
		if err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		out.want(t, `up1 +http://127`, `up2 +http://127`, `answers: [1-9]\d* complete, 0 partial, 0 failed`, nothingLeft)
		if strings.Contains(out.String(), "secret") {
			t.Errorf("the password shows in\n%s", &out)
		}
	})
}

func TestRunFailsWhereNothingIsMerged(t *testing.T) {
	inBubble(t, func(t *testing.T, m *memoryNetwork) {
		var out transcript
		err := run(t.Context(), m.options(options{length: time.Second, rps: 50, upstreams: []string{m.serve(t, dead)}}), &out)
		if err == nil || !strings.Contains(err.Error(), "no request was answered") {
			t.Errorf("error %v", err)
		}
		out.want(t, `answers: 0 complete, 0 partial, [1-9]\d* failed`, `the first that failed: .*502 Bad Gateway`, nothingLeft)
	})
}

func TestServeUntilInterrupted(t *testing.T) {
	inBubble(t, func(t *testing.T, m *memoryNetwork) {
		serveUntilInterrupted(t, m.options(options{length: time.Second}), func(*transcript) { synctest.Wait() })
	})
}

// As a user has it, over TCP. Nothing here is bound to a time.
func TestServeOverTCP(t *testing.T) {
	tcp := network{listen: listenTCP}
	o := options{length: time.Hour, patience: time.Hour, network: tcp}
	serveUntilInterrupted(t, o, func(out *transcript) {
		for !address.MatchString(out.String()) {
			runtime.Gosched()
		}
	})
}

var address = regexp.MustCompile(`gateway at (\S+);`)

// serveUntilInterrupted has the gateway serve, once it is there, and asks it once.
func serveUntilInterrupted(t *testing.T, o options, await func(*transcript)) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	o.serve = "127.0.0.1:0"
	var out transcript
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o, &out) }()
	await(&out)
	at := address.FindStringSubmatch(out.String())
	if at == nil {
		t.Fatalf("not serving:\n%s", &out)
	}
	session, err := api.NewSession(api.Config{Driver: o.network.driver})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var a answer
	resp, err := session.Get(ctx, at[1])
	if err == nil {
		err = resp.JSON(&a)
	}
	if err != nil || len(a.Parts) != 3 {
		t.Errorf("answer %+v, error %v", a, err)
	}
	session.Close() // or the server would wait for its connection
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	out.want(t, `summary`, nothingLeft)
}

// Who stands before a shut door sees an error, not an end.
func TestShutDoorResets(t *testing.T) {
	l, err := listenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(l)
	defer d.Close()
	entered := make(chan net.Conn)
	go func() {
		defer close(entered)
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			entered <- c
		}
	}()
	dial := func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
	wantReset := func(c net.Conn, err error) {
		t.Helper()
		if err == nil { // else it was reset at once
			defer c.Close()
			_, err = c.Read(make([]byte, 1))
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client sees %v", err)
		}
	}
	inside, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	served := <-entered
	d.shut()
	wantReset(inside, nil)
	served.Close()
	wantReset(dial())
	if n := d.openConns(); n != 0 {
		t.Errorf("%d connections are inside", n)
	}
	d.reopen()
	if inside, err = dial(); err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	defer (<-entered).Close()
	if n := d.openConns(); n != 1 {
		t.Errorf("%d connections are inside after it was opened again", n)
	}
}
