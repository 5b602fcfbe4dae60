// Package api sends HTTP/1.1 requests: one at a time with the functions Get, Post
// and so on, which read like Python's Requests, or many at once over the kept
// connections of a Session.
//
//	resp, err := api.Get(ctx, "http://example.com/", api.Params{"page": "2"})
//	if err != nil {
//		return err // not contacted, or cut off
//	}
//	fmt.Println(resp.Status(), resp.Text())
//
// # Calls
//
// A one-shot call opens a connection, says Connection: close and closes. With
// Headers{"Connection": "keep-alive"} the connection stays the caller's, who gets
// it from Response.Connection and may give it to the next call as an option.
//
// A Session keeps its connections and gives them to whatever call comes next. What
// is beyond its limits waits, first come first served; an origin that fails again
// and again is cut off for a while by a circuit breaker. See Config.
//
// Redirects are followed, content codings decoded, and what is safe to repeat is
// repeated: see Config.MaxRedirects, Headers and Retry. With StreamBody the answer's
// body is read as it comes.
//
// The context of a call holds for all of it, in the queue as well as inside a
// blocked read; a Body that is an io.Closer is closed at its end. Where the context or a Timeout has ended the call, errors.Is finds
// context.Canceled or context.DeadlineExceeded.
//
// # Errors
//
// A status is never an error: Response.Err makes one of it where that is wanted.
//
//   - *InputError: the call can't be sent as asked for; ErrReservedHeader comes in it
//   - *HTTPConnectionError: there was no connection to be had; ErrCircuitOpen,
//     ErrDialBackoff and ErrQueueFull come in it
//   - *IOError: the connection failed, or a file or Body reader; ErrTooLarge and
//     ErrRetryBudget come in it
//   - *ProtocolError: the answer is not HTTP/1, or it is in doubt where it ends
//   - *RedirectError: a redirect could not be followed; ErrTooManyRedirects comes in it
//   - ErrWrongOrigin, ErrForeignConnection: the connection given can't serve this call
//   - ErrSessionClosed: the session has ended; in an *HTTPConnectionError or *IOError,
//     as the call had come
//
// The first three after *InputError tell the phase and what of the request was sent, and
// are net.Errors. A URL's user info, and the secrets in its query, show in none of them.
//
// # What it leaves out
//
// HTTP/2 and HTTP/3, caches, WebSockets and CONNECT as a method. Cookies are kept by a
// jar of the caller's choice.
//
// # Concurrency
//
// Everything but a Response, and the body it gives, may be used from several goroutines
// at once. A
// callback of Stream runs on the caller's goroutine, the Read of a Body on another, and
// its Close on a third, beside a Read that blocks.
package api
