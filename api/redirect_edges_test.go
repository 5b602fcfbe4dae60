package api

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A 303 takes the body away: a reader that blocks for ever must not hold up what
// follows, however many redirects that are.
func TestRedirectLeavesABlockedBodyBehind(t *testing.T) {
	m := &pipes{serve: func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, _ := head(r)
			if req == nil {
				return
			}
			answer := ok
			switch req.URL.Path {
			case "/upload": // answered early: the rest never comes
				io.ReadFull(req.Body, make([]byte, 1))
				io.WriteString(c, "HTTP/1.1 303 x\r\nLocation: /first\r\nContent-Length: 0\r\n\r\n")
				io.Copy(io.Discard, c)
				return
			case "/first":
				answer = "HTTP/1.1 302 x\r\nLocation: /second\r\nContent-Length: 0\r\n\r\n"
			case "/second":
				answer = "HTTP/1.1 307 x\r\nLocation: /last\r\nContent-Length: 0\r\n\r\n"
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	}}
	inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
		body, w := io.Pipe()
		defer w.Close()
		go w.Write([]byte("a beginning"))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began := time.Now()
		resp, err := s.Post(ctx, "http://h/upload", Body(body))
		if err != nil || resp.Text() != "ok" || len(resp.History()) != 3 || time.Since(began) > time.Second {
			t.Errorf("got %v, %v after %v", resp, err, time.Since(began))
		}
	})
}

// An answer that ended the pinned connection is the last one there: what would be sent
// again on it is handed over, and only what leads to another URL goes on elsewhere.
func TestPinnedConnectionThatTheAnswerClosed(t *testing.T) {
	const (
		challenge = "401 x\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\""
		redirect  = "307 x\r\nLocation: /there"
		closing   = "\r\nConnection: close"
	)
	for _, c := range []struct {
		name, answer string
		opt          Option // with which the answer comes before the body, and ends the connection
		status, sent int
	}{
		{"417", "417 x", ExpectContinue(), 417, 1},
		{"401 before the body", challenge, ExpectContinue(), 401, 1},
		{"401", challenge + closing, nil, 401, 1},
		{"307 before the body", redirect, ExpectContinue(), 200, 2},
		{"307", redirect + closing, nil, 200, 2},
	} {
		for pinned, pin := range map[string]func(t *testing.T, s *Session) (opt Option, release func()){
			"Lease": func(t *testing.T, s *Session) (Option, func()) {
				lease, err := s.Lease(t.Context(), "http://h/")
				if err != nil {
					t.Fatal(err)
				}
				return lease, lease.Release
			},
			"Connection": func(t *testing.T, s *Session) (Option, func()) {
				resp, err := s.Get(t.Context(), "http://h/")
				if err != nil {
					t.Fatal(err)
				}
				return resp.Connection(), func() {}
			},
		} {
			t.Run(c.name+"/"+pinned, func(t *testing.T) {
				var posts []string // the connection and the body of each
				m := &pipes{serve: func(n int, nc net.Conn) {
					r := bufio.NewReader(nc)
					for {
						req, expects := head(r)
						switch {
						case req == nil:
							return
						case req.Method == "GET":
							io.WriteString(nc, ok)
							continue
						case n == 1 && expects:
							posts = append(posts, "1")
							io.WriteString(nc, "HTTP/1.1 "+c.answer+"\r\nContent-Length: 0\r\n\r\n")
							return
						}
						if expects {
							io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n")
						}
						body, _ := io.ReadAll(req.Body)
						posts = append(posts, string('0'+rune(n))+" "+req.URL.Path+" "+string(body))
						if n == 1 {
							io.WriteString(nc, "HTTP/1.1 "+c.answer+"\r\nContent-Length: 0\r\n\r\n")
							return
						}
						io.WriteString(nc, ok)
					}
				}}
				inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
					option, release := pin(t, s)
					defer release()
					resp, err := s.Post(t.Context(), "http://h/", option, c.opt, Body(strings.NewReader("hello")), DigestAuth("joe", "geheim"))
					if err != nil || resp.Status() != c.status || len(resp.History()) != c.sent-1 || m.dials != c.sent {
						t.Fatalf("got %v, %v over %d connections", resp, err, m.dials)
					}
					if len(posts) != c.sent || c.sent == 2 && posts[1] != "2 /there hello" {
						t.Errorf("the server was sent %q", posts)
					}
				})
			})
		}
	}
}
