package conn

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// This file is how a connection of a driver's own type ends, by itself or by Close.

// ended is the error of what is asked for after Close.
func (f *foreign) ended() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		return f.fault
	}
	return net.ErrClosed
}

var errExited = errors.New("it ended its goroutine (runtime.Goexit)")

// failed ends a connection of which a method has panicked, or, with nil, ended its
// goroutine. The deferred function calls it.
func (f *foreign) failed(method string, reason any) error {
	err := errExited
	if reason != nil {
		err = NewPanicError(reason)
	}
	err = fmt.Errorf("the driver's connection failed in %s: %w", method, err)
	f.mu.Lock()
	if f.fault == nil {
		f.fault = err
	}
	f.mu.Unlock()
	if f.keeper.Failed != nil {
		f.keeper.Failed(err)
	}
	f.Close()
	return err
}

// Close ends the connection for those who use it, and does not wait for the driver's.
func (f *foreign) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed.Swap(true) {
		return nil
	}
	f.shut = &shutting{time.Now(), make(chan struct{})}
	f.in.change()
	f.out.change()
	if f.keeper.End == nil || !f.keeper.End(f.close) {
		f.run(f.close)
	}
	return nil
}

// close closes the driver's connection and stays until nothing of it runs any more.
func (f *foreign) close() {
	late := time.AfterFunc(closeGrace, func() { f.run(f.release) })
	f.end()
	close(f.shut.gone)
	f.calls.Wait()
	late.Stop()
}

func (f *foreign) end() {
	returned := false
	defer func() {
		if !returned {
			f.failed("Close", recover())
			f.run(f.release)
		}
	}()
	f.nc.Close()
	returned = true
}

// release is for a Close that was of no help: a deadline may still end the Read that is
// under way.
func (f *foreign) release() {
	returned := false
	defer func() {
		if !returned {
			f.failed("SetDeadline", recover())
		}
	}()
	f.nc.SetDeadline(past)
	returned = true
}

// gone is closed when the driver's Close has returned. Only behind Close.
func (f *foreign) gone() <-chan struct{} { return f.shut.gone }
