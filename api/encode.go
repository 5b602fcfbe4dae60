package api

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
	"strings"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/coding"
	"github.com/seed53b03582/troupe/api/internal/uri"
	"github.com/seed53b03582/troupe/conn"
	"github.com/seed53b03582/troupe/conn/http1"
)

// prepare takes in what the user asked for, or says what is wrong with it. Nothing
// is sent in here.
func (r *request) prepare(url string, opts []Option) (err error) {
	if err = r.applyAll(opts); err != nil {
		return err
	}
	if err = r.checkMethod(); err != nil {
		return err
	}
	if err = r.checkMix(); err != nil {
		return err
	}
	r.url = url
	if r.to, err = locate(url); err != nil {
		return err
	}
	if r.has(optParams | optQuery) {
		r.buf = appendPairs(r, r.buf[:0], r.params, r.query)
		r.to.AddQuery(r.buf)
	}
	if err = r.loadBody(); err != nil {
		return r.located(err)
	}
	return nil
}

// encode makes the next request of the call: its head, and where it goes.
func (r *request) encode() (err error) {
	call := r.call
	if err = r.setOrigin(); err != nil {
		return err
	}
	call.Origin = &r.to.Origin
	call.Close, r.decodes = false, false
	if c := r.session.cookiesFor(r.to.url()); c != r.cookie {
		r.more().cookie = c
	}
	if call.Head, err = r.appendHead(call.Head[:0], r.to.Proxy); err != nil {
		return err
	}
	call.Body = nil
	if r.present {
		call.Body, r.Began = &r.payload.Body, actors.Moment{}
		if r.tries == 0 && len(r.history) == 0 {
			r.Began = r.began // later tries have not waited for it
		}
	}
	call.Stream = r.has(optStream | optStreamBody)
	call.HeadFirst, call.MaxBody = !call.Stream, r.bodyRoom()
	call.Patience = r.session.patience
	call.Pipeline = r.pipelines()
	call.Again, call.Freshness = r.tries > 0 || len(r.history) > 0, r.freshness()
	return r.pin(call)
}

// located gives an error over a file the URL it was to go to.
func (r *request) located(err error) error {
	var e *IOError
	if errors.As(err, &e) && e.URL == "" {
		e.URL = r.to.String()
	}
	return err
}

// setOrigin completes what the scheduler groups connections by. http has no TLS
// settings: calls with and without them share.
func (r *request) setOrigin() (err error) {
	o := &r.to.Origin
	o.TLS, o.Proxy = nil, nil
	if o.Scheme == "https" {
		o.TLS = r.tls
	}
	if p := r.session.proxies; p != nil {
		o.Proxy, err = p.of(r.to.url().NetURL())
	}
	return err
}

// checkMethod puts the known methods into capitals; others are case-sensitive
// (RFC 9110 §9.1) and stay.
func (r *request) checkMethod() error {
	if r.call.Method == "GET" { // most are
		return nil
	}
	for _, known := range [...]string{"GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"} {
		if strings.EqualFold(r.call.Method, known) {
			r.call.Method = known
			break
		}
	}
	switch {
	case r.call.Method == "CONNECT":
		return &InputError{Field: "method", Reason: "CONNECT asks for a tunnel, not for an answer", Fix: "name a proxy in Config.Proxy"}
	case !http1.ValidMethod(r.call.Method):
		return &InputError{Field: "method", Reason: fmt.Sprintf("%.40q is no token (RFC 9110 §9.1)", conn.MaskURL(r.call.Method)), Fix: "give one like GET"}
	}
	return nil
}

// checkMix refuses options that contradict each other. Data beside JSON does
// not: there JSON is ignored.
func (r *request) checkMix() error {
	const bodies = optData | optForm | optJSON | optBody | optMultipart
	const credentials = optBasicAuth | optBearer | optDigestAuth
	both := func(a, b option) error {
		return &InputError{Field: (r.given & a).String(), Reason: "can't be given together with " + (r.given & b).String(), Fix: "leave one of them out"}
	}
	switch {
	case r.has(optUpload) && r.has(bodies):
		return both(bodies, optUpload)
	case r.has(optBody) && r.has(bodies&^optBody):
		return both(optBody, bodies&^optBody)
	case r.has(optMultipart) && r.has(bodies&^optMultipart):
		return both(optMultipart, bodies&^optMultipart)
	case !r.has(optUpload) && r.has(optMIMEType|optMethod):
		return &InputError{Field: r.only(optMIMEType | optMethod).String(), Reason: "is for Upload alone",
			Fix: "give a Content-Type in Headers, a method as Request's argument"}
	case bits.OnesCount32(uint32(r.only(credentials))) > 1:
		first := r.first(credentials)
		return both(first, credentials&^first)
	case r.has(optStream) && r.has(optStreamBody):
		return both(optStream, optStreamBody)
	case r.has(optConnection) && r.has(optLease):
		return both(optConnection, optLease)
	case r.call.Method == http.MethodTrace && r.has(bodies):
		return &InputError{Field: r.only(bodies).String(), Reason: "a TRACE has no body (RFC 9110 §9.3.8)", Fix: "leave it out"}
	}
	return nil
}

// only is what was given of a set.
func (r *request) only(set option) option { return r.given & set }

// first is the first that was given of a set.
func (r *request) first(set option) option { return r.only(set) & -r.only(set) }

// own are the headers that have a default and stand among the caller's.
type own uint8

const (
	ownUserAgent own = 1 << iota
	ownAccept
	ownConnection
	ownAuthorization
	ownContentType
	ownAcceptEncoding // or Range: parts of an encoded body can't be decoded
	ownProxyAuthorization
)

// appendHead encodes the request's head (RFC 9112 §2.1): Host first, as RFC 9110
// §7.2 advises, the defaults, and the caller's headers sorted by name.
func (r *request) appendHead(dst []byte, proxy *conn.Proxy) ([]byte, error) {
	given, err := r.collectHeaders()
	if err != nil {
		return dst, err
	}
	// Method, target and authority have been checked; what is constant needs no check.
	dst = append(append(dst, r.call.Method...), ' ')
	forwarded := proxy != nil && proxy.Forwards(r.to.Scheme)
	if forwarded { // absolute-form, RFC 9112 §3.2.2
		dst = append(append(append(dst, r.to.Scheme...), "://"...), r.to.Authority...)
	}
	dst = append(append(dst, r.to.Target...), " HTTP/1.1\r\nHost: "...)
	dst = append(append(dst, cmp.Or(r.host, r.to.Authority)...), "\r\n"...)
	if given&ownUserAgent == 0 {
		dst = append(dst, "User-Agent: troupe\r\n"...)
	}
	if given&ownAccept == 0 {
		dst = append(dst, "Accept: */*\r\n"...)
	}
	if given&ownAcceptEncoding == 0 {
		dst = append(dst, "Accept-Encoding: "+coding.Accept+"\r\n"...)
		r.decodes = true
	}
	if given&ownConnection == 0 && r.session.oneShot {
		dst = append(dst, "Connection: close\r\n"...)
		r.call.Close = true
	}
	add := func(name, value string) {
		var fault error
		dst, fault = http1.AppendField(dst, name, value)
		err = cmp.Or(err, fault) // the first one counts
	}
	if given&ownAuthorization == 0 {
		if credentials := r.authorization(); credentials != "" {
			add("Authorization", credentials)
		}
	}
	if forwarded && given&ownProxyAuthorization == 0 && proxy.Authorization() != "" {
		add("Proxy-Authorization", proxy.Authorization())
	}
	if given&ownContentType == 0 && r.contentType != "" {
		add("Content-Type", r.contentType)
	}
	if r.cookie != "" {
		add("Cookie", r.cookie)
	}
	dst = r.appendExpect(r.appendFraming(dst))
	for _, f := range r.fields {
		if f.value != "" || !strings.EqualFold(f.name, "User-Agent") {
			add(f.name, f.value)
		}
	}
	if err = cmp.Or(r.fault, err); err != nil {
		return dst, headError(err)
	}
	return http1.AppendEnd(dst), nil
}

// appendFraming announces the body (RFC 9112 §6). Methods that are meant to have
// one say so when it is missing (RFC 9110 §8.6).
func (r *request) appendFraming(dst []byte) []byte {
	switch {
	case r.present && r.Size < 0:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	case r.present, r.call.Method == "POST", r.call.Method == "PUT", r.call.Method == "PATCH":
		return http1.AppendUintField(dst, "Content-Length", uint64(r.Size)+uint64(len(r.Bytes)))
	}
	return dst
}

// appendExpect asks the server whether it wants the body, where that is worth a
// round trip.
func (r *request) appendExpect(dst []byte) []byte {
	if !r.present {
		return dst
	}
	s := r.session
	r.Expect = 0
	known := r.Size >= 0
	size := r.Size + int64(len(r.Bytes))
	large := s.expectFrom > 0 && (!known || size >= s.expectFrom)
	if known && size == 0 || r.unexpected || !r.has(optExpect) && !large {
		return dst
	}
	r.Expect = s.expectWait
	return append(dst, "Expect: 100-continue\r\n"...)
}

// headError names what the codec refused.
func headError(err error) error {
	var f *http1.FieldError
	if !errors.As(err, &f) {
		return err
	}
	e := &InputError{Field: "Headers", Reason: f.What + " is not valid: " + f.Reason, Fix: "take out what is not allowed (RFC 9110 §5)"}
	if f.Name != "" {
		e.Reason = fmt.Sprintf("%s of %.80q is not valid: %s", f.What, f.Name, f.Reason)
	}
	return e
}

// collectHeaders sorts the caller's headers into r.fields and tells which
// defaults they replace.
func (r *request) collectHeaders() (given own, err error) {
	if !r.has(optHeaders | optHeaderValues) {
		if len(r.fields) > 0 { // those of a query or a form
			r.fields = r.fields[:0]
		}
		return 0, nil
	}
	r.fields = appendSingles(r.fields[:0], r.headers)
	for _, h := range r.headerValues {
		for name, values := range h {
			if len(values) == 0 {
				r.fields = append(r.fields, field{name: name, absent: true})
			}
			for _, v := range values {
				r.fields = append(r.fields, field{name: name, value: v})
			}
		}
	}
	sortFields(r.fields)
	for i := range r.fields {
		o, err := r.judge(&r.fields[i])
		if err != nil {
			return 0, err
		}
		given |= o
	}
	r.fields = slices.DeleteFunc(r.fields, func(f field) bool { return f.absent })
	return given, nil
}

// judge tells which default a header of the caller's replaces, and refuses what
// the caller can't decide.
func (r *request) judge(f *field) (own, error) {
	is := func(name string) bool { return strings.EqualFold(f.name, name) }
	switch {
	case is("Host"), is("Content-Length"), is("Transfer-Encoding"):
		return 0, &InputError{Field: "Headers", Reason: fmt.Sprintf("%q can't be given", f.name), Err: ErrReservedHeader,
			Fix: "leave it out; for another Host there is the option Host"}
	case is("Expect") && containsToken(f.value, "100-continue"):
		r.given |= optExpect
		f.absent = true
	case r.dropped(is):
		f.absent = true
	case is("Cookie") && r.cookie != "": // what the jar knows stands beside it, in one line (RFC 6265 §5.4)
		f.value += "; " + r.cookie
		r.cookie = ""
	case is("Connection"):
		r.call.Close = r.call.Close || containsToken(f.value, "close")
		return ownConnection, nil
	case is("User-Agent"):
		return ownUserAgent, nil
	case is("Accept"):
		return ownAccept, nil
	case is("Accept-Encoding"), is("Range"):
		return ownAcceptEncoding, nil
	case is("Proxy-Authorization"):
		return ownProxyAuthorization, nil
	case is("Authorization"):
		return ownAuthorization, nil
	case is("Content-Type"):
		if r.has(optMultipart) {
			return 0, &InputError{Field: "Headers", Reason: fmt.Sprintf("%q can't be given beside Multipart, whose boundary it must name", f.name), Fix: "leave it out"}
		}
		return ownContentType, nil
	}
	return 0, nil
}

// containsToken looks for a token in a comma-separated list, whatever its case
// (RFC 9110 §5.6.1).
func containsToken(list, token string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(part, " \t"), token) {
			return true
		}
	}
	return false
}

// appendPairs encodes names and values of a query or a form, first the singles,
// then those that may repeat, both in the order of their names.
func appendPairs[S ~map[string]string, M ~map[string][]string](r *request, dst []byte, singles []S, multis []M) []byte {
	r.fields = appendSingles(r.fields[:0], singles)
	sortFields(r.fields)
	dst = appendEncoded(dst, r.fields)

	r.fields = r.fields[:0]
	for _, m := range multis {
		for name, values := range m {
			for _, v := range values {
				r.fields = append(r.fields, field{name: name, value: v})
			}
		}
	}
	sortFields(r.fields)
	return appendEncoded(dst, r.fields)
}

// appendSingles appends the pairs of the maps; of a name in several, the last.
func appendSingles[S ~map[string]string](fields []field, maps []S) []field {
	for i, m := range maps {
		for name, value := range m {
			if !anyHas(maps[i+1:], name) {
				fields = append(fields, field{name: name, value: value})
			}
		}
	}
	return fields
}

func anyHas[S ~map[string]string](maps []S, name string) bool {
	for _, m := range maps {
		if _, ok := m[name]; ok {
			return true
		}
	}
	return false
}

// sortFields keeps the order of values under one name.
func sortFields(fields []field) {
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
}

func appendEncoded(dst []byte, fields []field) []byte {
	for _, f := range fields {
		dst = uri.AppendPair(dst, f.name, f.value)
	}
	return dst
}
