package servers

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/mccutchen/go-httpbin/v2/httpbin"

	"github.com/seed53b03582/troupe/api"
)

// startHTTPBin serves go-httpbin from a net/http server of its own, so that its end
// can be awaited, and gives its URL.
func startHTTPBin(t testing.TB) (base string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: httpbin.New(), ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

// mirrored is what go-httpbin tells of a request.
type mirrored struct {
	Args    url.Values
	Headers http.Header
	Method  string
	URL     string
	Data    string
	Files   url.Values
	Form    url.Values
	JSON    any
}

// mirror reads what the server says it was sent.
func mirror(t testing.TB, resp *api.Response) (m mirrored) {
	t.Helper()
	if err := resp.JSON(&m); err != nil {
		t.Fatalf("%v: %.300q", err, resp.Content())
	}
	return m
}
