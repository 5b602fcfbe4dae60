package api

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Config.Lenient takes what browsers take; without it, and where a body's length might have
// two readings, the answer is refused.
func TestLenient(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const length = "Content-Length: 2\r\n"
	for name, tc := range map[string]struct {
		in      string
		lenient bool // taken then
	}{
		"a name with a space":    {ok + "Bad Name: x\r\n" + length + "\r\nok", true},
		"no colon":               {ok + "Warning\r\n" + length + "\r\nok", true},
		"no name":                {ok + ": x\r\n" + length + "\r\nok", true},
		"a skipped fold":         {ok + length + "Bad Name: x\r\n 3\r\n\r\nok", true},
		"blank before colon":     {ok + "X : y\r\n" + length + "\r\nok", true},
		"blanks in status":       {"HTTP/1.1  200 OK\r\n" + length + "\r\nok", true},
		"chunk size":             {ok + "Transfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0 \r\n\r\n", true},
		"identity":               {ok + "Transfer-Encoding: identity\r\n" + length + "\r\nok", true},
		"interim, then blank":    {"HTTP/1.1  103 Early Hints\r\nno colon\r\n\r\n" + ok + length + "\r\nok", true},
		"length with a blank":    {ok + "Content-Length : 2\r\n\r\nok", false},
		"length with a quote":    {ok + "\"Content-Length\": 2\r\n" + length + "\r\nok", false},
		"length with a VT":       {ok + "Content-Length\v: 2\r\n" + length + "\r\nok", false},
		"length in two words":    {ok + "Content Length: 3\r\n" + length + "\r\nok", false},
		"coding with a blank":    {ok + "Transfer-Encoding : chunked\r\n" + length + "\r\nok", false},
		"Connection":             {ok + "Connection : close\r\n" + length + "\r\nok", false},
		"Trailer":                {ok + "Trailer\t: x\r\n" + length + "\r\nok", false},
		"Upgrade":                {ok + "(Upgrade): x\r\n" + length + "\r\nok", false},
		"both framings":          {ok + "Transfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n", false},
		"identity, two lengths":  {ok + "Transfer-Encoding: identity\r\n" + length + length + "\r\nok", false},
		"NUL in a skipped line":  {ok + "Bad\x00Name: x\r\n" + length + "\r\nok", false},
		"CR in a skipped line":   {ok + "Bad Name: x\ry\r\n" + length + "\r\nok", false},
		"a negative chunk":       {ok + "Transfer-Encoding: chunked\r\n\r\n-2 \r\nok\r\n0\r\n\r\n", false},
		"first line is a length": {ok + " Content-Length: 2\r\n\r\nok", false},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, always(tc.in))
			for _, lenient := range []bool{false, true} {
				s := newSession(t, Config{Lenient: lenient})
				for range 2 { // the second over the same connection
					resp, err := s.Get(t.Context(), server.URL)
					if lenient && tc.lenient {
						if err != nil || resp.Text() != "ok" {
							t.Errorf("lenient: %v", err)
						} else if strings.Contains(tc.in, "X :") && resp.Header("X") != "y" {
							t.Errorf("X is %q", resp.Header("X"))
						}
						continue
					}
					var refused *ProtocolError
					if !errors.As(err, &refused) {
						t.Errorf("lenient %t: %v", lenient, err)
					}
				}
				if open := len(s.Snapshot().Conns); lenient && tc.lenient && open != 1 {
					t.Errorf("%d connections", open)
				}
			}
		})
	}
}

// The watch over an upload reads as the answer is read: a 2xx that only a lenient reader takes
// does not end the upload.
func TestLenientUpload(t *testing.T) {
	const size = 8 << 20
	got := make(chan int64, 1)
	m := &pipes{serve: func(_ int, c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1  200 OK\r\nno colon\r\n")
		n, _ := io.Copy(io.Discard, req.Body)
		got <- n
		io.WriteString(c, "Content-Length: 2\r\n\r\nok")
	}}
	inBubble(t, m, Config{Lenient: true}, func(t *testing.T, s *Session) {
		resp, err := s.Put(t.Context(), "http://h/", Body(strings.NewReader(strings.Repeat("x", size))))
		if err != nil || resp.Text() != "ok" {
			t.Fatal(err)
		}
		if n := <-got; n != size {
			t.Errorf("%d bytes arrived", n)
		}
	})
}

// Pipelined answers and a proxy's answer to CONNECT are read so too.
func TestLenientElsewhere(t *testing.T) {
	const answer = "HTTP/1.1  200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok"
	s := newSession(t, Config{Lenient: true, Pipeline: Pipeline{Depth: 8}, MaxConnsPerOrigin: 1})
	server := record(t, always(answer))
	for range 3 {
		results := make(chan error, 8)
		for range cap(results) {
			go func() {
				resp, err := s.Get(t.Context(), server.URL)
				if err == nil && resp.Text() != "ok" {
					err = errors.New(resp.Text())
				}
				results <- err
			}()
		}
		for range cap(results) {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	}

	origin := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	defer origin.Close()
	proxy := &foreign{serve: func(c net.Conn) {
		if readRequest(bufio.NewReader(c)) == nil {
			return
		}
		through, err := net.Dial("tcp", origin.Listener.Addr().String())
		if err != nil {
			return
		}
		defer through.Close()
		io.WriteString(c, "HTTP/1.1  200 Connection established\r\nProxy Agent: x\r\n\r\n")
		go io.Copy(through, c)
		io.Copy(c, through)
	}}
	settings := origin.Client().Transport.(*http.Transport).TLSClientConfig
	for _, lenient := range []bool{false, true} {
		s := newSession(t, Config{Driver: proxy, Lenient: lenient, TLS: settings, Proxy: func(*url.URL) (*url.URL, error) { return url.Parse("http://proxy.example:1") }})
		_, err := s.Get(t.Context(), "https://example.com/")
		if (err == nil) != lenient {
			t.Errorf("lenient %t: %v", lenient, err)
		}
		s.Close()
	}
}
