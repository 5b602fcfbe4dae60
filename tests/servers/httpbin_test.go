package servers

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

func TestHTTPBinMethods(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	params := api.Params{"q": "a b&ü", "empty": ""}
	for _, c := range []struct{ method, path string }{
		{"GET", "/get"}, {"GET", "/anything"}, {"GET", "/anything/deep/er"}, {"OPTIONS", "/anything"},
		{"DELETE", "/delete"}, {"POST", "/post"}, {"PUT", "/put"}, {"PATCH", "/patch"}, {"PURGE", "/anything"},
	} {
		resp, err := s.Request(soon(t), c.method, base+c.path, params)
		if c.method == "OPTIONS" { // answered by its CORS preflight
			must(t, 200)(resp, err)
			continue
		}
		m := mirror(t, must(t, 200)(resp, err))
		if m.Method != c.method || m.Args.Get("q") != "a b&ü" || !m.Args.Has("empty") {
			t.Errorf("%s %s: %+v", c.method, c.path, m)
		}
	}
	if resp := must(t, 200)(s.Head(soon(t), base+"/head")); len(resp.Content()) != 0 {
		t.Errorf("HEAD with a body of %d bytes", len(resp.Content()))
	}
	must(t, 405)(s.Get(soon(t), base+"/post"))
	must(t, 404)(s.Get(soon(t), base+"/no/such/page"))
}

func TestHTTPBinBodies(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	m := mirror(t, must(t, 200)(s.Post(soon(t), base+"/post", api.Data{"k": "v w", "ü": "&="})))
	if want := (url.Values{"k": {"v w"}, "ü": {"&="}}); !reflect.DeepEqual(m.Form, want) {
		t.Errorf("form %v, want %v", m.Form, want)
	}
	m = mirror(t, must(t, 200)(s.Put(soon(t), base+"/put", api.Form(url.Values{"k": {"1", "2"}}))))
	if !reflect.DeepEqual(m.Form["k"], []string{"1", "2"}) {
		t.Errorf("form %v", m.Form)
	}
	m = mirror(t, must(t, 200)(s.Patch(soon(t), base+"/patch", api.JSON(map[string]any{"n": 1.5, "s": []string{"x"}}))))
	if want := map[string]any{"n": 1.5, "s": []any{"x"}}; !reflect.DeepEqual(m.JSON, want) {
		t.Errorf("json %v, want %v", m.JSON, want)
	}
	m = mirror(t, must(t, 200)(s.Post(soon(t), base+"/post", api.Body(io.MultiReader(strings.NewReader("in "), strings.NewReader("chunks"))), api.Headers{"Content-Type": "text/plain"})))
	if m.Data != "in chunks" {
		t.Errorf("data %q", m.Data)
	}
	for _, size := range []int{0, 1, 500_000} {
		var got struct {
			BytesReceived int64 `json:"bytes_received"`
		}
		resp := must(t, 200)(s.Upload(soon(t), base+"/upload", bytes.NewReader(pattern(size))))
		if err := resp.JSON(&got); err != nil || got.BytesReceived != int64(size) {
			t.Errorf("uploaded %d: %+v, %v", size, got, err)
		}
	}
}

// Every status is an answer; from 400 on Err makes an error of it.
func TestHTTPBinStatuses(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	for _, code := range []int{200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 305, 307, 308,
		400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 417, 418, 422, 429, 451, 500, 501, 502, 503, 504, 599} {
		resp := must(t, code)(s.Get(soon(t), fmt.Sprintf("%s/status/%d", base, code), api.NoRedirect()))
		var e *api.StatusError
		if errors.As(resp.Err(), &e) != (code >= 400) {
			t.Errorf("%d: Err %v", code, resp.Err())
		}
	}
	if got := must(t, 418)(s.Get(soon(t), base+"/status/418")).Text(); !strings.Contains(got, "teapot") {
		t.Errorf("%q", got)
	}
}

func TestHTTPBinHeaders(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	m := mirror(t, must(t, 200)(s.Get(soon(t), base+"/headers", api.Headers{"X-One": "1", "x-lower": "2"}, api.HeaderValues(http.Header{"X-Two": {"a", "b"}}))))
	if m.Headers.Get("X-One") != "1" || m.Headers.Get("X-Lower") != "2" || !reflect.DeepEqual(m.Headers["X-Two"], []string{"a", "b"}) {
		t.Errorf("%v", m.Headers)
	}
	if m.Headers.Get("Host") == "" || m.Headers.Get("User-Agent") == "" {
		t.Errorf("%v", m.Headers)
	}
	if got := must(t, 200)(s.Get(soon(t), base+"/user-agent", api.Headers{"User-Agent": "tests/1"})).Text(); !strings.Contains(got, "tests/1") {
		t.Errorf("%s", got)
	}
	resp := must(t, 200)(s.Get(soon(t), base+"/response-headers", api.Query(url.Values{"X-Say": {"one", "two"}, "Content-Type": {"text/plain"}})))
	if !reflect.DeepEqual(resp.Headers()["X-Say"], []string{"one", "two"}) || resp.Header("content-type") != "text/plain" {
		t.Errorf("%v", resp.Headers())
	}
	dump := must(t, 200)(s.Post(soon(t), base+"/dump/request", api.Data{"a": "b"})).Text()
	if !strings.HasPrefix(dump, "POST /dump/request HTTP/1.1\r\n") || !strings.HasSuffix(dump, "\r\n\r\na=b") {
		t.Errorf("%q", dump)
	}
}

func TestHTTPBinPasswords(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	must(t, 401)(s.Get(soon(t), base+"/basic-auth/alice/s3cret"))
	must(t, 401)(s.Get(soon(t), base+"/basic-auth/alice/s3cret", api.BasicAuth("alice", "no")))
	must(t, 200)(s.Get(soon(t), base+"/basic-auth/alice/s3cret", api.BasicAuth("alice", "s3cret")))
	must(t, 200)(s.Get(soon(t), strings.Replace(base, "://", "://alice:s3cret@", 1)+"/basic-auth/alice/s3cret"))
	must(t, 404)(s.Get(soon(t), base+"/hidden-basic-auth/alice/s3cret"))
	must(t, 200)(s.Get(soon(t), base+"/hidden-basic-auth/alice/s3cret", api.BasicAuth("alice", "s3cret")))
	must(t, 401)(s.Get(soon(t), base+"/bearer"))
	if got := must(t, 200)(s.Get(soon(t), base+"/bearer", api.Bearer("t0ken"))).Text(); !strings.Contains(got, "t0ken") {
		t.Errorf("%s", got)
	}
}

func TestHTTPBinContents(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	if got := must(t, 200)(s.Get(soon(t), base+"/encoding/utf8")).Text(); !strings.Contains(got, "∮ E⋅da = Q") {
		t.Errorf("%.100q", got)
	}
	for path, contentType := range map[string]string{
		"/html": "text/html", "/json": "application/json", "/xml": "application/xml", "/robots.txt": "text/plain",
		"/deny": "text/plain", "/image/png": "image/png", "/image/jpeg": "image/jpeg", "/image/svg": "image/svg+xml",
		"/image/webp": "image/webp", "/uuid": "application/json", "/ip": "application/json", "/hostname": "application/json",
		"/version": "application/json", "/env": "application/json", "/": "text/html", "/forms/post": "text/html", "/links/5/2": "text/html",
	} {
		resp := must(t, 200)(s.Get(soon(t), base+path))
		if !strings.HasPrefix(resp.Header("Content-Type"), contentType) || len(resp.Content()) == 0 {
			t.Errorf("%s: %q, %d bytes", path, resp.Header("Content-Type"), len(resp.Content()))
		}
	}
	if got := must(t, 200)(s.Get(soon(t), base+"/image", api.Headers{"Accept": "image/png"})).Header("Content-Type"); got != "image/png" {
		t.Errorf("Accept is not heard: %q", got)
	}
	data := []byte("any bytes \x00\xff at all")
	resp := must(t, 200)(s.Get(soon(t), base+"/base64/"+base64.URLEncoding.EncodeToString(data), api.Params{"content-type": "application/octet-stream"}))
	wantBody(t, resp, data)
}

// The same bytes come whole, chunked in any size, and in ranges.
func TestHTTPBinBytes(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	whole := bytes.Clone(must(t, 200)(s.Get(soon(t), base+"/bytes/100000?seed=7")).Content())
	if len(whole) != 100_000 {
		t.Fatalf("%d bytes", len(whole))
	}
	for _, chunk := range []string{"1000", "4096", "7777", "99999"} {
		resp := must(t, 200)(s.Get(soon(t), base+"/stream-bytes/100000?seed=7&chunk_size="+chunk))
		wantBody(t, resp, whole)
	}
	wantBody(t, must(t, 200)(s.Get(soon(t), base+"/stream-bytes/3000?seed=7&chunk_size=1")), whole[:3000])
	wantBody(t, must(t, 200)(s.Get(soon(t), base+"/bytes/0")), nil)
	letters := bytes.Clone(must(t, 200)(s.Get(soon(t), base+"/range/1000")).Content())
	resp := must(t, 206)(s.Get(soon(t), base+"/range/1000", api.Headers{"Range": "bytes=10-19"}))
	wantBody(t, resp, letters[10:20])
	if got := resp.Header("Content-Range"); got != "bytes 10-19/1000" {
		t.Errorf("Content-Range %q", got)
	}
	lines := must(t, 200)(s.Get(soon(t), base+"/stream/20")).Text()
	if got := strings.Count(lines, "\n"); got != 20 {
		t.Errorf("%d lines", got)
	}
}

// What comes slowly is handed on as it comes, and ended by its deadline.
func TestHTTPBinSlow(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	must(t, 200)(s.Get(soon(t), base+"/delay/0.1"))
	_, err := s.Get(soon(t), base+"/delay/10", api.Timeout(deadline))
	if e, ok := asError[*api.IOError](err); !ok || !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) || e.Sent != api.SentAll {
		t.Errorf("a delay: %v", err)
	}
	if got := must(t, 200)(s.Get(soon(t), base+"/drip?numbytes=10&duration=300ms&delay=0")).Text(); got != "**********" {
		t.Errorf("dripped %q", got)
	}
	must(t, 503)(s.Get(soon(t), base+"/drip?numbytes=5&duration=10ms&delay=0&code=503"))
	var pieces []string
	keep := func(p []byte) error { pieces = append(pieces, string(p)); return nil }
	_, err = s.Get(soon(t), base+"/drip?numbytes=10&duration=10s&delay=0", api.Timeout(deadline), api.Stream(keep, 1))
	if e, ok := asError[*api.IOError](err); !ok || !e.Timeout() || e.Op != api.OpRead {
		t.Errorf("a drip: %v", err)
	}
	if len(pieces) == 0 {
		t.Error("nothing was handed on before the end")
	}
	pieces = nil
	must(t, 200)(s.Get(soon(t), base+"/drip?numbytes=4&duration=400ms&delay=0", api.Stream(keep, 1)))
	if strings.Join(pieces, "|") != "*|*|*|*" {
		t.Errorf("pieces %q", pieces)
	}
}

// Server-sent events and JSON lines through Stream; the trailer behind them is no
// header, and the connection goes on.
func TestHTTPBinEvents(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{MaxConnsPerOrigin: 1})
	for path, mark := range map[string]string{"/sse?count=5&duration=100ms": "event: ping\n", "/jsonl?count=5": "\n"} {
		var all bytes.Buffer
		resp := must(t, 200)(s.Get(soon(t), base+path, api.Stream(func(p []byte) error {
			all.Write(p)
			return nil
		}, 16)))
		if got := strings.Count(all.String(), mark); got != 5 {
			t.Errorf("%s: %d of %q in %q", path, got, mark, all.String())
		}
		if resp.Connection() == nil {
			t.Errorf("%s: the connection was closed", path)
		}
	}
	resp := must(t, 200)(s.Get(soon(t), base+"/trailers?X-Behind=1&Other=2"))
	if resp.Header("X-Behind") != "" || resp.Header("Trailer") == "" || resp.Connection() == nil {
		t.Errorf("trailers: %v, connection %v", resp.Headers(), resp.Connection())
	}
	must(t, 200)(s.Get(soon(t), base+"/get"))
}

func TestHTTPBinCache(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	first := must(t, 200)(s.Get(soon(t), base+"/cache"))
	must(t, 304)(s.Get(soon(t), base+"/cache", api.Headers{"If-None-Match": first.Header("ETag")}))
	must(t, 304)(s.Get(soon(t), base+"/cache", api.Headers{"If-Modified-Since": first.Header("Last-Modified")}))
	if got := must(t, 200)(s.Get(soon(t), base+"/cache/30")).Header("Cache-Control"); got != "public, max-age=30" {
		t.Errorf("Cache-Control %q", got)
	}
	must(t, 304)(s.Get(soon(t), base+"/etag/abc", api.Headers{"If-None-Match": `"abc"`}))
	must(t, 200)(s.Get(soon(t), base+"/etag/abc", api.Headers{"If-None-Match": `"other"`}))
	must(t, 412)(s.Get(soon(t), base+"/etag/abc", api.Headers{"If-Match": `"other"`}))
}

// A server that fails half of the time is an answer each time, and no breaker's
// matter unless it is asked to be.
func TestHTTPBinUnstable(t *testing.T) {
	base := startHTTPBin(t)
	s := newSession(t, api.Config{})
	seen := map[int]int{}
	for i := range 60 {
		resp, err := s.Get(soon(t), fmt.Sprintf("%s/unstable?seed=%d", base, i))
		if err != nil {
			t.Fatal(err)
		}
		seen[resp.Status()]++
	}
	if len(seen) != 2 || seen[200] < 10 || seen[500] < 10 {
		t.Errorf("%v", seen)
	}
}
