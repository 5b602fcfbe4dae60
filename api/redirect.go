package api

import (
	"context"
	"strconv"

	"github.com/seed53b03582/troupe/api/internal/uri"
	"github.com/seed53b03582/troupe/conn"
)

// RedirectError tells that a redirect could not be followed. The answer it came in is
// lost; NoRedirect hands it over instead.
type RedirectError struct {
	URL    string // that answered, as it may be shown, see Response.Curl
	Status int    // 301, 302, 303, 307 or 308
	Err    error  // why: ErrTooManyRedirects, an *InputError about the Location, a body that can't be sent again
}

// Error gives the URL, the status and the reason.
func (e *RedirectError) Error() string {
	return conn.MaskText("troupe: " + e.URL + ": redirect " + strconv.Itoa(e.Status) + ": " + e.Err.Error())
}

// Unwrap returns the reason.
func (e *RedirectError) Unwrap() error { return e.Err }

// follow makes r the request that a redirect asks for (RFC 9110 §15.4). An answer
// that is none, or that the caller wants to see, ends the call.
func (r *request) follow(ctx context.Context, resp *Response) (again bool, err error) {
	switch resp.Status() {
	case 301, 302, 303, 307, 308:
	default:
		return false, nil
	}
	location := resp.Header("Location")
	if location == "" || r.has(optNoRedirect) || r.session.maxRedirects < 0 {
		return false, nil
	}
	refuse := func(why error) (bool, error) {
		r.drop(resp)
		return false, &RedirectError{URL: resp.shown(), Status: resp.Status(), Err: why}
	}
	if len(r.history) >= r.session.maxRedirects {
		return refuse(ErrTooManyRedirects)
	}
	to, err := r.to.url().Resolve(location)
	if err != nil {
		return refuse(err)
	}
	if r.becomesGet(resp.Status()) {
		r.call.Method, r.converted = "GET", true
		r.closeBody()
		if r.present {
			r.payload = payload{claimed: r.claimed}
		}
	} else if !r.replayable() {
		return refuse(ErrBodyGone)
	} else if err := r.rewind(ctx); err != nil {
		if r.session.sched.Halted(ctx) != nil {
			return false, r.between(ctx, err)
		}
		return refuse(err)
	}
	if err := r.remember(ctx, resp); err != nil {
		return false, err
	}
	r.leave(to)
	return true, nil
}

// remember ends a redirect's exchange and puts it into the History.
func (r *request) remember(ctx context.Context, resp *Response) error {
	whole, err := r.pass(resp)
	if err != nil {
		return err
	}
	resp.truncated = !whole
	r.decodeStep(ctx, resp)
	x := r.more()
	x.history, x.held = append(x.history, resp), x.held+int64(len(resp.Content()))
	return nil
}

// becomesGet tells whether a redirect turns the request into a GET without a body:
// 303 does so, and 301 and 302 do it with POST alone.
func (r *request) becomesGet(status int) bool {
	switch status {
	case 303:
		return r.call.Method != "HEAD" && (r.call.Method != "GET" || r.present)
	case 301, 302:
		return r.call.Method == "POST"
	}
	return false
}

// leave goes to another URL. Nothing that was meant for one origin alone goes along
// to another, and it does not come back on the way back.
func (r *request) leave(to uri.URL) {
	if !r.to.url().SameOrigin(to) {
		r.crossed = true
		if r.extras != &r.session.noExtras {
			r.authorize, r.host, r.connection = "", "", nil
			r.crossTLS(to.Host)
		}
		r.downgraded = r.downgraded || r.to.Scheme == "https" && to.Scheme == "http"
	}
	if r.connection != nil && r.connection.conn.Closed() {
		r.connection = nil // it was for the URL before, and ended with it
	}
	r.to, r.url = locationOf(to), ""
	r.restart()
}
