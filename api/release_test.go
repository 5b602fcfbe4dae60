package api

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Release from any number of goroutines, beside one that reads the streamed body in
// whatever way and others that ask for what outlives it: the reader is told, and nobody
// gets anything of another answer. The race detector sees to the rest.
func TestReleaseBesideReaders(t *testing.T) {
	for name, read := range map[string]func(*Response, io.Writer) error{
		"Read": func(r *Response, to io.Writer) error {
			_, err := io.Copy(to, struct{ io.Reader }{r.Body()})
			return err
		},
		"Copy": func(r *Response, to io.Writer) error { _, err := io.Copy(to, r.Body()); return err },
		"Chunks": func(r *Response, to io.Writer) (err error) {
			for chunk, failed := range r.Chunks(1000) {
				to.Write(chunk)
				err = failed
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, func(n int, _ *http.Request) string {
				return withLength(strings.Repeat(string(rune('a'+n%26)), 200_000))
			})
			s := newSession(t, Config{})
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 25 {
						releaseWhileRead(t, s, server.URL, read)
					}
				})
			}
			all.Wait()
		})
	}
}

func releaseWhileRead(t *testing.T, s *Session, url string, read func(*Response, io.Writer) error) {
	resp, err := s.Get(t.Context(), url, StreamBody())
	if err != nil {
		t.Error(err)
		return
	}
	var got strings.Builder
	var all sync.WaitGroup
	begun := make(chan struct{})
	all.Go(func() {
		close(begun)
		if err := read(resp, &got); err == nil && got.Len() != 200_000 {
			t.Errorf("%d bytes, and no error", got.Len())
		}
	})
	<-begun
	for range 2 {
		all.Go(resp.Release)
		all.Go(func() { _ = fmt.Sprint(resp.Status(), resp.URL(), resp.Connection() == nil, len(resp.History())) })
	}
	all.Wait()
	if text := got.String(); strings.Trim(text, text[:min(1, len(text))]) != "" {
		t.Error("bytes of another answer")
	}
}
