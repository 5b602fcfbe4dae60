package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
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
	var out transcript
	if err := run(t.Context(), options{length: 3 * time.Second, rps: 80}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	out.want(t, `troupe gateway at http://127\.0\.0\.1:\d+/`,
		`breaker http://127\.0\.0\.1:\d+: closed -> open`,
		`: open -> half-open`,
		`: half-open -> closed`,
		`summary`,
		`answers: [1-9]\d* complete, [1-9]\d* partial, \d+ failed`,
		`fast: [1-9]\d* ok, \d+ errors, \d+ cut off`,
		`flaky: [1-9]\d* ok, [1-9]\d* errors, [1-9]\d* cut off`,
		`breaker: opened [1-9]\d*x, probed [1-9]\d*x, closed again [1-9]\d*x`,
		nothingLeft)
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("escape sequences, though not on a terminal:\n%s", &out)
	}
}

func TestRunRedrawsOnTerminal(t *testing.T) {
	var out transcript
	if err := run(t.Context(), options{length: 300 * time.Millisecond, rps: 50, terminal: true}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	out.want(t, `after \d`, `\x1b\[\d+A`, `after \d`, `summary`, nothingLeft)
}

func TestRunOnGivenUpstreams(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(fast))
	defer up.Close()
	var out transcript
	user := strings.Replace(up.URL, "://", "://me:secret@", 1)
	err := run(t.Context(), options{length: 500 * time.Millisecond, rps: 50, upstreams: []string{user + "/a", up.URL + "/b"}}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	out.want(t, `up1 +http://127`, `up2 +http://127`, `answers: [1-9]\d* complete, \d+ partial, \d+ failed`, nothingLeft)
	if strings.Contains(out.String(), "secret") {
		t.Errorf("the password shows in\n%s", &out)
	}
}

func TestRunFailsWhereNothingIsMerged(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(dead))
	defer up.Close()
	var out transcript
	err := run(t.Context(), options{length: 300 * time.Millisecond, rps: 50, upstreams: []string{up.URL}}, &out)
	if err == nil || !strings.Contains(err.Error(), "no request was answered") {
		t.Errorf("error %v", err)
	}
	out.want(t, `answers: 0 complete, 0 partial, [1-9]\d* failed`, `the first that failed: .*502 Bad Gateway`, nothingLeft)
}

func TestServeUntilInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out transcript
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, options{length: time.Second, serve: "127.0.0.1:0"}, &out) }()

	address := regexp.MustCompile(`gateway at (\S+);`)
	for began := time.Now(); !address.MatchString(out.String()); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("not serving:\n%s", &out)
		}
	}
	session, err := api.NewSession(api.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var a answer
	resp, err := session.Get(ctx, address.FindStringSubmatch(out.String())[1])
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
