package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// take reads n bytes from nc, or up to its end.
func take(nc net.Conn, n int) { io.ReadFull(nc, make([]byte, n)) }

// stalls are the phases in which a proxy can keep a dial waiting. Each returns when
// the dial waits for more.
var stalls = []struct {
	name, proxy string
	serve       func(nc net.Conn)
}{
	{"writing CONNECT", "http", func(net.Conn) {}},
	{"awaiting the answer", "http", func(nc net.Conn) { connects(nc, nil, "") }},
	{"within the answer", "http", func(nc net.Conn) { connects(nc, nil, "HTTP/1.1 200 OK\r\nA:") }},
	{"after an interim answer", "http", func(nc net.Conn) { connects(nc, nil, "HTTP/1.1 100 Continue\r\n\r\n") }},
	{"writing the hello", "https", func(net.Conn) {}},
	{"awaiting the server's hello", "https", func(nc net.Conn) { nc.Read(make([]byte, 1<<16)) }},
	{"awaiting the answer over TLS", "https", func(nc net.Conn) { connects(tls.Server(nc, serverTLS()), nil, "") }},
	{"writing methods", "socks5", func(net.Conn) {}},
	{"awaiting a method", "socks5", func(nc net.Conn) { take(nc, 4) }},
	{"awaiting the login's answer", "socks5", func(nc net.Conn) { take(nc, 4); nc.Write([]byte{5, 2}); take(nc, 5) }},
	{"awaiting the reply", "socks5", func(nc net.Conn) { take(nc, 4); nc.Write([]byte{5, 0}); take(nc, 18) }},
	{"within the reply", "socks5", func(nc net.Conn) { take(nc, 4); nc.Write([]byte{5, 0}); take(nc, 18); nc.Write([]byte{5, 0}) }},
}

// The end of the context ends every phase at once, closes the socket, and is the
// error.
func TestDialThroughContext(t *testing.T) {
	selfMade() // its key must not be made in the bubble
	for name, end := range map[string]struct {
		with func(ctx context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded},
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled},
	} {
		for _, tc := range stalls {
			t.Run(tc.name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					watch := newClosing(client)
					reached := make(chan struct{})
					go func() {
						tc.serve(server)
						close(reached)
					}()
					ctx, cancel := end.with(t.Context())
					defer cancel()
					d := driver(func(context.Context, string, string) (net.Conn, error) { return watch, nil })
					p := parseProxy(t, tc.proxy+"://u:p@example.com")
					began := time.Now()
					nc, err := DialThrough(ctx, d, p, "https", "example.com:443", nil)
					if took := time.Since(began); took != time.Second {
						t.Errorf("took %v", took)
					}
					e := wantRefusal(t, nc, err)
					wantError(t, err, end.want)
					if e.Status != 0 || e.Fix != "" {
						t.Errorf("%+v", e)
					}
					<-watch.closed
					<-reached
					server.Close()
				})
			})
		}
		t.Run("connecting "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := end.with(t.Context())
				defer cancel()
				nc, err := DialThrough(ctx, driver(func(ctx context.Context, _, _ string) (net.Conn, error) {
					<-ctx.Done()
					return nil, errors.New("the operation was cancelled") // as net.Dialer's does, it only reads alike
				}), parseProxy(t, "http://example.com"), "http", "example.com:80", nil)
				wantRefusal(t, nc, err, "connecting")
				wantError(t, err, end.want)
			})
		})
	}
}

// A socket that comes when the context has ended is not handed on, whatever it is
// for.
func TestDialThroughLate(t *testing.T) {
	for _, proxy := range []string{"http", "https", "socks5"} {
		for _, scheme := range []string{"http", "https"} {
			ctx, cancel := context.WithCancel(t.Context())
			client, server := net.Pipe()
			watch := newClosing(client)
			nc, err := DialThrough(ctx, driver(func(context.Context, string, string) (net.Conn, error) {
				cancel()
				return watch, nil
			}), parseProxy(t, proxy+"://example.com"), scheme, "example.com:1", nil)
			wantRefusal(t, nc, err)
			wantError(t, err, context.Canceled)
			<-watch.closed
			server.Close()
		}
	}
}

// Once it is handed on, the connection does not hang on the dial's context any more.
func TestDialThroughOutlivesContext(t *testing.T) {
	address := listen(t, func(nc net.Conn) {
		connects(nc, nil, tunnelled)
		origin(nc, "https")
	})
	ctx, cancel := context.WithCancel(t.Context())
	nc, err := DialThrough(ctx, TCP(), parseProxy(t, "http://"+address), "https", "example.com:443", nil)
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	use(t, nc, "https")
}

// hostile is a driver's connection with a fault of its own in one method.
type hostile struct {
	net.Conn
	read, close func()
}

func (h *hostile) Read(p []byte) (int, error) {
	h.read()
	return h.Conn.Read(p)
}

func (h *hostile) Close() error {
	err := h.Conn.Close()
	if h.close != nil {
		h.close()
	}
	return err
}

// A driver's connection that panics, or ends its goroutine, ends the dial with an error
// and is closed, and so is one whose Close does.
func TestDialThroughHostile(t *testing.T) {
	selfMade() // its key must not be made in the bubble
	panics := func() { panic("the driver's own") }
	for name, tc := range map[string]struct {
		read, close func()
		cancel      bool
	}{
		"panic":                    {read: panics},
		"goexit":                   {read: runtime.Goexit},
		"panic, and in Close":      {read: panics, close: panics},
		"goexit, and in Close":     {read: runtime.Goexit, close: runtime.Goexit},
		"cut off, panic in Close":  {read: func() {}, close: panics, cancel: true},
		"cut off, goexit in Close": {read: func() {}, close: runtime.Goexit, cancel: true},
	} {
		for _, proxy := range []string{"http", "https", "socks5"} {
			t.Run(name+" "+proxy, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					go io.Copy(io.Discard, server)
					watch := newClosing(client)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if tc.cancel {
						time.AfterFunc(time.Second, cancel)
					}
					d := driver(func(context.Context, string, string) (net.Conn, error) {
						return &hostile{watch, tc.read, tc.close}, nil
					})
					p := parseProxy(t, proxy+"://example.com")
					nc, err := DialThrough(ctx, d, p, "https", "example.com:443", nil)
					wantRefusal(t, nc, err)
					if tc.cancel {
						wantError(t, err, context.Canceled)
					} else if !strings.Contains(err.Error(), "failed in Read") {
						t.Errorf("ended with %v", err)
					}
					<-watch.closed
					server.Close()
				})
			})
		}
	}
}
