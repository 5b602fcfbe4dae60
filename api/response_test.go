package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestResponse(t *testing.T) {
	server := record(t, always("HTTP/1.1 201 Created\r\nx-one: 1\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 10\r\n\r\n{\"a\":\"ä\"}"))
	session := newSession(t, Config{})
	resp, err := session.Get(t.Context(), server.URL+"/x#frag", Params{"q": "1"})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status() != 201 || string(resp.Content()) != `{"a":"ä"}` || resp.Text() != `{"a":"ä"}` || resp.Err() != nil {
		t.Errorf("got %d %q %q %v", resp.Status(), resp.Content(), resp.Text(), resp.Err())
	}
	if got := resp.Header("x-ONE") + resp.Header("Set-Cookie") + resp.Header("None"); got != "1a" {
		t.Errorf("headers before the map: %q", got)
	}
	want := http.Header{"X-One": {"1"}, "Set-Cookie": {"a", "b"}, "Content-Length": {"10"}}
	if got := resp.Headers(); !reflect.DeepEqual(got, want) {
		t.Errorf("headers %v", got)
	}
	if got := resp.Header("x-ONE") + resp.Header("Set-Cookie") + resp.Header("None"); got != "1a" {
		t.Errorf("headers after the map: %q", got)
	}
	var v struct{ A string }
	if err := resp.JSON(&v); err != nil || v.A != "ä" {
		t.Errorf("JSON: %v, %v", v, err)
	}
	if got := resp.URL(); got != server.URL+"/x?q=1#frag" {
		t.Errorf("URL %q", got)
	}
	if len(resp.History()) != 0 {
		t.Errorf("history %v", resp.History())
	}
	if c := resp.Connection(); c == nil || c.ID() == "" || c.RemoteAddr().String() != server.listener.Addr().String() || c.Requests() != 1 {
		t.Errorf("connection %v", c)
	}
}

func TestResponseWithoutBody(t *testing.T) {
	for _, c := range []struct{ method, answer string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	} {
		server := record(t, always(c.answer))
		session := newSession(t, Config{})
		for range 2 {
			resp, err := session.Request(t.Context(), c.method, server.URL)
			if err != nil {
				t.Fatal(err)
			}
			if b := resp.Content(); b == nil || len(b) != 0 || resp.Text() != "" {
				t.Errorf("%s %q: %v", c.method, c.answer, b)
			}
			resp.Release()
		}
		if n := server.opened(); n != 1 {
			t.Errorf("%s %q: %d connections", c.method, c.answer, n)
		}
	}
}

func TestResponseErr(t *testing.T) {
	for _, c := range []struct {
		status string
		code   int // of the error, 0: none
	}{
		{"200 OK", 0}, {"302 Found", 0}, {"399 ", 0}, {"400 Bad Request", 400}, {"404 Gone Fishing", 404}, {"503 ", 503}, {"999 ", 999},
	} {
		server := record(t, always("HTTP/1.1 "+c.status+"\r\nContent-Length: 0\r\n\r\n"))
		resp, err := Get(t.Context(), strings.Replace(server.URL, "//", "//u:secret@", 1)+"/x")
		if err != nil {
			t.Fatal(err)
		}
		var status *StatusError
		switch got := resp.Err(); {
		case c.code == 0:
			if got != nil {
				t.Errorf("%s: %v", c.status, got)
			}
		case !errors.As(got, &status) || status.Code != c.code || status.URL != server.URL+"/x" || strings.Contains(got.Error(), "secret"):
			t.Errorf("%s: %v", c.status, got)
		}
	}
}

func TestResponseRedirectIsHandedOver(t *testing.T) {
	server := record(t, always("HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n"))
	session := newSession(t, Config{})
	resp, err := session.Get(t.Context(), server.URL, NoRedirect())
	if err != nil || resp.Status() != 302 || resp.Header("Location") != "/else" || len(server.all()) != 1 {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestResponseJSONError(t *testing.T) {
	server := record(t, always("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\n<htm>"))
	resp, err := Get(t.Context(), strings.Replace(server.URL, "//", "//u:secret@", 1)+"/x")
	if err != nil {
		t.Fatal(err)
	}
	var v any
	err = resp.JSON(&v)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) || !strings.Contains(err.Error(), server.URL+"/x: status 502") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestRelease(t *testing.T) {
	server := record(t, func(n int, _ *http.Request) string {
		return withLength(strings.Repeat(string(rune('a'+n)), 10), "X-N: 1")
	})
	session := newSession(t, Config{})
	get := func() *Response {
		resp, err := session.Get(t.Context(), server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	first := get()
	text, headers := first.Text(), first.Headers()
	first.Release()
	second := get() // perhaps in the buffers of the first
	want := second.Text()
	first.Release()
	third := get()
	if got := string(second.Content()); got != want || string(third.Content()) == want {
		t.Errorf("a second Release freed what was another's: %q, %q", got, want)
	}
	if first.Status() != 200 || first.Text() != text || text != "bbbbbbbbbb" || headers.Get("X-N") != "1" || first.Header("x-n") != "1" || first.URL() == "" {
		t.Errorf("after Release: %d %q %v", first.Status(), first.Text(), first.Headers())
	}
	if b := first.Content(); b == nil || len(b) != 0 {
		t.Errorf("Content after Release: %v", b)
	}
	third.Release()
	if third.Text() != "" || third.Header("X-N") != "" || third.Headers() == nil || third.Connection() == nil {
		t.Error("what was not asked for before Release is not empty")
	}
	(*Response)(nil).Release()
}

// TestReleaseConcurrently: one of many Releases counts, or two answers would share the
// memory that was freed twice.
func TestReleaseConcurrently(t *testing.T) {
	server := record(t, func(n int, _ *http.Request) string { return withLength(strconv.Itoa(1000 + n)) })
	session := newSession(t, Config{})
	get := func() *Response {
		resp, err := session.Get(t.Context(), server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	for n := 1001; n < 1060; n += 3 {
		resp := get()
		var all sync.WaitGroup
		for range 4 {
			all.Go(resp.Release)
		}
		all.Wait()
		one, two := get(), get()
		if string(one.Content()) != strconv.Itoa(n+1) || string(two.Content()) != strconv.Itoa(n+2) {
			t.Fatalf("the answers %d and %d are %q and %q", n+1, n+2, one.Content(), two.Content())
		}
	}
}

// TestContentCannotGrow: appending to it reaches nothing else.
func TestContentCannotGrow(t *testing.T) {
	server := record(t, nil)
	resp, err := Get(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if b := resp.Content(); cap(b) != len(b) {
		t.Errorf("len %d, cap %d", len(b), cap(b))
	}
}
