package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/digest"
	"github.com/seed53b03582/troupe/api/internal/multipart"
	"github.com/seed53b03582/troupe/api/internal/uri"
)

// Option is one setting of one call: Params, Headers, Data, a *Connection, a
// *Lease, or what the functions of this package return. nil means none, and so
// does a nil map or pointer of these types.
type Option interface {
	apply(*request)
}

// Params are appended to the URL's query, percent-encoded, in the order of their
// keys. A key that several Params give is sent with the last one's value.
type Params map[string]string

// Headers are sent as given, in the order of their names, and override the
// defaults (User-Agent, Accept, Accept-Encoding, Content-Type, Authorization and, in
// one-shot calls, Connection) whatever the case of their names. An empty User-Agent sends none.
//
// An Accept-Encoding of the caller's turns decoding off. "Expect: 100-continue" is
// the option ExpectContinue. A redirect to another origin drops Authorization, Cookie
// and Proxy-Authorization.
//
// A name that is no token and a value with a control character (RFC 9110 §5) are an
// *InputError; Host, Content-Length and Transfer-Encoding are ErrReservedHeader.
type Headers map[string]string

// Data is a form-encoded body in the order of its keys, with Content-Type
// application/x-www-form-urlencoded. JSON is ignored beside it. An empty map that
// is not nil is an empty form.
type Data map[string]string

// request gathers what the options of one call ask for, and what has become of it.
// It belongs to the call's goroutine, and to its session's pool between calls.
type request struct {
	session *Session
	call    *actors.Call // holds the method and the head too
	url     string       // as it was given; empty after a redirect
	to      location
	journey
	decodes bool   // the head asks for content codings on its own account
	given   option // which options were there

	*extras         // the session's noExtras until there are any: written through more alone, but by options
	spare   *extras // kept for the next call that has any
}

// extras are what the options of one call ask for, and what else most calls have none
// of: of the many that may wait at once, each would hold several times as much memory.
type extras struct {
	fault   error              // of the first option that was wrong
	cancel  context.CancelFunc // of Timeout and StreamBody
	history []*Response        // redirects followed, the oldest first
	held    int64              // bytes of their bodies
	cookie  string             // what the jar knows for the next request
	nonce   digest.Try         // the Digest challenge that this request answers
	fields  []field            // scratch for sorting; then the caller's headers
	buf     []byte             // scratch for encoding: query, then body
	payload

	params       []Params
	query        []url.Values
	headers      []Headers
	headerValues []http.Header
	data         []Data
	form         []url.Values

	json       any
	body       io.Reader
	closers    []io.Closer // of the bodies given, to be closed
	uploaded   File
	mimeType   string // of an Upload
	host       string // of Host
	authorize  string // the Authorization of BasicAuth or Bearer
	digest     digest.User
	multipart  *multipart.Body
	tls        *tls.Config
	deadline   time.Time // of Timeout; zero: none
	connection *Connection
	stream     stream
	incoming   intake // the body of a streamed answer
}

// more are the extras to be written.
func (r *request) more() *extras {
	if r.extras == &r.session.noExtras {
		if r.spare == nil {
			r.spare = new(extras)
		}
		r.extras, r.spare = r.spare, nil
	}
	return r.extras
}

func newRequest(s *Session, call *actors.Call) *request {
	return &request{session: s, call: call, extras: &s.noExtras}
}

// field is a name with a value: of a header, a query or a form.
type field struct {
	name, value string
	absent      bool // a header not to be sent at all
}

// option is a set of options.
type option uint32

const (
	optParams option = 1 << iota
	optQuery
	optHeaders
	optHeaderValues
	optData
	optForm
	optJSON
	optBody
	optUpload
	optMIMEType
	optMethod
	optHost
	optBasicAuth
	optBearer
	optTLS
	optTimeout
	optStream
	optNoRedirect
	optConnection
	optLease
	optDigestAuth
	optStreamBody
	optExpect
	optMultipart
	optCertificateAcross
)

var optionNames = [...]string{
	"Params", "Query", "Headers", "HeaderValues", "Data", "Form", "JSON", "Body", "Upload", "MIMEType",
	"Method", "Host", "BasicAuth", "Bearer", "TLS", "Timeout", "Stream", "NoRedirect", "Connection", "Lease",
	"DigestAuth", "StreamBody", "ExpectContinue", "Multipart", "CertificateAcrossOrigins",
}

// String names the first of the set.
func (o option) String() string { return optionNames[bits.TrailingZeros32(uint32(o))] }

// applyAll lets every option set its field. The first fault is what counts.
func (r *request) applyAll(opts []Option) error {
	if len(opts) > 0 {
		r.more()
	}
	for _, o := range opts {
		if o != nil {
			o.apply(r)
		}
	}
	return r.fault
}

func (r *request) has(o option) bool { return r.given&o != 0 }

func (r *request) refuse(field, reason, fix string) {
	if r.fault == nil {
		r.more().fault = &InputError{Field: field, Reason: reason, Fix: fix}
	}
}

// reset forgets the call but keeps the memory.
func (r *request) reset() {
	if x := r.extras; x != &r.session.noExtras {
		*x = extras{
			fields:       emptied(x.fields),
			buf:          x.buf[:0],
			params:       emptied(x.params),
			query:        emptied(x.query),
			headers:      emptied(x.headers),
			headerValues: emptied(x.headerValues),
			data:         emptied(x.data),
			form:         emptied(x.form),
			closers:      emptied(x.closers),
		}
		r.spare = x
	}
	*r = request{session: r.session, call: r.call, extras: &r.session.noExtras, spare: r.spare}
}

// emptied drops what a slice refers to, not its capacity.
func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

func (p Params) apply(r *request) {
	if p != nil {
		r.given |= optParams
		r.params = append(r.params, p)
	}
}

func (h Headers) apply(r *request) {
	if h != nil {
		r.given |= optHeaders
		r.headers = append(r.headers, h)
	}
}

func (d Data) apply(r *request) {
	if d != nil {
		r.given |= optData
		r.data = append(r.data, d)
	}
}

// Query is Params where a name repeats. Its values go behind those of Params.
func Query(v url.Values) Option { return queryOption(v) }

type queryOption url.Values

func (o queryOption) apply(r *request) {
	if o != nil {
		r.given |= optQuery
		r.query = append(r.query, url.Values(o))
	}
}

// HeaderValues is Headers where a name repeats. A name that Headers give too is
// sent with all values; a name without values sends none and takes the default away.
func HeaderValues(h http.Header) Option { return headerValuesOption(h) }

type headerValuesOption http.Header

func (o headerValuesOption) apply(r *request) {
	if o != nil {
		r.given |= optHeaderValues
		r.headerValues = append(r.headerValues, http.Header(o))
	}
}

// Form is Data where a name repeats. Its values go behind those of Data.
func Form(v url.Values) Option { return formOption(v) }

type formOption url.Values

func (o formOption) apply(r *request) {
	if o != nil {
		r.given |= optForm
		r.form = append(r.form, url.Values(o))
	}
}

// Host sends another Host header than the URL's: host or host:port, as gateways
// do; letters beyond ASCII are encoded (IDNA). The connection still goes where the URL says.
func Host(name string) Option { return hostOption(name) }

type hostOption string

func (o hostOption) apply(r *request) {
	r.given |= optHost
	host, err := uri.Host(strings.TrimSuffix(string(o), ":"))
	if err != nil && r.fault == nil {
		r.fault = inputError("Host", err)
	}
	r.host = host
}

// Timeout bounds the whole call, from the encoding of its body to the last byte of
// the answer, read and decoded; the earlier of it and the context's deadline counts. It must be
// more than zero.
func Timeout(d time.Duration) Option { return timeoutOption(d) }

type timeoutOption time.Duration

func (o timeoutOption) apply(r *request) {
	r.given |= optTimeout
	r.deadline = time.Now().Add(time.Duration(o)) // the call has begun
	if o <= 0 {
		r.refuse("Timeout", fmt.Sprintf("%v is no time to wait", time.Duration(o)), "give more than zero, or leave the option out")
	}
}

// NoRedirect hands a 3xx answer itself to the caller.
func NoRedirect() Option { return noRedirectOption{} }

type noRedirectOption struct{}

func (noRedirectOption) apply(r *request) { r.given |= optNoRedirect }

// ExpectContinue sends the head first, with "Expect: 100-continue", and the body
// when the server asks for it, or when Config.ExpectContinueTimeout is over. A server
// that does not want the body answers without it: that answer is returned, and the
// connection closed (RFC 9110 §10.1.1). A Body reader is not read before that. Without a
// body it does nothing. See also
// Config.ExpectContinueFrom.
func ExpectContinue() Option { return expectOption{} }

type expectOption struct{}

func (expectOption) apply(r *request) { r.given |= optExpect }
