package apitest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/seed53b03582/troupe/api"
	"github.com/seed53b03582/troupe/api/internal/open"
	"github.com/seed53b03582/troupe/conn/memory"
)

func TestMain(m *testing.M) {
	if os.Getenv(forgetful) == "main" {
		Main(m)
	}
	goleak.VerifyTestMain(m)
}

// record is a test whose failures are looked at.
type record struct {
	testing.TB
	cleanups []func()
	said     []string
	failed   bool
}

func (r *record) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *record) Errorf(format string, args ...any) {
	r.failed = true
	r.Log(fmt.Sprintf(format, args...))
}
func (r *record) Log(args ...any) { r.said = append(r.said, fmt.Sprint(args...)) }
func (r *record) end() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

// server answers all requests over a network in memory.
func server(t testing.TB) api.Config {
	t.Helper()
	n := memory.New(1)
	l, err := n.Listen(memory.Any)
	if err != nil {
		t.Fatal(err)
	}
	s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(bytes.Repeat([]byte("x"), 300_000)) // more than a small rest
	})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return api.Config{Driver: n}
}

const origin = "http://origin.test/"

func get(t testing.TB, s *api.Session, opts ...api.Option) *api.Response {
	t.Helper()
	resp, err := s.Get(t.Context(), origin, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// forgotten are all the things that can be forgotten: what opens one, what closes all that
// it opened, and what is said of it.
var forgotten = map[string]struct {
	open func(t, r testing.TB, cfg api.Config) (closes func())
	want string
}{
	"a session": {func(t, _ testing.TB, cfg api.Config) func() {
		s, err := api.NewSession(cfg)
		if err != nil {
			t.Fatal(err)
		}
		get(t, s)
		return func() { s.Close() }
	}, `a Session, opened at \S+apitest_test.go:\d+ \(connections: 1, 1 idle, calls waiting: 0\): call its Close or Shutdown`},
	"a session of another goroutine's": {func(t, r testing.TB, cfg api.Config) func() {
		made := make(chan *api.Session)
		go func() { made <- Session(r, cfg) }()
		s := <-made
		return func() { s.Shutdown(t.Context()) }
	}, `a Session, opened at \S+apitest_test.go:\d+ \(connections: 0, calls waiting: 0\): call its Close or Shutdown`},
	"a lease": {func(t, r testing.TB, cfg api.Config) func() {
		s := Session(r, cfg)
		l, err := s.Lease(t.Context(), origin)
		if err != nil {
			t.Fatal(err)
		}
		return func() { l.Release(); s.Close() }
	}, `a Lease, opened at \S+apitest_test.go:\d+ \(its connection \d+ to origin.test:80, after 0 answers\): call its Release`},
	"a lease taken on another goroutine": {func(t, r testing.TB, cfg api.Config) func() {
		s := Session(r, cfg)
		leased := make(chan *api.Lease)
		go func() {
			l, err := s.Lease(context.Background(), origin)
			if err != nil {
				t.Error(err)
			}
			leased <- l
		}()
		l := <-leased
		return func() { l.Release(); s.Close() }
	}, `a Lease, opened at \S+apitest_test.go:\d+`},
	"a streamed body": {func(t, r testing.TB, cfg api.Config) func() {
		s := Session(r, cfg)
		resp := get(t, s, api.StreamBody())
		return func() { resp.Body().Close(); s.Close() }
	}, `a streamed body, opened at \S+apitest_test.go:\d+ \(of http://origin.test/\): read it to its end, or Close it`},
	"a kept connection": {func(t, _ testing.TB, _ api.Config) func() {
		s := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(s.Close)
		resp, err := api.Get(t.Context(), s.URL, api.Headers{"Connection": "Keep-Alive"})
		if err != nil {
			t.Fatal(err)
		}
		return func() { resp.Connection().Close(); s.Close() }
	}, `a kept connection, opened at \S+apitest_test.go:\d+ \(to 127.0.0.1:\d+, after 1 answers\): call Close on the Response's Connection`},
}

func TestForgotten(t *testing.T) {
	defer api.Shutdown(t.Context())
	for name, c := range forgotten {
		t.Run(name, func(t *testing.T) {
			cfg, r := server(t), &record{TB: t}
			Check(r)
			closes := c.open(t, r, cfg)
			r.end()
			closes()
			if said := strings.Join(r.said, "\n"); !r.failed || !regexp.MustCompile(c.want).MatchString(said) {
				t.Errorf("failed: %v, said:\n%s\nwant a match of %s", r.failed, said, c.want)
			}
		})
	}
}

func TestClosed(t *testing.T) {
	defer api.Shutdown(t.Context())
	for name, c := range forgotten {
		t.Run(name, func(t *testing.T) {
			cfg, r := server(t), &record{TB: t}
			Check(r)
			c.open(t, r, cfg)()
			r.end()
			if len(r.said) > 0 {
				t.Errorf("said: %s", r.said)
			}
		})
	}
}

// TestOthers: what was open before, and what another goroutine opened for itself, is not
// this test's.
func TestOthers(t *testing.T) {
	cfg := server(t)
	outer := &record{TB: t}
	Check(outer)
	before := Session(t, cfg)
	r := &record{TB: t}
	Check(r)
	made := make(chan *api.Session)
	go func() {
		s, err := api.NewSession(cfg)
		if err != nil {
			t.Error(err)
		}
		made <- s
	}()
	s := <-made
	r.end()
	if len(r.said) > 0 {
		t.Errorf("said: %s", r.said)
	}
	s.Close()
	before.Close()
	outer.end()
	if outer.failed {
		t.Errorf("said: %s", outer.said)
	}
}

func TestGoroutines(t *testing.T) {
	r := &record{TB: t}
	Check(r)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { <-stop; close(ended) }()
	r.end()
	close(stop)
	<-ended
	if !r.failed || !strings.Contains(r.said[0], "TestGoroutines.func1") {
		t.Errorf("failed: %v, said %s", r.failed, r.said)
	}
}

// TestParallel: goroutines of tests in parallel are nobody's that can be named.
func TestParallel(t *testing.T) {
	t.Run("parallel", func(t *testing.T) {
		t.Parallel()
		for name, forget := range map[string]bool{"clean": false, "forgotten": true} {
			t.Run(name, func(t *testing.T) {
				r := &record{TB: t}
				Check(r)
				stop, ended := make(chan struct{}), make(chan struct{})
				go func() { <-stop; close(ended) }()
				s := Session(r, api.Config{})
				if !forget {
					s.Close()
				}
				r.end()
				s.Close()
				close(stop)
				<-ended
				said := strings.Join(r.said, "\n")
				if r.failed != forget || strings.Contains(said, "goroutines left") || !forget && !strings.Contains(said, "Main does so") {
					t.Errorf("failed: %v, said %s", r.failed, said)
				}
			})
		}
	})
}

// TestBubbles: all the same inside a bubble.
func TestBubbles(t *testing.T) {
	for name, forget := range map[string]bool{"clean": false, "forgotten": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &record{TB: t}
				Check(r)
				n := memory.New(1)
				l, err := n.Listen(memory.Any)
				if err != nil {
					t.Fatal(err)
				}
				served := make(chan error, 1)
				go func() { served <- answerOne(l) }()
				s := Session(r, api.Config{Driver: n})
				get(t, s)
				if !forget {
					s.Close()
					if err := <-served; err != nil {
						t.Error(err)
					}
				}
				r.end()
				if r.failed != forget {
					t.Errorf("failed: %v, said %s", r.failed, r.said)
				}
				if forget {
					s.Close()
					<-served
				}
			})
		})
	}
}

// answerOne answers one request on one connection, and waits for the client's end.
func answerOne(l *memory.Listener) error {
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	br := bufio.NewReader(c)
	if _, err := http.ReadRequest(br); err != nil {
		return err
	}
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	_, err = io.Copy(io.Discard, br)
	return err
}

const forgetful = "TROUPE_APITEST_FORGET"

// TestMainJudges: Main lets a process pass that leaves nothing, and fails one that does.
func TestMainJudges(t *testing.T) {
	switch os.Getenv(forgetful + "_WHAT") {
	case "a session":
		api.NewSession(api.Config{})
		return
	case "a session in a bubble":
		synctest.Test(t, func(*testing.T) { api.NewSession(api.Config{}) })
		return
	case "a goroutine":
		go func() { select {} }()
		return
	case "nothing":
		return
	}
	for what, want := range map[string]string{
		"nothing":               "^PASS\n",
		"a session":             `apitest: left open at the end of the tests:\n  a Session, opened at \S+apitest_test.go:\d+ `,
		"a session in a bubble": `a Session, opened at \S+apitest_test.go:\d+ \(in a bubble of time, from outside\): call`,
		"a goroutine":           `apitest: goroutines left at the end of the tests: (.|\n)*TestMainJudges.func2`,
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMainJudges$")
		cmd.Env = append(os.Environ(), forgetful+"=main", forgetful+"_WHAT="+what)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (what == "nothing") || !regexp.MustCompile(want).Match(out) {
			t.Errorf("%s: %v, and\n%s\nwant a match of %s", what, err, out, want)
		}
	}
}

// TestNothingIsPaid: outside of a Check nothing is noted, and nothing allocated for that.
func TestNothingIsPaid(t *testing.T) {
	state := func(bool) string { return "" }
	if n := testing.AllocsPerRun(100, func() {
		if open.Note("thing", "", nil, state) != nil {
			t.Error("noted, though nobody watches")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
