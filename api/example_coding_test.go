package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// zipped is a server of one text, compressed for those who take that.
func zipped(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			io.WriteString(w, text)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, text)
		z.Close()
	}
}

func ExampleResponse_Content() {
	server := serve(zipped("hello, hello"))
	defer server.Close()
	session := newSession(api.Config{})
	defer session.Close()
	ctx := context.Background()

	resp, err := session.Get(ctx, server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q %q %q\n", resp.Content(), resp.Header("Content-Encoding"), resp.Header("Content-Length"))

	// Who asks for a coding gets it.
	resp, err = session.Get(ctx, server.URL, api.Headers{"Accept-Encoding": "gzip"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%x %q\n", resp.Content()[:2], resp.Header("Content-Encoding"))
	// Output:
	// "hello, hello" "" ""
	// 1f8b "gzip"
}

// Chunks are of what is decoded.
func ExampleStream_decoded() {
	server := serve(zipped("hello, hello"))
	defer server.Close()

	_, err := api.Get(context.Background(), server.URL, api.Stream(func(chunk []byte) error {
		fmt.Printf("%q\n", chunk)
		return nil
	}, 7))
	fmt.Println(err)
	// Output:
	// "hello, "
	// "hello"
	// <nil>
}

// Some 10 KiB that would become 10 MiB.
func ExampleErrTooLarge() {
	server := serve(zipped(strings.Repeat("0", 10<<20)))
	defer server.Close()
	session := newSession(api.Config{MaxBodyBytes: 1 << 20})
	defer session.Close()

	_, err := session.Get(context.Background(), server.URL)
	fmt.Println(errors.Is(err, api.ErrTooLarge))
	// Output: true
}

func ExampleResponse_Text() {
	server := serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=ISO-8859-1")
		io.WriteString(w, "gr\xfc\xdfe")
	})
	defer server.Close()

	resp, err := api.Get(context.Background(), server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %q\n", resp.Text(), resp.Content())
	// Output: grüße "gr\xfc\xdfe"
}

// A range is one of the bytes as they are: no coding is asked for beside it.
func ExampleHeaders_range() {
	server := serve(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Asked", r.Header.Get("Accept-Encoding"))
		http.ServeContent(w, r, "numbers.txt", time.Time{}, bytes.NewReader([]byte("0123456789")))
	})
	defer server.Close()

	resp, err := api.Get(context.Background(), server.URL, api.Headers{"Range": "bytes=2-5"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d %s %s %q\n", resp.Status(), resp.Text(), resp.Header("Content-Range"), resp.Header("X-Asked"))
	// Output: 206 2345 bytes 2-5/10 ""
}
