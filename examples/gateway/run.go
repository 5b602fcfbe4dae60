package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/seed53b03582/troupe/api"
)

const deadline = 500 * time.Millisecond // of one answer, all its upstreams together

// network is what all of the program runs on: TCP, or what a test has in its place.
type network struct {
	listen func(address string) (net.Listener, error)
	driver dialer // of the sessions; nil: TCP
}

// dialer is what Config.Driver asks for.
type dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

func listenTCP(address string) (net.Listener, error) { return net.Listen("tcp", address) }

// run is the whole program. It ends after o.length, or with ctx.
func run(ctx context.Context, o options, out io.Writer) error {
	before := goroutines()
	screen := newScreen(out, o.terminal)
	st, err := open(o, screen)
	if err != nil {
		return err
	}
	t := &table{gateway: st.gateway, load: st.load, began: time.Now(), rps: o.rps}
	interrupted := ctx
	if o.serve == "" {
		t.length = o.length
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	screen.printf("%s", t.legend())
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		st.load.drive(ctx)
	}()
	screen.drawEach(ctx, time.Second, t.lines)
	<-loaded
	screen.final(t.lines())

	err = st.close()
	screen.printf("%s", t.summary(screen.changes()))
	if err == nil {
		err = st.checkEmpty(before, screen)
	}
	_, _, failed := st.load.counts()
	if err == nil && o.rps > 0 && st.load.merged() == 0 && (failed > 0 || interrupted.Err() == nil) {
		err = errors.New("no request was answered with anything from an upstream")
	}
	return err
}

// stage is everything that runs, in the order in which it is opened.
type stage struct {
	farm     *farm
	gateway  *gateway
	front    *http.Server
	load     *load
	patience time.Duration // at the end
}

func open(o options, screen *screen) (st *stage, err error) {
	st = &stage{patience: o.patience}
	defer func() {
		if err != nil {
			st.close()
		}
	}()
	cycle := min(o.length, 10*time.Second) // in which the flaky upstream dies and comes back
	var ups []*upstream
	if ups, st.farm, err = upstreams(o, cycle); err != nil {
		return st, err
	}
	session, err := api.NewSession(api.Config{
		Driver:            o.network.driver,
		MaxConnsPerOrigin: 8, // few, so that a queue can be seen
		Breaker:           api.Breaker{Failures: 5, OpenFor: cycle / 10},
		Retry:             api.Retry{Forwarding: true}, // nothing is sent twice for others that may not be
		Logger:            screen.logger(),
	})
	if err != nil {
		return st, err
	}
	st.gateway = &gateway{session: session, upstreams: ups, deadline: deadline}
	if st.front, err = serve(o.network, o.serve, st.gateway); err != nil {
		return st, err
	}
	st.load, err = newLoad("http://"+dialable(st.front.Addr), o)
	return st, err
}

// close lets what is under way finish, and ends everything but the embedded
// upstreams, which can tell what is still connected to them. After an open that
// failed it ends what there is.
func (st *stage) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), st.patience)
	defer cancel()
	var errs []error
	if st.load != nil {
		errs = append(errs, st.load.session.Shutdown(ctx))
	}
	if st.front != nil {
		errs = append(errs, st.front.Shutdown(ctx))
	}
	if st.gateway != nil {
		errs = append(errs, st.gateway.session.Shutdown(ctx))
	}
	err := errors.Join(errs...)
	if err != nil || st.load == nil {
		st.farm.close()
	}
	return err
}

// checkEmpty ends the embedded upstreams and looks for what should be gone: actors,
// sockets and goroutines.
func (st *stage) checkEmpty(before int, screen *screen) error {
	actors := len(st.gateway.session.Snapshot().Conns) + len(st.load.session.Snapshot().Conns)
	sockets := st.farm.openConns()
	st.farm.close()
	left, stacks := settled(before)
	screen.printf("left behind: %d connection actors, %d sockets, %d goroutines\n", actors, sockets, left)
	if actors+sockets+left > 0 {
		return fmt.Errorf("that should all be 0\n%s", stacks)
	}
	return nil
}

// serve starts h on address, or on a free port of this machine; the server's Addr tells.
func serve(n network, address string, h http.Handler) (*http.Server, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := n.listen(address)
	if err != nil {
		return nil, err
	}
	s := &http.Server{Addr: l.Addr().String(), Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go s.Serve(l)
	return s, nil
}

// dialable makes of an address to listen on one to connect to.
func dialable(address string) string {
	host, port, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
