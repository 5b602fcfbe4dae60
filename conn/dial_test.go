package conn

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// driver is a Driver made of a function.
type driver func(ctx context.Context, network, address string) (net.Conn, error)

func (d driver) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

// wantOp checks that err is an *Error of that phase before anything was sent.
func wantOp(t *testing.T, err error, op Op) *Error {
	t.Helper()
	e, ok := err.(*Error)
	if !ok || e.Op != op || e.Sent != SentNothing {
		t.Fatalf("error %#v, want an *Error of %v", err, op)
	}
	return e
}

func TestDial(t *testing.T) {
	var network, address string
	m := newCanned("")
	nc, err := Dial(t.Context(), driver(func(_ context.Context, n, a string) (net.Conn, error) {
		network, address = n, a
		return m, nil
	}), "[::1]:80", nil)
	if f, own := nc.(*foreign); !own || f.nc != net.Conn(m) || err != nil || network != "tcp" || address != "[::1]:80" {
		t.Errorf("%v, %v from %s %s", nc, err, network, address)
	}
	if got := New(nc, &Buffers{}).RemoteAddr(); got != net.Addr(cannedAddr{}) {
		t.Errorf("remote address %v", got)
	}
}

func TestDialRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	nc, err := Dial(t.Context(), TCP(), l.Addr().String(), nil)
	if nc != nil {
		t.Error("a connection beside the error")
	}
	wantOp(t, err, OpDial)
	wantError(t, err, syscall.ECONNREFUSED)
	if IsTimeout(err) || Local(err) {
		t.Errorf("timeout %t, local %t", IsTimeout(err), Local(err))
	}
}

func TestDialFailures(t *testing.T) {
	own := errors.New("the driver's own error")
	for name, tc := range map[string]struct {
		driver driver
		want   error // nil: any
	}{
		"error":           {func(context.Context, string, string) (net.Conn, error) { return nil, own }, own},
		"neither":         {func(context.Context, string, string) (net.Conn, error) { return nil, nil }, nil},
		"a typed nil":     {func(context.Context, string, string) (net.Conn, error) { return (*net.TCPConn)(nil), nil }, errNoConn},
		"an own nil":      {func(context.Context, string, string) (net.Conn, error) { return (*shouting)(nil), nil }, errNoConn},
		"not started":     {func(context.Context, string, string) (net.Conn, error) { return nil, ErrDriverNotStarted }, ErrDriverNotStarted},
		"context's error": {func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, ctx.Err() }, context.Canceled},
		"net.Dialer":      {TCP().DialContext, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			nc, err := Dial(ctx, tc.driver, "127.0.0.1:1", nil)
			if nc != nil {
				t.Error("a connection beside the error")
			}
			if e := wantOp(t, err, OpDial); e.RemoteAddr != nil {
				t.Errorf("remote address %v", e.RemoteAddr)
			}
			// net.Dialer has an error of its own that only reads like the context's.
			if tc.want != nil && name != "net.Dialer" {
				wantError(t, err, tc.want)
			}
		})
	}
}

func TestTCPProbes(t *testing.T) {
	d := TCP().(*net.Dialer)
	if k := d.KeepAliveConfig; !k.Enable || k.Idle+time.Duration(k.Count)*k.Interval > time.Minute {
		t.Errorf("a peer that vanished is noticed with %+v", k)
	}
}
