package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// startServer starts a server that tells what it was asked.
func startServer() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Method", r.Method)
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprintf(w, "%s %s", r.Method, r.URL)
		if len(body) > 0 {
			fmt.Fprintf(w, " with %s: %s", r.Header.Get("Content-Type"), body)
		}
	}))
}

// serve starts a server of one function.
func serve(f http.HandlerFunc) *httptest.Server { return httptest.NewServer(f) }

// newSession is NewSession for settings that are known to be right. Where a dial takes
// long another is made beside it: not so here, or the output would tell of a busy machine.
func newSession(cfg api.Config) *api.Session {
	cfg.MaxDialsPerOrigin = 1
	session, err := api.NewSession(cfg)
	if err != nil {
		panic(err)
	}
	return session
}

// withSession runs f with a server and a session.
func withSession(f func(ctx context.Context, s *api.Session, url string)) {
	server := startServer()
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()
	f(context.Background(), session, server.URL)
}

// show prints an answer.
func show(resp *api.Response, err error) {
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), resp.Text())
}

func Example() {
	server := startServer()
	defer server.Close()
	ctx := context.Background()

	session, err := api.NewSession(api.Config{MaxConnsPerOrigin: 8})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()

	resp, err := session.Get(ctx, server.URL+"/search", api.Params{"q": "a b"}, api.Timeout(30*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), resp.Text())
	// Output: 200 GET /search?q=a+b
}

func ExampleGet() {
	server := startServer()
	defer server.Close()

	resp, err := api.Get(context.Background(), server.URL+"/search", api.Params{"q": "a b"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), resp.Text())
	// Output: 200 GET /search?q=a+b
}

// A connection kept alive is the caller's own, and may be given to the next call.
func ExampleGet_keepAlive() {
	server := startServer()
	defer server.Close()
	ctx, keep := context.Background(), api.Headers{"Connection": "keep-alive"}

	first, err := api.Get(ctx, server.URL, keep)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer first.Connection().Close()
	second, err := api.Get(ctx, server.URL, keep, first.Connection())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(second.Connection().Requests(), "requests over one connection")
	// Output: 2 requests over one connection
}

func ExamplePost() {
	server := startServer()
	defer server.Close()

	resp, err := api.Post(context.Background(), server.URL+"/form", api.Data{"name": "Ada", "year": "1815"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Text())
	// Output: POST /form with application/x-www-form-urlencoded: name=Ada&year=1815
}

func ExamplePut() {
	server := startServer()
	defer server.Close()

	resp, err := api.Put(context.Background(), server.URL+"/ada", api.JSON(map[string]int{"year": 1815}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Text())
	// Output: PUT /ada with application/json: {"year":1815}
}

func ExamplePatch() {
	server := startServer()
	defer server.Close()

	resp, err := api.Patch(context.Background(), server.URL+"/ada", api.Body(strings.NewReader("year: 1815")),
		api.Headers{"Content-Type": "text/plain"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Text())
	// Output: PATCH /ada with text/plain: year: 1815
}

func ExampleDelete() {
	server := startServer()
	defer server.Close()

	resp, err := api.Delete(context.Background(), server.URL+"/ada")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), resp.Text())
	// Output: 200 DELETE /ada
}

func ExampleHead() {
	server := startServer()
	defer server.Close()

	resp, err := api.Head(context.Background(), server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status(), resp.Header("X-Method"), len(resp.Content()))
	// Output: 200 HEAD 0
}

func ExampleOptions() {
	server := startServer()
	defer server.Close()

	resp, err := api.Options(context.Background(), server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Text())
	// Output: OPTIONS /
}

func ExampleRequest() {
	server := startServer()
	defer server.Close()

	resp, err := api.Request(context.Background(), "PURGE", server.URL+"/cache")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Text())
	// Output: PURGE /cache
}

func ExampleUpload() {
	server := startServer()
	defer server.Close()

	resp, err := api.Upload(context.Background(), server.URL+"/inbox", strings.NewReader("hello"),
		api.Method("PUT"), api.MIMEType("text/plain"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Text())
	// Output: PUT /inbox with text/plain: hello
}

func ExampleOpenFile() {
	server := startServer()
	defer server.Close()
	folder, _ := os.MkdirTemp("", "troupe")
	defer os.RemoveAll(folder)
	name := filepath.Join(folder, "note.txt")
	os.WriteFile(name, []byte("hello from disk"), 0o600)

	file, err := api.OpenFile(name)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	resp, err := api.Upload(context.Background(), server.URL+"/inbox", file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Text())
	// Output: POST /inbox with application/octet-stream: hello from disk
}

func ExampleShutdown() {
	server := startServer()
	defer server.Close()

	api.Get(context.Background(), server.URL)

	// At the end of a program or test: nothing is left behind.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	fmt.Println(api.Shutdown(ctx))
	// Output: <nil>
}

func ExampleStream() {
	server := startServer()
	defer server.Close()

	_, err := api.Get(context.Background(), server.URL+"/long", api.Stream(func(chunk []byte) error {
		fmt.Printf("%q\n", chunk)
		return nil
	}, 4))
	fmt.Println(err)
	// Output:
	// "GET "
	// "/lon"
	// "g"
	// <nil>
}

func ExampleResponse_Err() {
	withSession(func(ctx context.Context, s *api.Session, url string) {
		resp, err := s.Get(ctx, url+"/missing")
		if err != nil {
			fmt.Println(err) // the status is no error of the call
			return
		}
		var status *api.StatusError
		fmt.Println(errors.As(resp.Err(), &status), status.Code)
	})
	// Output: true 404
}

func ExampleResponse_JSON() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"name":"Ada"}`)
	}))
	defer server.Close()

	resp, err := api.Get(context.Background(), server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	var person struct{ Name string }
	fmt.Println(resp.JSON(&person), person.Name)
	// Output: <nil> Ada
}
