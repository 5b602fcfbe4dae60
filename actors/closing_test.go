package actors

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// headless is a Driver that obeys nobody until it is released, each part of it as told.
type headless struct {
	pipes
	release     chan struct{}
	dials, stop bool                 // ignore their contexts
	stopped     chan context.Context // gets that of Stop
}

func (d *headless) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.dials && strings.HasPrefix(address, "deaf") {
		<-d.release
		return nil, errBoom
	}
	return d.pipes.DialContext(ctx, network, address)
}

func (d *headless) Stop(ctx context.Context) error {
	d.stopped <- ctx
	if d.stop {
		<-d.release
	}
	return nil
}

// deaf is a connection whose Close does nothing until it is released.
type deaf struct {
	net.Conn
	release chan struct{}
}

func (c deaf) Close() error {
	<-c.release
	return c.Conn.Close()
}

// Whatever does not end, and however much of it there is: Close takes its one time, and
// tells by name what is still open.
func TestCloseIsBoundedAndNamesWhatIsOpen(t *testing.T) {
	const (
		conns  = "connection 1 to http://origin.test:80 (pipe:server)"
		dial   = "connection 2 to http://deaf:80: its dial does not return though its context has ended"
		logger = "the Logger's handler does not return"
		stop   = "the Driver's Stop does not return"
	)
	for _, c := range []struct {
		name                       string
		conns, dials, logger, stop bool
		timeout, took              time.Duration
		named                      []string
	}{
		{name: "nothing"},
		{name: "a connection", conns: true, took: 4500 * time.Millisecond, named: []string{conns}},
		{name: "a dial", dials: true, took: 4500 * time.Millisecond, named: []string{dial}},
		{name: "a log handler", logger: true, took: 4500 * time.Millisecond, named: []string{logger}},
		{name: "Stop", stop: true, took: 5 * time.Second, named: []string{stop}},
		{name: "all", conns: true, dials: true, logger: true, stop: true, took: 5 * time.Second, named: []string{conns, dial, logger, stop}},
		{name: "all, in less time", conns: true, dials: true, logger: true, stop: true, timeout: 10 * time.Millisecond, took: 10 * time.Millisecond, named: []string{conns, dial, logger, stop}},
		{name: "all, in more", conns: true, dials: true, logger: true, stop: true, timeout: time.Hour, took: time.Hour, named: []string{conns, dial, logger, stop}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				d := &headless{pipes: pipes{serve: answering(greeting)}, release: make(chan struct{}), stopped: make(chan context.Context, 1), dials: c.dials, stop: c.stop}
				if c.conns {
					d.wrap = func(nc net.Conn) net.Conn { return deaf{nc, d.release} }
				}
				cfg := Config{Driver: d, CloseTimeout: c.timeout, DialTimeout: -1, IdleTimeout: -1}
				if c.logger {
					cfg.Logger = slog.New(slowHandler{slog.DiscardHandler, d.release})
				}
				s, err := Start(cfg)
				if err != nil {
					t.Fatal(err)
				}
				if body, err := get(t.Context(), s); err != nil {
					t.Fatal(body, err)
				}
				ended := make(chan error, 1)
				go func() {
					_, err := get(t.Context(), s, func(r *Request) {
						r.Origin = &Origin{Scheme: "http", Host: "deaf", Port: "80"}
					})
					ended <- err
				}()
				if !c.dials {
					<-ended
				}
				s.BodyAbandoned("http://origin.test/", "here")
				synctest.Wait()

				began := time.Now()
				err = s.Close()
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				if (err == nil) != (len(c.named) == 0) {
					t.Errorf("got %v", err)
				}
				for _, want := range []string{conns, dial, logger, stop} {
					if err != nil && strings.Contains(err.Error(), want) != strings.Contains(strings.Join(c.named, ""), want) {
						t.Errorf("%q in %v", want, err)
					}
				}
				if ctx := <-d.stopped; c.stop && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
					t.Error("Stop was not told that its time is over")
				}
				if c.dials {
					if err := <-ended; !errors.Is(err, ErrSessionClosed) {
						t.Errorf("who waited: %v", err)
					}
				}
				close(d.release)
				if again := s.Close(); time.Since(began) != c.took || !errors.Is(again, err) && again != nil {
					t.Errorf("again: %v", again)
				}
				d.wg.Wait()
			})
		})
	}
}

// A Stop that panics, or ends its goroutine, is an error of Close.
func TestStopThatFails(t *testing.T) {
	for name, stop := range map[string]func() error{
		"error": func() error { return errBoom },
		"panic": func() error { panic(errBoom) },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s, err := Start(Config{Driver: stopping{&pipes{serve: answering(greeting)}, stop}})
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); !errors.Is(err, errBoom) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

type stopping struct {
	*pipes
	stop func() error
}

func (d stopping) Stop(context.Context) error { return d.stop() }

// TestCloseBehindADrainWaitsForLateConnections: a Drain may find no connection, and a call
// under way then dial one. It has ended when Close returns: what the engine does about
// actors that end while they are stopped would outlive that.
func TestCloseBehindADrainWaitsForLateConnections(t *testing.T) {
	for range 200 {
		in(t, func(t *testing.T) {
			m := &pipes{serve: answering(greeting), dial: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}}
			s := m.start(t, Config{})
			s.Drain()
			synctest.Wait()
			done := make(chan error, 1)
			go func() {
				_, err := get(t.Context(), s, func(r *Request) { r.Again = true })
				done <- err
			}()
			synctest.Wait()
			if n := m.dials.Load(); n != 1 {
				t.Fatalf("%d dials, want that of a call under way", n)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if snap := s.Snapshot(); len(snap.Conns) != 0 {
				t.Errorf("left: %v", snap)
			}
			if err := <-done; !errors.Is(err, ErrSessionClosed) {
				t.Errorf("the call ended with %v", err)
			}
		})
	}
}
