package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// endless is a server whose answer never ends.
func endless(w http.ResponseWriter, _ *http.Request) {
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for {
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

func ExampleStreamBody() {
	server := serve(func(w http.ResponseWriter, _ *http.Request) {
		for _, word := range []string{"one", "two", "three"} {
			fmt.Fprintln(w, word)
		}
	})
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	resp, err := session.Get(context.Background(), server.URL, api.StreamBody())
	if err != nil {
		fmt.Println(err)
		return
	}
	body := resp.Body()
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
	fmt.Println(lines.Err())
	// Output:
	// one
	// two
	// three
	// <nil>
}

// To a file the kernel moves the body, where it can.
func ExampleResponse_Body_copy() {
	server := serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4000000")
		w.Write(make([]byte, 4_000_000))
	})
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	file, err := os.CreateTemp("", "download")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(file.Name())
	defer file.Close()
	resp, err := session.Get(context.Background(), server.URL, api.StreamBody())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body().Close()
	fmt.Println(io.Copy(file, resp.Body()))
	// Output: 4000000 <nil>
}

func ExampleResponse_Chunks() {
	server := serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "0123456789") })
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	resp, err := session.Get(context.Background(), server.URL, api.StreamBody())
	if err != nil {
		fmt.Println(err)
		return
	}
	for chunk, err := range resp.Chunks(4) {
		fmt.Printf("%q %v\n", chunk, err)
	}
	// Output:
	// "0123" <nil>
	// "4567" <nil>
	// "89" <nil>
}

// Leaving the loop ends the answer and its connection.
func ExampleResponse_Chunks_break() {
	server := serve(endless)
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()

	resp, err := session.Get(context.Background(), server.URL, api.StreamBody())
	if err != nil {
		fmt.Println(err)
		return
	}
	for chunk, err := range resp.Chunks(1024) {
		fmt.Println(len(chunk), err)
		break
	}
	fmt.Println("kept:", resp.Connection() != nil)
	// Output:
	// 1024 <nil>
	// kept: false
}

// A body that was forgotten is given up, and the log tells where it was opened.
func ExampleErrBodyAbandoned() {
	server := serve(endless)
	defer server.Close()
	told := make(chan string, 1)
	session := newSession(api.Config{
		BodyTimeout: 10 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(channel(told), &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case "time", "url": // change from run to run
				return slog.Attr{}
			case "opened":
				file, _, _ := strings.Cut(path.Base(a.Value.String()), ":") // behind it is the line
				return slog.String(a.Key, file)
			}
			return a
		}})),
	})
	defer session.Close()

	resp, err := session.Get(context.Background(), server.URL, api.StreamBody())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(<-told)
	_, err = io.Copy(io.Discard, resp.Body())
	fmt.Println(errors.Is(err, api.ErrBodyAbandoned))
	// Output:
	// level=WARN msg="response body abandoned" opened=example_body_test.go
	// true
}

// channel hands on what is written to it.
type channel chan<- string

func (c channel) Write(p []byte) (int, error) {
	c <- string(p)
	return len(p), nil
}
