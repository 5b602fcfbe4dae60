package api

import (
	"context"
	"slices"
	"sync"

	"github.com/seed53b03582/troupe/actors"
)

// standard is the default session, on which the one-shot functions run.
var standard struct {
	sync.Mutex
	session *Session   // nil before the first call and after Shutdown
	ending  []*Session // in Shutdown
}

// defaultSession starts the default session where there is none.
func defaultSession() (*Session, error) {
	standard.Lock()
	defer standard.Unlock()
	if standard.session != nil {
		return standard.session, nil
	}
	sched, err := actors.Start(actors.Config{
		Fresh:             true,
		Breaker:           actors.Breaker{Disabled: true},
		MaxConnsPerOrigin: -1,
		MaxDialsPerOrigin: -1,
		MaxQueuePerOrigin: -1,
	})
	if err != nil {
		return nil, err
	}
	standard.session = newSessionOf(sched, new(Config).settings())
	standard.session.oneShot = true
	return standard.session, nil
}

// once sends one request over a connection of its own.
func once(ctx context.Context, method, url string, opts []Option) (*Response, error) {
	s, err := defaultSession()
	if err != nil {
		return nil, err
	}
	return s.send(ctx, method, url, opts)
}

// Shutdown ends the default session as Session.Shutdown does, with the
// connections that callers kept. The next one-shot call starts another. Without
// any call before it does nothing.
func Shutdown(ctx context.Context) error {
	if ctx == nil {
		return errNoContext()
	}
	standard.Lock()
	if standard.session != nil {
		standard.ending = append(standard.ending, standard.session)
		standard.session = nil
	}
	// Those that another Shutdown is at are waited for too: what this one
	// promises must hold when it returns.
	ending := slices.Clone(standard.ending)
	standard.Unlock()

	var first error
	for _, s := range ending {
		if err := s.Shutdown(ctx); err != nil && first == nil {
			first = err
		}
	}
	standard.Lock()
	standard.ending = slices.DeleteFunc(standard.ending, func(s *Session) bool { return slices.Contains(ending, s) })
	standard.Unlock()
	return first
}

// Get sends a GET over a new connection, or the *Connection given, and closes it
// afterwards unless the caller's headers have a Connection that says otherwise. As
// all functions below it returns a whole Response of any status, or one of the errors
// that this package's documentation lists; then the Response is nil.
func Get(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return once(ctx, "GET", url, opts)
}

// Head sends a HEAD; the Response has no body.
func Head(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return once(ctx, "HEAD", url, opts)
}

// Post sends a POST, with Content-Length: 0 where no option gives a body.
func Post(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return once(ctx, "POST", url, opts)
}

// Put sends a PUT, with Content-Length: 0 where no option gives a body.
func Put(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return once(ctx, "PUT", url, opts)
}

// Patch sends a PATCH, with Content-Length: 0 where no option gives a body.
func Patch(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return once(ctx, "PATCH", url, opts)
}

// Delete sends a DELETE.
func Delete(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return once(ctx, "DELETE", url, opts)
}

// Options sends an OPTIONS.
func Options(ctx context.Context, url string, opts ...Option) (*Response, error) {
	return once(ctx, "OPTIONS", url, opts)
}

// Request sends any method but CONNECT. The methods of RFC 9110 and PATCH may be
// given in lower case; others are sent as they are.
func Request(ctx context.Context, method, url string, opts ...Option) (*Response, error) {
	return once(ctx, method, url, opts)
}

// Upload sends exactly fd.Size() bytes of fd, as Session.Upload does.
func Upload(ctx context.Context, url string, fd File, opts ...Option) (*Response, error) {
	return once(ctx, "POST", url, append([]Option{upload{fd}}, opts...))
}
