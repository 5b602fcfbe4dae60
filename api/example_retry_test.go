package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// loses is a server that reads a request and then closes its connection without an
// answer, where lost says so of the nth.
func loses(lost func(n int32) bool) (server *httptest.Server, seen *atomic.Int32) {
	seen = new(atomic.Int32)
	return serve(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if lost(seen.Add(1)) {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, r.Method)
	}), seen
}

// evidence prints what a failed call tells.
func evidence(err error) {
	var broken *api.IOError
	if errors.As(err, &broken) {
		fmt.Println("failed in", broken.Op, "with sent", broken.Sent, "after", broken.Trace.Attempts, "attempts")
	}
}

// Each second request is lost after it was sent. Without any settings, a GET moves on
// from a connection that had answered before; a POST may have been processed.
func ExampleSent() {
	server, seen := loses(func(n int32) bool { return n%2 == 0 })
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()
	ctx := context.Background()

	show(session.Get(ctx, server.URL)) // the 1st
	show(session.Get(ctx, server.URL)) // the 2nd is lost, the 3rd answered
	_, err := session.Post(ctx, server.URL, api.Data{"book": "1"})
	evidence(err)
	fmt.Println(seen.Load(), "requests came")
	// Output:
	// 200 GET
	// 200 GET
	// failed in read with sent all after 1 attempts
	// 4 requests came
}

// The server is away when the call comes, and back a moment later. With Attempts the call
// waits for it; one that is to fail fast is told when to try again.
func ExampleRetry_away() {
	server, _ := loses(func(int32) bool { return false })
	defer server.Close()
	for _, retry := range []api.Retry{{Attempts: 6}, {FailFast: true}} {
		dials := 0
		session := newSession(api.Config{
			Retry: retry,
			Driver: dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials++; dials < 4 {
					return nil, syscall.ECONNREFUSED
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}),
			Breaker: api.Breaker{Failures: 3, OpenFor: 10 * time.Millisecond},
		})
		resp, err := session.Post(context.Background(), server.URL, api.JSON("x"))
		var away *api.HTTPConnectionError
		switch {
		case err == nil:
			fmt.Println(resp.Text(), "at attempt", resp.Trace().Attempts)
		case errors.As(err, &away):
			fmt.Println("sent", away.Sent, "and RetryAt is known:", !away.RetryAt.IsZero())
		}
		session.Close()
	}
	// Output:
	// POST at attempt 4
	// sent nothing and RetryAt is known: true
}

// dialer makes a Driver of a function.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

// With Attempts, an idempotent request is sent again even if its connection was new.
func ExampleRetry() {
	server, _ := loses(func(n int32) bool { return n < 3 })
	defer server.Close()
	session := newSession(api.Config{Retry: api.Retry{Attempts: 3, Backoff: time.Millisecond}})
	defer session.Close()

	resp, err := session.Get(context.Background(), server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), "after", resp.Trace().Attempts, "attempts")
	// Output: 200 after 3 attempts
}

// The server says when to come back, and Retry-After takes the place of the backoff.
func ExampleRetry_statuses() {
	var seen atomic.Int32
	server := serve(func(w http.ResponseWriter, _ *http.Request) {
		if seen.Add(1) == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	defer server.Close()
	session := newSession(api.Config{Retry: api.Retry{Statuses: []int{429, 503}, Backoff: time.Hour}})
	defer session.Close()

	resp, err := session.Get(context.Background(), server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), "after", resp.Trace().Attempts, "attempts")
	// Output: 200 after 2 attempts
}

// A wait that the deadline would not outlive is not begun: the answer is handed over.
func ExampleRetry_deadline() {
	server := serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	defer server.Close()
	session := newSession(api.Config{Retry: api.Retry{Statuses: []int{429}}})
	defer session.Close()

	resp, err := session.Get(context.Background(), server.URL, api.Timeout(25*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), "after", resp.Trace().Attempts, "attempt; again in", resp.Header("Retry-After"), "s")
	// Output: 429 after 1 attempt; again in 30 s
}

// Ten calls, each of which may try five times, do not make fifty requests.
func ExampleRetry_budget() {
	var seen atomic.Int32
	server := serve(func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	defer server.Close()
	session := newSession(api.Config{Retry: api.Retry{
		Statuses: []int{503}, Attempts: 5, Backoff: -1, // none
		Budget: 0.2, MinBudget: 3, Window: time.Hour,
	}})
	defer session.Close()

	for range 10 {
		if _, err := session.Get(context.Background(), server.URL); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(seen.Load(), "requests")
	// Output: 13 requests
}

// The key tells the server which requests are the same, so that a POST may be repeated.
func ExampleRetry_idempotencyKey() {
	server, seen := loses(func(n int32) bool { return n == 1 })
	defer server.Close()
	session := newSession(api.Config{Retry: api.Retry{Attempts: 2, Backoff: time.Millisecond}})
	defer session.Close()

	show(session.Post(context.Background(), server.URL, api.Data{"book": "1"}, api.Headers{"Idempotency-Key": "order-7"}))
	fmt.Println(seen.Load(), "requests came")
	// Output:
	// 200 POST
	// 2 requests came
}

// A gateway does not know what the key means to those it sends on for. It repeats a GET,
// and of a POST tells its own caller what happened.
func ExampleRetry_forwarding() {
	upstream, seen := loses(func(n int32) bool { return n%2 == 1 })
	defer upstream.Close()
	session := newSession(api.Config{Retry: api.Retry{Attempts: 3, Backoff: time.Millisecond, Forwarding: true}})
	defer session.Close()

	gateway := serve(func(w http.ResponseWriter, r *http.Request) {
		opts := []api.Option{api.Body(r.Body)}
		if key := r.Header.Get("Idempotency-Key"); key != "" {
			opts = append(opts, api.Headers{"Idempotency-Key": key})
		}
		resp, err := session.Request(r.Context(), r.Method, upstream.URL+r.URL.Path, opts...)
		var broken *api.IOError
		switch {
		case errors.As(err, &broken):
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "sent ", broken.Sent)
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.WriteHeader(resp.Status())
			w.Write(resp.Content())
		}
	})
	defer gateway.Close()

	ctx := context.Background()
	show(api.Get(ctx, gateway.URL)) // the 1st is lost, the 2nd answered
	show(api.Post(ctx, gateway.URL, api.Data{"book": "1"}, api.Headers{"Idempotency-Key": "order-7"}))
	fmt.Println(seen.Load(), "requests came")
	// Output:
	// 200 GET
	// 502 sent all
	// 3 requests came
}

// A server that keeps a connection for so long may be closing one that has idled for half
// of that. A POST does not take the chance.
func ExampleTrace_reused() {
	server := serve(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Keep-Alive", r.FormValue("keep")) })
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()
	ctx := context.Background()

	for _, keep := range []string{"timeout=600", "timeout=0", "timeout=600"} { // in seconds
		resp, err := session.Post(ctx, server.URL, api.Params{"keep": keep})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("over a connection used before:", resp.Trace().Reused)
	}
	// Output:
	// over a connection used before: false
	// over a connection used before: true
	// over a connection used before: false
}
