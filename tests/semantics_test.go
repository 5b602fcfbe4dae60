package tests

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed53b03582/troupe/api"
	"github.com/seed53b03582/troupe/conn/memory"
)

// TestSemantics holds each row of docs/semantics.md to what it says, from the
// outside: a Session, and a server on a socket that does what the rule is about. Where
// time matters the sockets are pipes in a bubble. What is below a row are its clauses.
func TestSemantics(t *testing.T) {
	for _, row := range semantics {
		t.Run(row.name, row.holds)
	}
}

var semantics = []struct {
	name  string
	holds func(*testing.T)
}{
	{"retry-only-what-is-safe", retryOnlyWhatIsSafe},
	{"fin-is-no-proof", finIsNoProof},
	{"bytes-on-idle", bytesOnIdle},
	{"idle-408", idle408},
	{"about-to-expire", aboutToExpire},
	{"pipelining", pipelining},
	{"connection-close", connectionClose},
	{"reusable-only-when-both-whole", reusableOnlyWhenBothWhole},
	{"drain-bounded", drainBounded},
	{"body-length-order", bodyLengthOrder},
	{"framing-conflicts", framingConflicts},
	{"chunk-sizes", chunkSizes},
	{"head-syntax", headSyntax},
	{"cut-short", cutShort},
	{"interim", interimAnswers},
	{"redirects", redirects},
	{"one-deadline", oneDeadline},
	{"dial-not-wasted", dialNotWasted},
	{"decompression-bounded", decompressionBounded},
	{"names", names},
	{"breaker-counts", breakerCounts},
}

// TestTheSemanticsPageIsWhatIsTested: the page names each row, and no other.
func TestTheSemanticsPageIsWhatIsTested(t *testing.T) {
	page, err := os.ReadFile("../docs/semantics.md")
	if err != nil {
		t.Fatal(err)
	}
	onPage := map[string]int{}
	for _, m := range regexp.MustCompile("`TestSemantics/([^`]+)`").FindAllSubmatch(page, -1) {
		onPage[string(m[1])]++
	}
	for _, row := range semantics {
		if onPage[row.name] != 1 {
			t.Errorf("the page names %s %d times", row.name, onPage[row.name])
		}
		delete(onPage, row.name)
	}
	for name := range onPage {
		t.Errorf("the page has a row %s, which nobody tests", name)
	}
}

// says reads the request, answers with bytes as they are, and keeps the connection.
func says(bytes string) behaviour {
	return func(x *exchange) bool { return x.take() && x.write(bytes) }
}

// visitsTo are the requests for a path, in order.
func (o *origin) visitsTo(path string) []visit {
	return slices.DeleteFunc(o.seen(), func(v visit) bool { return v.path != path })
}

// wantOver makes a call that must be answered over the nth connection to o. Before and
// behind it the session is at rest: a call may return before its connection is handed back.
func wantOver(t testing.TB, s *api.Session, o *origin, nth int) {
	t.Helper()
	wantQuiet(t, s)
	defer wantQuiet(t, s)
	resp, err := s.Get(soon(t), o.URL)
	if err != nil {
		t.Fatalf("the next call: %v", err)
	}
	if resp.Text() != "ok" {
		t.Errorf("the next call is answered %q", resp.Text())
	}
	if v := o.lastVisit(t); v.conn != nth {
		t.Errorf("the next call went over connection %d, want %d", v.conn, nth)
	}
}

// wantClosed waits until the client has closed every connection to o.
func wantClosed(t testing.TB, o *origin) {
	t.Helper()
	eventually(t, "the client closes the connection", func() bool { return o.conns.now() == 0 })
}

// wantProtocolError checks an error about the server's bytes.
func wantProtocolError(t testing.TB, err error) {
	t.Helper()
	if _, is := asError[*api.ProtocolError](err); !is {
		t.Errorf("got %T %v, want a ProtocolError", err, err)
	}
}

// wantIOError checks an error of an established connection.
func wantIOError(t testing.TB, err error) *api.IOError {
	t.Helper()
	e, is := asError[*api.IOError](err)
	if !is {
		t.Fatalf("got %T %v, want an IOError", err, err)
	}
	return e
}

// pipes is a Driver to a server in memory: serve has a goroutine for each connection.
// Inside a bubble, time passes only when all wait.
type pipes struct {
	serve func(n int, c net.Conn)                // n counts the dials, from 1
	dial  func(ctx context.Context, n int) error // before each; nil: nothing
	mu    sync.Mutex
	dials int
	conns sync.WaitGroup
}

func (p *pipes) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	p.dials++
	n := p.dials
	p.mu.Unlock()
	if p.dial != nil {
		if err := p.dial(ctx, n); err != nil {
			return nil, err
		}
	}
	client, server := memory.Pipe(unbuffered)
	p.conns.Go(func() {
		defer server.Close()
		p.serve(n, server)
	})
	return client, nil
}

// dialled is how many dials there were.
func (p *pipes) dialled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

// inBubble runs a test of a session over p in a bubble of time.
func inBubble(t *testing.T, p *pipes, cfg api.Config, test func(t *testing.T, s *api.Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.Driver = p
		s, err := api.NewSession(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer p.conns.Wait()
		defer s.Close()
		test(t, s)
	})
}

// answering serves every request of a connection with the bytes that answer gives
// for the nth of them; with none it closes.
func answering(answer func(n int, req *http.Request) string) func(int, net.Conn) {
	return func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		for n := 1; ; n++ {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			a := answer(n, req)
			if _, err := io.WriteString(c, a); err != nil || a == "" {
				return
			}
		}
	}
}

// always answers every request with the same bytes.
func always(bytes string) func(int, net.Conn) {
	return answering(func(int, *http.Request) string { return bytes })
}
