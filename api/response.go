package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/seed53b03582/troupe/actors"
	"github.com/seed53b03582/troupe/api/internal/charset"
	"github.com/seed53b03582/troupe/conn"
)

// Response is an answer, whole when it is returned: nothing leaks if it is
// dropped. Its methods are for one goroutine at a time. Connection, Status, URL and
// History may be called by any, beside any other; so may Release of a StreamBody whose
// body is being read, which ends that Read.
type Response struct {
	status     int32
	url        string // with its fragment, without user info
	connection Connection
	session    *Session
	tries      int32 // how often the request was sent
	decoded    bool  // the body was, so headers about its encoding are gone
	truncated  bool  // Content is the beginning of it
	rare       *rare // what most answers have nothing of

	// What was asked for and outlives Release.
	text    string
	headers http.Header

	// answer is in one hand only: taken out by the first Release, so that what
	// is recycled is never reached through an old Response.
	answer atomic.Pointer[actors.Answer]
}

// rare is the part of a Response that most have none of: a Response is made for each
// call, and a third of its size matters.
type rare struct {
	history []*Response // oldest first
	body    *bodyReader // of StreamBody
	unmet   error       // see NotRepeated
}

func (r *Response) more() *rare {
	if r.rare == nil {
		r.rare = new(rare)
	}
	return r.rare
}

// Status is the status code, 200 to 999 (RFC 9110 §15).
func (r *Response) Status() int { return int(r.status) }

// Content is the body; empty, never nil, where there is none. After a Stream it
// is the last chunk. It is not to be used after Release.
func (r *Response) Content() []byte {
	a := r.answer.Load()
	if a == nil || len(a.Buf) == a.BodyAt {
		return []byte{}
	}
	body := a.Body()
	return body[:len(body):len(body)]
}

// Text is Content as a string, decoded from the charset that Content-Type names, or else
// that a byte order mark tells, or else taken to be UTF-8. It is valid UTF-8 whatever
// came: bytes that make no sense in the charset become U+FFFD. It is made once and stays
// after Release.
func (r *Response) Text() string {
	if r.text == "" {
		r.text = charset.Text(r.Content(), r.Header("Content-Type"))
	}
	return r.text
}

// Headers are all headers of the answer under their canonical names, in the order
// they came. The map is made once, is the caller's, and stays after Release; first
// asked for after it, the map is empty.
func (r *Response) Headers() http.Header {
	if r.headers != nil {
		return r.headers
	}
	r.headers = http.Header{}
	if a := r.answer.Load(); a != nil {
		for i := range a.Head.Len() {
			name, value := a.Field(i)
			key := textproto.CanonicalMIMEHeaderKey(string(name))
			if r.decoded && (key == "Content-Encoding" || key == "Content-Length") {
				continue
			}
			r.headers[key] = append(r.headers[key], string(value))
		}
	}
	return r.headers
}

// Header is the first value of a header, whatever the case of its name; empty
// where there is none.
func (r *Response) Header(name string) string {
	if r.headers != nil || r.decoded {
		return r.Headers().Get(name)
	}
	if a := r.answer.Load(); a != nil {
		return string(a.Get(name))
	}
	return ""
}

// Connection is the connection used, or nil if it has been closed, as it is after
// a one-shot call that did not ask to keep it.
func (r *Response) Connection() *Connection {
	if r.connection.conn == nil || r.connection.conn.Closed() {
		return nil
	}
	return &r.connection
}

// JSON decodes Content into v with encoding/json. A byte order mark is left out; UTF-16 and
// UTF-32, which older senders use (RFC 4627 §3), are known by their zeros, and what is not
// UTF-8 is read by the charset of Content-Type, where that names one.
func (r *Response) JSON(v any) error {
	if err := json.Unmarshal(charset.JSON(r.Content(), r.Header("Content-Type")), v); err != nil {
		return fmt.Errorf("troupe: %s: status %d, decoding %d bytes of body as JSON: %w", r.shown(), r.status, len(r.Content()), err)
	}
	return nil
}

// Err is a *StatusError for statuses of 400 and above, else nil.
func (r *Response) Err() error {
	if r.status < 400 {
		return nil
	}
	return &StatusError{Code: r.Status(), URL: r.shown()}
}

// URL is the URL that answered, after redirects, as it was sent and with its fragment, but without
// user info. It is whole, as errors and logs never show it: its query may hold secrets.
func (r *Response) URL() string { return r.url }

// shown is the URL for errors and logs: without the fragment, which may be a secret, and
// with those of the query masked.
func (r *Response) shown() string {
	url, _, _ := strings.Cut(r.url, "#")
	return conn.MaskURL(url)
}

// String is the status and the URL, secrets masked as in errors. So fmt and slog print no
// more of a Response.
func (r *Response) String() string {
	if r == nil {
		return "no response"
	}
	return strconv.Itoa(r.Status()) + " " + r.shown()
}

// GoString is String, for %#v.
func (r *Response) GoString() string { return r.String() }

// Truncated tells that Content is no more than the beginning of the body. It is so for
// redirects in the History whose body was long or slow in coming, since nobody waits for
// it: see History. What a call returns is whole.
func (r *Response) Truncated() bool { return r.truncated }

// History are the redirects that were followed, oldest first. Their bodies are read, and
// kept, up to 64 KiB, decoded, as far as they come within 100 ms of the head; Truncated tells
// where that was not all.
func (r *Response) History() []*Response {
	if r.rare == nil {
		return nil
	}
	return r.rare.history
}

// NotRepeated tells why the call ends with this answer where it asked for the request once
// more: a 401 to DigestAuth, a 417 to an Expect of ExpectContinue, a status of
// Retry.Statuses to an idempotent request. It is ErrBodyGone where the body could not be sent
// again; for a 401 it may also be that the server refused user or password, or offers nothing
// that can be answered. It is nil for all other answers. (A redirect that can't be followed
// is a *RedirectError.)
func (r *Response) NotRepeated() error {
	if r.rare == nil {
		return nil
	}
	return r.rare.unmet
}

// Release hands the buffers back for reuse. It is optional and idempotent, and may be
// called from several goroutines. What Content returned must not be used afterwards;
// what Text and Headers returned may. No other goroutine may be in a method that reads
// those buffers (Content, Text, JSON, Header, Headers, Trace, Curl) when it is called,
// nor still use what Content returned: they serve another answer at once. What reads the
// Body of a StreamBody may go on, and is told that it was closed.
func (r *Response) Release() {
	if r == nil {
		return
	}
	if b := r.streamed(); b != nil {
		b.Close()
	}
	if a := r.answer.Swap(nil); a != nil {
		r.session.sched.FreeAnswer(a)
	}
}
