package api_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed53b03582/troupe/api"
)

func ExampleNewSession() {
	server := startServer()
	defer server.Close()

	session, err := api.NewSession(api.Config{
		MaxConnsPerOrigin: 8,
		MaxDialsPerOrigin: 1, // so that all of these go over the same one
		IdleTimeout:       30 * time.Second,
		Breaker:           api.Breaker{Failures: 3, OpenFor: time.Second},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	for range 3 {
		resp, err := session.Get(context.Background(), server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.Status(), "request", resp.Connection().Requests())
		resp.Release()
	}
	// Output:
	// 200 request 1
	// 200 request 2
	// 200 request 3
}

func ExampleSession_Get() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		show(s.Get(ctx, url+"/search", api.Params{"q": "a b"}))
	})
	// Output: 200 GET /search?q=a+b
}

func ExampleSession_Post() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		show(s.Post(ctx, url+"/form", api.Data{"name": "Ada"}))
	})
	// Output: 200 POST /form with application/x-www-form-urlencoded: name=Ada
}

func ExampleSession_Put() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		show(s.Put(ctx, url+"/ada", api.JSON("x")))
	})
	// Output: 200 PUT /ada with application/json: "x"
}

func ExampleSession_Patch() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		show(s.Patch(ctx, url+"/ada", api.JSON([]int{1})))
	})
	// Output: 200 PATCH /ada with application/json: [1]
}

func ExampleSession_Delete() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		show(s.Delete(ctx, url+"/ada"))
	})
	// Output: 200 DELETE /ada
}

func ExampleSession_Head() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		resp, err := s.Head(ctx, url)
		if err == nil {
			fmt.Println(resp.Header("X-Method"))
		}
	})
	// Output: HEAD
}

func ExampleSession_Options() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		show(s.Options(ctx, url))
	})
	// Output: 200 OPTIONS /
}

func ExampleSession_Request() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		show(s.Request(ctx, "PURGE", url+"/cache"))
	})
	// Output: 200 PURGE /cache
}

func ExampleSession_Upload() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		show(s.Upload(ctx, url+"/inbox", strings.NewReader("hello")))
	})
	// Output: 200 POST /inbox with application/octet-stream: hello
}

func ExampleSession_Lease() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		lease, err := s.Lease(ctx, url)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer lease.Release()
		for range 2 {
			if _, err := s.Get(ctx, url, lease); err != nil {
				fmt.Println(err)
			}
		}
		fmt.Println(lease.Connection().Requests(), "requests over the leased connection")
	})
	// Output: 2 requests over the leased connection
}

func ExampleSession_Snapshot() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		if _, err := s.Get(ctx, url); err != nil {
			fmt.Println(err)
		}
		for _, o := range s.Snapshot().Origins {
			fmt.Println(o.Origin == url, o.Requests, "request,", o.Idle, "idle, breaker", o.Breaker)
		}
	})
	// Output: true 1 request, 1 idle, breaker closed
}

func ExampleSession_Shutdown() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		fmt.Println(s.Shutdown(ctx))
		_, err := s.Get(ctx, url)
		fmt.Println(errors.Is(err, api.ErrSessionClosed))
	})
	// Output:
	// <nil>
	// true
}

func ExampleSession_Close() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		fmt.Println(s.Close(), s.Close())
	})
	// Output: <nil> <nil>
}

// One deadline holds for the queue, the dial, every attempt and redirect, and the answer.
// Whichever it ends, the error is a net.Error.
func ExampleTimeout() {
	done := make(chan struct{})
	server := serve(func(http.ResponseWriter, *http.Request) { <-done })
	defer server.Close()
	defer close(done)
	session := newSession(api.Config{})
	defer session.Close()

	_, err := session.Get(context.Background(), server.URL, api.Timeout(20*time.Millisecond))
	var failed net.Error
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.As(err, &failed) && failed.Timeout())
	// Output: true true
}

// After two failures the origin is left alone, and calls cost nothing.
func ExampleBreaker() {
	server := serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	defer server.Close()
	session := newSession(api.Config{Breaker: api.Breaker{Failures: 2, OpenFor: time.Minute}})
	defer session.Close()

	for range 3 {
		_, err := session.Get(context.Background(), server.URL)
		fmt.Println(errors.Is(err, api.ErrCircuitOpen))
	}
	// Output:
	// false
	// false
	// true
}

// One connection, taken, and no dial under way: who comes now waits, and only one may.
// Of these two the one that comes second is refused.
func ExampleErrQueueFull() {
	withSession(func(ctx context.Context, _ *api.Session, url string) {
		session := newSession(api.Config{MaxConnsPerOrigin: 1, MaxQueuePerOrigin: 1})
		defer session.Close()
		lease, err := session.Lease(ctx, url)
		if err != nil {
			fmt.Println(err)
			return
		}
		ended := make(chan error)
		for range 2 {
			go func() {
				_, err := session.Get(ctx, url)
				ended <- err
			}()
		}
		fmt.Println(errors.Is(<-ended, api.ErrQueueFull))
		lease.Release()
		fmt.Println(<-ended)
	})
	// Output:
	// true
	// <nil>
}

// unixSocket leads everything to one Unix socket.
type unixSocket struct{ path string }

func (d unixSocket) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", d.path)
}

func ExampleConfig_driver() {
	folder, _ := os.MkdirTemp("", "troupe")
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello from ", r.Host)
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()

	session := newSession(api.Config{Driver: unixSocket{path}})
	defer session.Close()
	show(session.Get(context.Background(), "http://daemon/version"))
	// Output: 200 hello from daemon
}
