package api

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

func TestPipelineSettings(t *testing.T) {
	for _, c := range []struct {
		name     string
		pipeline Pipeline
		field    string // empty: it is taken
	}{
		{"none", Pipeline{}, ""},
		{"one", Pipeline{Depth: 1}, ""},
		{"most", Pipeline{Depth: 4096}, ""},
		{"too deep", Pipeline{Depth: 4097}, "Config.Pipeline.Depth"},
		{"negative", Pipeline{Depth: -1}, "Config.Pipeline.Depth"},
		{"origins", Pipeline{Depth: 8, Origins: []string{"http://h", "https://h:443", "http://h:8080/", "http://[::1]:80"}}, ""},
		{"a path", Pipeline{Depth: 8, Origins: []string{"http://h", "http://h/path"}}, "Config.Pipeline.Origins[1]"},
		{"a query", Pipeline{Origins: []string{"http://h/?a"}}, "Config.Pipeline.Origins[0]"},
		{"user info", Pipeline{Origins: []string{"http://joe:geheim@h"}}, "Config.Pipeline.Origins[0]"},
		{"no scheme", Pipeline{Origins: []string{"h:80"}}, "Config.Pipeline.Origins[0]"},
		{"empty", Pipeline{Origins: []string{""}}, "Config.Pipeline.Origins[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := NewSession(Config{Pipeline: c.pipeline})
			if s != nil {
				s.Close()
			}
			var input *InputError
			errors.As(err, &input)
			switch {
			case c.field == "" && err != nil:
				t.Error(err)
			case c.field != "" && (input == nil || input.Field != c.field):
				t.Errorf("got %v, want an *InputError over %s", err, c.field)
			case err != nil && strings.Contains(err.Error(), "geheim"):
				t.Errorf("a secret shows: %v", err)
			}
		})
	}
}

func TestPipelineIsForItsOrigins(t *testing.T) {
	for _, c := range []struct {
		origin, method, url string
		want                bool
	}{
		{"", "GET", "http://h/", true},
		{"", "PUT", "http://h/", true},
		{"", "POST", "http://h/", false},
		{"", "PATCH", "http://h/", false},
		{"", "BREW", "http://h/", false},
		{"http://h", "GET", "http://h:80/a", true},
		{"http://H:80", "GET", "http://h/a", true},
		{"http://h", "GET", "https://h/", false},
		{"http://h", "GET", "http://h:81/", false},
		{"http://h", "GET", "http://g/", false},
		{"https://[::1]", "GET", "https://[::1]:443/", true},
	} {
		p := Pipeline{Depth: 8}
		if c.origin != "" {
			p.Origins = []string{"http://other", c.origin}
		}
		s := newSession(t, Config{Pipeline: p})
		r := s.takeRequest()
		r.call.Method = c.method
		if err := r.prepare(c.url, nil); err != nil {
			t.Fatal(err)
		}
		if err := r.encode(); err != nil {
			t.Fatal(err)
		}
		if got := r.call.Pipeline; got != c.want {
			t.Errorf("%s %s where it is for %q: %v", c.method, c.url, c.origin, got)
		}
		r.release()
	}
}

// A pipelined call's Response tells as much as any other.
func TestPipelinedResponse(t *testing.T) {
	server := record(t, always(withLength("hello")))
	var log syncBuilder
	s := newSession(t, Config{
		MaxConnsPerOrigin: 1, Pipeline: Pipeline{Depth: 8},
		WireLog: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for i := range 3 {
		resp, err := s.Get(t.Context(), server.URL+"/p?q=1", Headers{"X-A": "b"})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Text() != "hello" || resp.Header("Content-Length") != "5" {
			t.Errorf("got %q", resp.Text())
		}
		tr := resp.Trace()
		if tr.Reused != (i > 0) || tr.Total <= 0 || tr.Write <= 0 || tr.FirstByte <= 0 || tr.Attempts != 1 || tr.ConnectionID != resp.Connection().ID() || tr.Protocol != "HTTP/1.1" {
			t.Errorf("got %+v", tr)
		}
		if n := resp.Connection().Requests(); n != i+1 {
			t.Errorf("%d requests on the connection, want %d", n, i+1)
		}
		if line := resp.Curl(); !strings.Contains(line, server.URL+"/p?q=1") || !strings.Contains(line, "X-A: b") {
			t.Errorf("got %s", line)
		}
		resp.Release()
	}
	s.Close()
	if text := log.String(); strings.Count(text, "GET /p?q=1") != 3 || strings.Count(text, "200 OK") != 3 {
		t.Errorf("the wire log:\n%s", text)
	}
}

type syncBuilder struct {
	mu sync.Mutex
	strings.Builder
}

func (b *syncBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

func TestPipelinedAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops what it is given, at random")
	}
	// Each answer takes the server one read: a call at a time is the worst case.
	url := parrot(t, usualAnswer)
	s := newSession(t, Config{MaxConnsPerOrigin: 1, Pipeline: Pipeline{Depth: 8}})
	run := func() {
		resp, err := s.Get(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.Content()) != 5 {
			t.Fatalf("got %q", resp.Content())
		}
		resp.Release()
	}
	run()
	got := testing.AllocsPerRun(300, run)
	t.Logf("%.1f allocations a request", got)
	if got > 1 { // the Response
		t.Errorf("%.1f allocations a request", got)
	}
}
