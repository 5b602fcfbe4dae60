package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/seed53b03582/troupe/api"
)

func ExampleResponse_Trace() {
	server := startServer()
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	for range 2 {
		resp, err := session.Get(context.Background(), server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		t := resp.Trace()
		fmt.Println("reused", t.Reused, "- dialled", t.Dial > 0, "- attempts", t.Attempts, "-", t.Protocol)
		fmt.Println("written", t.Write > 0, "- answered", t.FirstByte > 0, "- all within the total:", t.Queued+t.Dial+t.Write+t.FirstByte <= t.Total)
	}
	// Output:
	// reused false - dialled true - attempts 1 - HTTP/1.1
	// written true - answered true - all within the total: true
	// reused true - dialled false - attempts 1 - HTTP/1.1
	// written true - answered true - all within the total: true
}

// Errors tell the same: here that the server was reached, and had not answered when the
// caller lost patience.
func ExampleTrace() {
	ctx, leave := context.WithCancel(context.Background())
	server := serve(func(_ http.ResponseWriter, r *http.Request) {
		leave()
		<-r.Context().Done()
	})
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	_, err := session.Get(ctx, server.URL)
	var broken *api.IOError
	if !errors.As(err, &broken) {
		fmt.Println(err)
		return
	}
	t := broken.Trace
	fmt.Println(broken.Op, "from the server:", t.Peer.String() == server.Listener.Addr().String())
	fmt.Println("written", t.Write > 0, "- answered", t.FirstByte > 0, "- waited for the answer", t.Total-t.Queued-t.Dial-t.Write > 0)
	// Output:
	// read from the server: true
	// written true - answered false - waited for the answer true
}

func ExampleResponse_Curl() {
	server := startServer()
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	resp, err := session.Post(context.Background(), server.URL+"/login?token=t0ken", api.Bearer("t0ken"),
		api.JSON(map[string]string{"user": "ada", "password": "s3cret"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Replace(resp.Curl(), server.URL, "http://host", 1))
	// Output: curl --http1.1 --globoff --path-as-is --compressed --request 'POST' 'http://host/login?token=***' --header 'User-Agent: troupe' --header 'Accept: */*' --header 'Authorization: Bearer ***' --header 'Content-Type: application/json' --data-raw '{"password":"***","user":"ada"}'
}

// Before anything is sent.
func ExampleSession_Curl() {
	session := newSession(api.Config{})
	defer session.Close()

	line, err := session.Curl("PUT", "http://host/ada", api.Body(strings.NewReader("it's 1815")), api.Headers{"User-Agent": ""})
	fmt.Println(line, err)
	// Output: curl --http1.1 --globoff --path-as-is --compressed --request 'PUT' 'http://host/ada' --header 'Accept: */*' --header 'Content-Type:' --data-raw 'it'\''s 1815' <nil>
}

// All that goes over the wire. Secrets are masked.
func ExampleConfig_wireLog() {
	server := serve(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil })
	defer server.Close()
	session := newSession(api.Config{WireLog: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case "time", "connection", "origin": // change from run to run
				return slog.Attr{}
			case "text":
				return slog.String(a.Key, strings.Replace(a.Value.String(), server.Listener.Addr().String(), "host", 1))
			}
			return a
		},
	}))})

	if _, err := session.Get(context.Background(), server.URL, api.BasicAuth("ada", "s3cret")); err != nil {
		fmt.Println(err)
	}
	session.Close() // when it returns, the log is whole
	// Output:
	// level=INFO msg=wire sent=true text="GET / HTTP/1.1\nHost: host\nUser-Agent: troupe\nAccept: */*\nAccept-Encoding: gzip, deflate, br, zstd\nAuthorization: ***\n\n"
	// level=INFO msg=wire sent=false text="HTTP/1.1 200 OK\nContent-Length: 0\n\n"
}
