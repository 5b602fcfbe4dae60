package servers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// wantTimeout is for a call whose time ran out after connecting.
func wantTimeout(t testing.TB, err error, op api.Op, sent api.Sent) {
	t.Helper()
	e, ok := asError[*api.IOError](err)
	if !ok || !e.Timeout() || e.Op != op || e.Sent != sent || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want a timeout in %v, sent %v: %v", op, sent, err)
	}
}

// wantLost is for a call whose connection was lost.
func wantLost(t testing.TB, err error, sent ...api.Sent) {
	t.Helper()
	e, ok := asError[*api.IOError](err)
	if !ok || e.Timeout() {
		t.Errorf("want an IOError: %v", err)
		return
	}
	for _, s := range sent {
		if e.Sent == s {
			return
		}
	}
	t.Errorf("sent %v, want one of %v: %v", e.Sent, sent, err)
}

func TestToxicLatency(t *testing.T) {
	o := newOrigin(t)
	for _, way := range []string{"upstream", "downstream"} {
		t.Run(way, func(t *testing.T) {
			x := poisoned(t, o, "latency", way, attributes{"latency": 150, "jitter": 50})
			s := newSession(t, api.Config{})
			began := time.Now()
			must(t, 200)(s.Get(soon(t), x.URL+"/"))
			if took := time.Since(began); took < 95*time.Millisecond {
				t.Errorf("took %v through a proxy that holds things up", took)
			}
			slow := poisoned(t, o, "latency", way, attributes{"latency": 60_000})
			began = time.Now()
			_, err := s.Post(within(t, deadline), slow.URL+"/id", api.Data{"a": "b"})
			wantQuick(t, began)
			wantTimeout(t, err, api.OpRead, api.SentAll)
		})
	}
}

func TestToxicLatencyAndResponseHeaderTimeout(t *testing.T) {
	o := newOrigin(t)
	x := poisoned(t, o, "latency", "downstream", attributes{"latency": 60_000})
	s := newSession(t, api.Config{ResponseHeaderTimeout: 200 * time.Millisecond})
	began := time.Now()
	_, err := s.Get(soon(t), x.URL+"/")
	wantQuick(t, began)
	if e, ok := asError[*api.IOError](err); !ok || !e.Timeout() || e.Op != api.OpRead || e.Sent != api.SentAll {
		t.Errorf("%v", err)
	}
}

func TestToxicBandwidth(t *testing.T) {
	o := newOrigin(t)
	s := newSession(t, api.Config{Breaker: noBreaker})
	down := poisoned(t, o, "bandwidth", "downstream", attributes{"rate": 1000})
	resp := must(t, 200)(s.Get(soon(t), down.URL+"/source?n=300000"))
	if len(resp.Content()) != 300_000 {
		t.Errorf("%d bytes", len(resp.Content()))
	}
	began := time.Now()
	_, err := s.Get(within(t, deadline), down.URL+"/source?n=60000000") // a minute's
	wantQuick(t, began)
	wantTimeout(t, err, api.OpRead, api.SentAll)

	up := poisoned(t, o, "bandwidth", "upstream", attributes{"rate": 2000})
	body := pattern(600_000)
	var got echoed
	resp = must(t, 200)(s.Put(soon(t), up.URL+"/echo", api.Body(bytes.NewReader(body))))
	if err := resp.JSON(&got); err != nil || got.Sum != sumOf(body) {
		t.Errorf("%+v, %v", got, err)
	}
	// More than fits into all the buffers on the way: the deadline hits a blocked write.
	big := pattern(32 << 20)
	for kind, give := range map[string]api.Option{
		"bytes":  api.Body(bytes.NewReader(big)),
		"reader": api.Body(io.MultiReader(bytes.NewReader(big))),
	} {
		_, err = s.Put(within(t, deadline), up.URL+"/echo", give)
		if err == nil {
			t.Errorf("%s: answered before its deadline", kind)
			continue
		}
		wantTimeout(t, err, api.OpWrite, api.SentPart)
	}
}

// A server that closes takes its time to do so: what ends with a length does not
// wait for that, what ends with the connection does, and is whole.
func TestToxicSlowClose(t *testing.T) {
	untilClose := rawOrigin(t, func(c net.Conn, _ int) { io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello") })
	x := startToxiproxy(t, rawOrigin(t, func(c net.Conn, _ int) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	}))
	s := newSession(t, api.Config{})
	x.add(t, "slow_close", "downstream", attributes{"delay": 60_000})
	began := time.Now()
	wantBody(t, must(t, 200)(s.Get(soon(t), x.URL+"/length")), []byte("hello"))
	wantQuick(t, began)
	x = startToxiproxy(t, untilClose)
	x.add(t, "slow_close", "downstream", attributes{"delay": 400})
	began = time.Now()
	wantBody(t, must(t, 200)(s.Get(soon(t), x.URL+"/until-close")), []byte("hello"))
	if took := time.Since(began); took < 350*time.Millisecond {
		t.Errorf("took %v: an answer without a length ended before its connection", took)
	}
}

// rawOrigin reads the head of one request a connection, lets answer write, and
// closes. The connections are numbered from 1.
func rawOrigin(t testing.TB, answer func(c net.Conn, n int)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			head := make([]byte, 0, 4096)
			for !bytes.Contains(head, []byte("\r\n\r\n")) && len(head) < cap(head) {
				m, err := c.Read(head[len(head):cap(head)])
				if err != nil {
					break
				}
				head = head[:len(head)+m]
			}
			answer(c, n)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// A connection reset as soon as something is sent on it. Nothing proves that the
// origin has not seen the request, so it is an error that says how much was sent.
func TestToxicResetPeer(t *testing.T) {
	o := newOrigin(t)
	s := newSession(t, api.Config{Breaker: noBreaker})
	for _, way := range []string{"upstream", "downstream"} {
		for _, delay := range []int{0, 100} {
			t.Run(fmt.Sprint(way, delay), func(t *testing.T) {
				x := poisoned(t, o, "reset_peer", way, attributes{"timeout": delay})
				_, err := s.Post(soon(t), x.URL+"/id", api.Data{"a": "b"})
				wantLost(t, err, api.SentAll)
				_, err = s.Get(soon(t), x.URL+"/")
				wantLost(t, err, api.SentAll)
				_, err = s.Put(soon(t), x.URL+"/sink", api.Body(bytes.NewReader(pattern(32<<20))))
				wantLost(t, err, api.SentPart, api.SentAll)
			})
		}
	}
}

// A connection on which nothing comes through, and one that is closed for that.
func TestToxicTimeout(t *testing.T) {
	o := newOrigin(t)
	s := newSession(t, api.Config{Breaker: noBreaker})
	for _, way := range []string{"upstream", "downstream"} {
		t.Run(way, func(t *testing.T) {
			x := poisoned(t, o, "timeout", way, attributes{"timeout": 0})
			began := time.Now()
			_, err := s.Post(within(t, deadline), x.URL+"/id", api.Data{"a": "b"})
			wantQuick(t, began)
			wantTimeout(t, err, api.OpRead, api.SentAll)

			x = poisoned(t, o, "timeout", way, attributes{"timeout": 200})
			began = time.Now()
			_, err = s.Post(soon(t), x.URL+"/id", api.Data{"a": "b"})
			wantQuick(t, began)
			wantLost(t, err, api.SentAll)
		})
	}
}

// An answer cut anywhere is an error, never a shorter body.
func TestToxicLimitData(t *testing.T) {
	o := newOrigin(t)
	s := newSession(t, api.Config{Breaker: noBreaker})
	for _, path := range []string{"/source?n=3000", "/source?n=3000&chunked=1", "/headers?n=3"} {
		whole := wireLength(t, o, path)
		cuts := []int{1, 5, 12, 13, 17, 50, 100, whole / 2, whole - 8, whole - 7, whole - 5, whole - 3, whole - 2, whole - 1}
		for _, cut := range cuts {
			x := poisoned(t, o, "limit_data", "downstream", attributes{"bytes": cut})
			resp, err := s.Get(soon(t), x.URL+path)
			if err == nil {
				t.Errorf("%s cut after %d of %d bytes: %d with a body of %d bytes", path, cut, whole, resp.Status(), len(resp.Content()))
				continue
			}
			wantLost(t, err, api.SentAll)
			var streamed int
			_, err = s.Get(soon(t), x.URL+path, api.Stream(func(p []byte) error { streamed += len(p); return nil }, 100))
			if err == nil {
				t.Errorf("%s cut after %d of %d bytes: a stream of %d bytes ended well", path, cut, whole, streamed)
			}
		}
		x := poisoned(t, o, "limit_data", "downstream", attributes{"bytes": whole})
		must(t, 200)(s.Get(soon(t), x.URL+path))
	}
}

// wireLength is how many bytes an answer to a Session's GET has.
func wireLength(t testing.TB, o *origin, path string) int {
	t.Helper()
	c, err := net.Dial("tcp", o.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, o.addr)
	var all bytes.Buffer
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(c, &all)), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body) // it keeps the connection open
	}
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %v, %.100q", path, err, &all)
	}
	return all.Len()
}

// A request cut on its way is never a success.
func TestToxicLimitDataUpstream(t *testing.T) {
	o := newOrigin(t)
	s := newSession(t, api.Config{Breaker: noBreaker})
	body := pattern(1 << 20)
	for _, cut := range []int{10, 1000, 500_000, 1 << 20} {
		x := poisoned(t, o, "limit_data", "upstream", attributes{"bytes": cut})
		for kind, give := range map[string]api.Option{
			"length": api.Body(bytes.NewReader(body)),
			"chunks": api.Body(io.MultiReader(bytes.NewReader(body))),
		} {
			resp, err := s.Put(soon(t), x.URL+"/echo", give)
			if err == nil && resp.Status() < 400 {
				t.Errorf("%s cut after %d bytes: status %d", kind, cut, resp.Status())
			} else if err != nil {
				wantLost(t, err, api.SentPart, api.SentAll)
			}
		}
	}
}

// Bytes that trickle in one by one parse as any others.
func TestToxicSlicer(t *testing.T) {
	o := newOrigin(t)
	for _, way := range []string{"downstream", "upstream"} {
		t.Run(way, func(t *testing.T) {
			x := poisoned(t, o, "slicer", way, attributes{"average_size": 1, "size_variation": 0, "delay": 0})
			s := newSession(t, api.Config{MaxConnsPerOrigin: 1})
			want := pattern(64 << 10)
			for range 2 {
				for _, path := range []string{"/source?n=3000", "/source?n=3000&chunked=1"} {
					wantBody(t, must(t, 200)(s.Get(soon(t), x.URL+path)), want[:3000])
				}
				if got := len(must(t, 200)(s.Get(soon(t), x.URL+"/headers?n=5")).Headers()); got < 5 {
					t.Errorf("%d headers", got)
				}
				for kind, give := range map[string]api.Option{
					"length": api.Body(bytes.NewReader(want[:2000])),
					"chunks": api.Body(io.MultiReader(bytes.NewReader(want[:2000]))),
				} {
					var got echoed
					resp := must(t, 200)(s.Post(soon(t), x.URL+"/echo", give))
					if err := resp.JSON(&got); err != nil || got.Sum != sumOf(want[:2000]) {
						t.Errorf("%s: %+v, %v", kind, got, err)
					}
				}
				must(t, 204)(s.Get(soon(t), x.URL+"/status?code=204"))
			}
			if got := s.Snapshot(); len(got.Conns) > 1 {
				t.Errorf("%d connections", len(got.Conns))
			}
		})
	}
}

// The proxy goes down with connections idle in it, and comes back: the dead ones are
// found before they are used. While it is down, the dial fails.
func TestToxicProxyDownAndUp(t *testing.T) {
	o := newOrigin(t)
	x := startToxiproxy(t, o.addr)
	s := newSession(t, api.Config{Breaker: noBreaker})
	for range 3 {
		if err := callers(10, func(int) error { return get(t, s, x.URL+"/slow?ms=20", false) }); err != nil {
			t.Error(err)
		}
		x.Stop()
		_, err := s.Post(soon(t), x.URL+"/id", api.Data{"a": "b"})
		for i := 0; i < 10 && errors.As(err, new(*api.IOError)); i++ {
			// Stop returns while its goroutines still let go of their sockets: a POST
			// may yet be sent on one of the ten, and is lost.
			wantLost(t, err, api.SentAll)
			_, err = s.Post(soon(t), x.URL+"/id", api.Data{"a": "b"})
		}
		if e, ok := asError[*api.HTTPConnectionError](err); !ok || e.Op != api.OpDial || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%v", err)
		}
		if err := x.Start(); err != nil {
			t.Fatal(err)
		}
	}
}
