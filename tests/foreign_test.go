package tests

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// rig is what goes wrong with a Driver's connections, once it is armed.
type rig struct {
	method string // of a connection, or "deadlines"
	do     func()
	armed  atomic.Bool
	hits   atomic.Int64
}

func (r *rig) at(method string) {
	if r.armed.Load() && r.method == method {
		r.hits.Add(1)
		r.do()
	}
}

// rigged is a Driver's connection over a pipe. What it has beyond a net.Conn is not its
// own, as with a type that embeds a socket: nobody may use it.
type rigged struct {
	net.Conn
	*rig
	t *testing.T
}

func (c *rigged) Read(p []byte) (int, error)    { c.at("Read"); return c.Conn.Read(p) }
func (c *rigged) Write(p []byte) (int, error)   { c.at("Write"); return c.Conn.Write(p) }
func (c *rigged) Close() error                  { c.at("Close"); return c.Conn.Close() }
func (c *rigged) LocalAddr() net.Addr           { c.at("LocalAddr"); return c.Conn.LocalAddr() }
func (c *rigged) RemoteAddr() net.Addr          { c.at("RemoteAddr"); return riggedAddr{c} }
func (c *rigged) SetDeadline(t time.Time) error { c.at("SetDeadline"); return c.Conn.SetDeadline(t) }
func (c *rigged) SetReadDeadline(t time.Time) error {
	c.at("SetDeadline")
	return c.Conn.SetReadDeadline(t)
}
func (c *rigged) SetWriteDeadline(t time.Time) error {
	c.at("SetDeadline")
	return c.Conn.SetWriteDeadline(t)
}

func (c *rigged) ReadFrom(io.Reader) (int64, error) { c.t.Error("ReadFrom was used"); return 0, io.EOF }
func (c *rigged) WriteTo(io.Writer) (int64, error)  { c.t.Error("WriteTo was used"); return 0, io.EOF }
func (c *rigged) CloseWrite() error                 { c.t.Error("CloseWrite was used"); return nil }
func (c *rigged) NetConn() net.Conn                 { c.t.Error("NetConn was used"); return c.Conn }

type riggedAddr struct{ c *rigged }

func (a riggedAddr) Network() string { return "rigged" }
func (a riggedAddr) String() string  { a.c.at("String"); return "rigged:1" }

// scene is a session with one origin over rigged connections, and another beside it.
type scene struct {
	*testing.T
	*rig
	s      *api.Session
	scheme string
	pipes  pipes
}

const (
	sceneTime = time.Minute // what a call may take
	riggedTo  = "://bad.test"
)

func (x *scene) ctx() context.Context {
	ctx, cancel := context.WithTimeout(x.Context(), sceneTime)
	x.Cleanup(cancel)
	return ctx
}

func (x *scene) get(path string, opts ...api.Option) error {
	resp, err := x.s.Get(x.ctx(), x.scheme+riggedTo+path, opts...)
	if err == nil {
		_ = resp.Connection().RemoteAddr()
	}
	return err
}

// must is a call before anything goes wrong.
func (x *scene) must(err error) {
	if err != nil {
		x.Fatalf("before anything went wrong: %v", err)
	}
}

// ends waits for a call that something goes wrong with. How it ends does not matter,
// that it does, and what its error does in a log.
func (x *scene) ends(call func() error) {
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		err := errEnded
		defer func() {
			if v := recover(); v != nil {
				x.Errorf("the caller was hit by a panic: %v", v)
			}
			done <- err
		}()
		err = call()
	}()
	err := <-done
	if err == errEnded {
		x.Error(err)
	} else if err != nil {
		_ = err.Error()
	}
	if took := time.Since(began); took > sceneTime+time.Second {
		x.Errorf("a call that may take %v took %v, and ended with %v", sceneTime, took, err)
	}
}

var errEnded = errors.New("the caller's goroutine was ended")

// faults are what a method may do instead of its work.
var faults = map[string]func(release chan struct{}) func(){
	"panics": func(chan struct{}) func() { return func() { panic(errBoom) } },
	"exits":  func(chan struct{}) func() { return runtime.Goexit },
	"blocks": func(release chan struct{}) func() { return func() { <-release } },
}

// phases are when it begins to go wrong.
var phases = []struct {
	name   string
	secure bool
	cfg    api.Config
	run    func(x *scene)
}{
	{name: "dial", run: func(x *scene) {
		x.armed.Store(true)
		x.ends(func() error { return x.get("/") })
	}},
	{name: "handshake", secure: true, run: func(x *scene) {
		x.armed.Store(true)
		x.ends(func() error { return x.get("/") })
	}},
	{name: "sweep", run: func(x *scene) {
		x.must(x.get("/"))
		x.armed.Store(true)
		time.Sleep(time.Minute)
	}},
	{name: "sweep over TLS", secure: true, run: func(x *scene) {
		x.must(x.get("/"))
		x.armed.Store(true)
		time.Sleep(time.Minute)
	}},
	{name: "look", run: func(x *scene) {
		x.must(x.get("/"))
		x.armed.Store(true)
		x.ends(func() error { return x.get("/") })
	}},
	{name: "look over TLS", secure: true, run: func(x *scene) {
		x.must(x.get("/"))
		x.armed.Store(true)
		x.ends(func() error { return x.get("/") })
	}},
	{name: "upload", run: func(x *scene) {
		x.ends(func() error {
			return second(x.s.Post(x.ctx(), x.scheme+riggedTo+"/", api.Body(&armingReader{x.rig, 200_000})))
		})
	}},
	{name: "reading a body", run: func(x *scene) {
		x.ends(func() error {
			return x.get("/long", api.Stream(func([]byte) error { x.armed.Store(true); return nil }, 1000))
		})
	}},
	{name: "reading a StreamBody", run: func(x *scene) {
		x.ends(func() error {
			resp, err := x.s.Get(x.ctx(), x.scheme+riggedTo+"/long", api.StreamBody())
			if err != nil {
				return err
			}
			defer resp.Body().Close()
			x.armed.Store(true)
			_, err = io.Copy(io.Discard, resp.Body())
			return err
		})
	}},
	{name: "giving a StreamBody up", run: func(x *scene) {
		x.ends(func() error {
			resp, err := x.s.Get(x.ctx(), x.scheme+riggedTo+"/dangling", api.StreamBody())
			if err != nil {
				return err
			}
			x.armed.Store(true)
			return resp.Body().Close()
		})
	}},
	{name: "pipelined", cfg: api.Config{Pipeline: api.Pipeline{Depth: 8}}, run: func(x *scene) {
		x.must(x.get("/"))
		x.must(x.get("/"))
		x.armed.Store(true)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { x.ends(func() error { return x.get("/") }) })
		}
		all.Wait()
	}},
	{name: "closing", run: func(x *scene) {
		x.armed.Store(true)
		x.ends(func() error { return x.get("/closing") })
	}},
	{name: "closing over TLS", secure: true, cfg: api.Config{IdleTimeout: time.Second}, run: func(x *scene) {
		x.must(x.get("/"))
		x.armed.Store(true)
		time.Sleep(time.Minute)
	}},
	{name: "cut off by the context", run: func(x *scene) {
		time.AfterFunc(time.Second, func() { x.armed.Store(true) })
		x.ends(func() error { return x.get("/silent", api.Timeout(2*time.Second)) })
	}},
	{name: "Shutdown", run: func(x *scene) {
		x.must(x.get("/"))
		call := start(func() error { return x.get("/silent") })
		synctest.Wait()
		x.armed.Store(true)
		ctx, cancel := context.WithTimeout(x.Context(), time.Second)
		defer cancel()
		x.s.Shutdown(ctx)
		x.ends(func() error { return <-call })
	}},
	{name: "Close", secure: true, run: func(x *scene) {
		x.must(x.get("/"))
		x.armed.Store(true)
	}},
}

// armingReader is a body in the middle of which it goes wrong.
type armingReader struct {
	rig  *rig
	left int
}

func (r *armingReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.left < 100_000 {
		r.rig.armed.Store(true)
	}
	n := min(len(p), r.left)
	r.left -= n
	return n, nil
}

// TestADriversConnectionMayFailInAnyMethodAtAnyMoment: it ends that connection. Its call
// ends in time, others are served, no slot is lost, and no goroutine is left.
func TestADriversConnectionMayFailInAnyMethodAtAnyMoment(t *testing.T) {
	if !inProcess(t) {
		return
	}
	for _, phase := range phases {
		t.Run(phase.name, func(t *testing.T) {
			var cert *certificate
			if phase.secure {
				cert = newCertificate(t)
			}
			now := time.Now() // the bubble's is another
			for _, method := range []string{"Read", "Write", "Close", "SetDeadline", "RemoteAddr", "LocalAddr", "String"} {
				for fault, do := range faults {
					if fault != "panics" && method == "String" {
						continue // it runs on the goroutine of whoever wants the text
					}
					t.Run(method+" "+fault, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							cfg := phase.cfg
							if cert != nil {
								cfg.TLS = cert.client()
								cfg.TLS.Time = func() time.Time { return now }
							}
							runScene(t, cfg, cert, method, do, phase.run, fault == "blocks")
						})
					})
				}
			}
		})
	}
}

func runScene(t *testing.T, cfg api.Config, cert *certificate, method string, do func(chan struct{}) func(), run func(*scene), blocks bool) {
	release := make(chan struct{})
	x := &scene{T: t, rig: &rig{method: method, do: do(release)}, scheme: "http"}
	x.pipes.serve = serveScene
	if cert != nil {
		x.scheme = "https"
		x.pipes.serve = func(n int, c net.Conn) { serveScene(n, tls.Server(c, cert.server())) }
	}
	var inner []net.Conn
	cfg.MaxConnsPerOrigin, cfg.Breaker = 2, noBreaker
	cfg.DialTimeout = sceneTime / 2
	good := pipes{serve: always(ok200 + "Content-Length: 2\r\n\r\nok")}
	var mu sync.Mutex
	cfg.Driver = driver(func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "good.") {
			return good.DialContext(ctx, network, address)
		}
		c, err := x.pipes.DialContext(ctx, network, address)
		mu.Lock()
		defer mu.Unlock()
		inner = append(inner, c)
		return &rigged{c, x.rig, t}, err
	})
	var err error
	if x.s, err = api.NewSession(cfg); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		run(x)
	}()
	for range 10 { // others, meanwhile
		if err := second(x.s.Get(x.ctx(), "http://good.test/")); err != nil && !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("another origin: %v", err)
		}
		_ = fmt.Sprint(x.s.Snapshot())
		time.Sleep(time.Second)
	}
	<-over
	if x.armed.Load() { // else the call did not come so far
		x.armed.Store(false)
		x.wantCapacity()
		x.armed.Store(true)
	}
	began := time.Now()
	if err := x.s.Close(); err != nil && !blocks && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(began); took > 16*time.Second {
		t.Errorf("Close took %v", took)
	}
	if n := len(inner); n > 40 {
		t.Errorf("%d dials: who goes on for ever?", n)
	}
	close(release)
	for _, c := range inner {
		c.Close()
	}
	x.pipes.conns.Wait()
	good.conns.Wait()
}

// wantCapacity wants as many calls at once to succeed as the limit allows, unless the
// session is over.
func (x *scene) wantCapacity() {
	for i, err := range each(2, func(int) error {
		err := x.get("/slow")
		if errors.Is(err, context.DeadlineExceeded) { // over a connection that is stuck, of which no other look tells
			err = x.get("/slow")
		}
		return err
	}) {
		if err != nil && !errors.Is(err, api.ErrSessionClosed) {
			x.Errorf("call %d afterwards: %v", i, err)
		}
	}
}

func serveScene(n int, c net.Conn) {
	answering(func(_ int, req *http.Request) string {
		switch req.URL.Path {
		case "/long":
			return ok200 + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000)
		case "/dangling":
			return ok200 + "Content-Length: 1000\r\n\r\nx"
		case "/closing":
			return ok200 + "Connection: close\r\nContent-Length: 2\r\n\r\nok"
		case "/silent":
			time.Sleep(time.Hour)
			return ""
		case "/slow":
			time.Sleep(time.Second)
		}
		return ok200 + "Content-Length: 2\r\n\r\nok"
	})(n, c)
}
