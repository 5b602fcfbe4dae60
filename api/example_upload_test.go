package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// meter is a Driver that counts what is written to its sockets.
type meter struct {
	net.Dialer
	written atomic.Int64
}

func (m *meter) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := m.Dialer.DialContext(ctx, network, address)
	return metered{c, m}, err
}

type metered struct {
	net.Conn
	m *meter
}

func (c metered) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.m.written.Add(int64(n))
	return n, err
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// guarded takes uploads of those with a token. It decides before it reads.
func guarded(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") == "" {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	n, _ := io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, n, " bytes came")
}

func ExampleExpectContinue() {
	server := serve(guarded)
	defer server.Close()
	sockets := &meter{}
	session := newSession(api.Config{Driver: sockets, ExpectContinueTimeout: time.Minute}) // this server knows of it
	defer session.Close()
	ctx, large := context.Background(), strings.NewReader(strings.Repeat("large", 1<<20))

	show(session.Post(ctx, server.URL, api.Body(large), api.ExpectContinue()))
	fmt.Println("no more than a head was sent:", sockets.written.Load() < 1024)
	show(session.Post(ctx, server.URL, api.Body(large), api.ExpectContinue(), api.Bearer("t0ken")))
	// Output:
	// 401 who are you?
	//
	// no more than a head was sent: true
	// 200 5242880 bytes came
}

// From a size on, a session asks by itself.
func ExampleConfig_expectContinueFrom() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%q", r.Header["Expect"])
	})
	defer server.Close()
	session := newSession(api.Config{ExpectContinueFrom: 1 << 20})
	defer session.Close()
	ctx := context.Background()

	show(session.Put(ctx, server.URL, api.Body(strings.NewReader("small"))))
	show(session.Put(ctx, server.URL, api.Body(strings.NewReader(strings.Repeat("large", 1<<20)))))
	// Output:
	// 200 []
	// 200 ["100-continue"]
}

// The server has no use for the body and says so while it is sent. The rest, of which
// there is no end here, stays unsent.
func ExampleSession_Post_earlyAnswer() {
	server := serve(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, "16 MiB at most")
	})
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	resp, err := session.Post(context.Background(), server.URL, api.Body(zeros{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), resp.Text(), "- kept:", resp.Connection() != nil)
	// Output: 413 16 MiB at most - kept: false
}

// form tells what a server reads of a multipart form.
func form(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintf(w, "title %q", r.FormValue("title"))
	for _, name := range []string{"cover", "text"} {
		for _, f := range r.MultipartForm.File[name] {
			fmt.Fprintf(w, ", %s %s of %d bytes, %s", name, f.Filename, f.Size, f.Header.Get("Content-Type"))
		}
	}
	fmt.Fprint(w, ", length known: ", r.ContentLength > 0)
}

func ExampleMultipart() {
	server := serve(form)
	defer server.Close()
	cover := strings.NewReader("\x89PNG…") // a File, as what OpenFile returns

	show(api.Post(context.Background(), server.URL, api.Multipart(
		api.Field("title", "Notes"),
		api.FilePart("cover", "cover.png", cover),
		api.FilePart("text", "notes.md", strings.NewReader("# Notes")).MIMEType("text/markdown"),
	)))
	// Output: 200 title "Notes", cover cover.png of 7 bytes, image/png, text notes.md of 7 bytes, text/markdown, length known: true
}

// What has no size is sent until its end, and the form in chunks.
func ExampleReaderPart() {
	server := serve(form)
	defer server.Close()
	text, w := io.Pipe()
	go func() {
		io.WriteString(w, "written while it is sent")
		w.Close()
	}()

	show(api.Post(context.Background(), server.URL, api.Multipart(
		api.Field("title", "Notes"),
		api.ReaderPart("text", "notes.txt", text).MIMEType("text/plain"),
	)))
	// Output: 200 title "Notes", text notes.txt of 24 bytes, text/plain, length known: false
}

// A form that can't be sent is refused before anything is.
func ExampleMultipart_wrong() {
	_, err := api.Post(context.Background(), "http://127.0.0.1:1/", api.Multipart(api.Field("", "nameless")))
	fmt.Println(errors.As(err, new(*api.InputError)), err)
	// Output: true troupe: Multipart: a part has no name (RFC 7578 §4.2); give one
}

// A call closes its Body, which frees a Read that blocks. A body of which the Close is
// hidden stays open.
func ExampleBody() {
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.WriteString(w, "the rest never comes")
		cancel()
	}()
	_, err := api.Post(ctx, "http://127.0.0.1:1/", api.Body(r))
	_, closed := io.WriteString(w, "it does")
	fmt.Println(err != nil, closed)

	r, w = io.Pipe()
	go func() { fmt.Fprint(w, "written"); w.Close() }()
	server := serve(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	defer server.Close()
	show(api.Post(context.Background(), server.URL, api.Body(struct{ io.Reader }{r})))
	_, open := r.Read(make([]byte, 1))
	fmt.Println(open)
	// Output:
	// true io: read/write on closed pipe
	// 200 written
	// EOF
}
