package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// withStatus is withLength with another status line.
func withStatus(line, body string, headers ...string) string {
	return strings.Replace(withLength(body, headers...), "200 OK", line, 1)
}

// A server that takes each nonce once asks for a login once.
func TestDigestNextNonceSparesChallenges(t *testing.T) {
	issued := 0
	current := func() string { return fmt.Sprint("nonce-", issued) }
	m := &pipes{serve: answering(func(_, n int, req *http.Request) string {
		used := strings.Contains(req.Header.Get("Authorization"), ` nonce="`+current()+`", nc=00000001,`)
		issued++
		switch {
		case !used:
			return "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"" + current() + "\", qop=\"auth\", stale=true\r\nContent-Length: 0\r\n\r\n"
		case req.URL.Path == "/moved":
			return withStatus("302 Found", "", "Location: /there", "Authentication-Info: qop=auth, nextnonce=\""+current()+"\"")
		case req.URL.Path == "/busy" && n%2 == 0:
			return withStatus("503 Busy", "", "Authentication-Info: nextnonce=\""+current()+"\"")
		}
		return withLength("ok", "Authentication-Info: nextnonce=\""+current()+"\"")
	})}
	inBubble(t, m, Config{Retry: Retry{Statuses: []int{503}, Budget: -1}}, func(t *testing.T, s *Session) {
		for _, path := range []string{"/", "/a", "/moved", "/b", "/busy", "/busy"} {
			resp, err := s.Get(t.Context(), "http://h"+path, DigestAuth("u", "p"))
			if err != nil || resp.Status() != 200 {
				t.Fatalf("%s: %v, %v", path, resp, err)
			}
		}
		if resp, err := s.Get(t.Context(), "http://h/body", DigestAuth("u", "p"), StreamBody()); err != nil || resp.Status() != 200 {
			t.Error(err)
		} else {
			resp.Body().Close()
		}
		if resp, err := s.Get(t.Context(), "http://h/c", DigestAuth("u", "p")); err != nil || resp.Trace().Attempts != 1 || resp.Status() != 200 {
			t.Error(err)
		}
	})
	// One 401, one redirect, the retried 503s, and an answer for each call.
	if busy := issued - 1 - 1 - 8; busy < 1 || busy > 2 {
		t.Errorf("%d requests", issued)
	}
}

// An answer that asked for the request once more says why it was not sent.
func TestNotRepeated(t *testing.T) {
	const challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\""
	reader := func() Option { return Body(struct{ io.Reader }{strings.NewReader("body")}) }
	digest := DigestAuth("u", "p")
	for name, tc := range map[string]struct {
		answer string
		cfg    Config
		method string
		opts   []Option
		is     error
		says   string // nothing: nil
	}{
		"401, the body is gone":       {withStatus("401 x", "", challenge), Config{}, "POST", []Option{digest, reader()}, ErrBodyGone, "can't be sent again"},
		"401, wrong password":         {withStatus("401 x", "", challenge), Config{}, "POST", []Option{digest, Data{"a": "b"}}, nil, "refused user or password"},
		"401, no Digest":              {withStatus("401 x", "", "WWW-Authenticate: Basic realm=\"r\""), Config{}, "GET", []Option{digest}, nil, "does not offer Digest"},
		"401, an unknown algorithm":   {withStatus("401 x", "", challenge+", algorithm=X"), Config{}, "GET", []Option{digest}, nil, `algorithm "X" is not supported`},
		"401, own Authorization":      {withStatus("401 x", "", challenge), Config{}, "GET", []Option{digest, Headers{"Authorization": "x"}}, nil, "own headers"},
		"401, not asked to log in":    {withStatus("401 x", "", challenge), Config{}, "GET", nil, nil, ""},
		"503, the body is gone":       {withStatus("503 x", ""), Config{Retry: Retry{Statuses: []int{503}}}, "PUT", []Option{reader()}, ErrBodyGone, "can't be sent again"},
		"503, not to be repeated":     {withStatus("503 x", ""), Config{Retry: Retry{Statuses: []int{503}}}, "POST", []Option{reader()}, nil, ""},
		"503, not to be retried":      {withStatus("503 x", ""), Config{}, "PUT", []Option{reader()}, nil, ""},
		"503, all attempts were used": {withStatus("503 x", ""), Config{Retry: Retry{Statuses: []int{503}}}, "PUT", []Option{Data{"a": "b"}}, nil, ""},
		"200":                         {withStatus("200 x", ""), Config{}, "POST", []Option{digest, reader()}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := &pipes{serve: answering(func(int, int, *http.Request) string { return tc.answer })}
			inBubble(t, m, tc.cfg, func(t *testing.T, s *Session) {
				resp, err := s.Request(t.Context(), tc.method, "http://h/", tc.opts...)
				if err != nil {
					t.Fatal(err)
				}
				why := resp.NotRepeated()
				if tc.says == "" && why != nil || tc.says != "" && (why == nil || !strings.Contains(why.Error(), tc.says)) || tc.is != nil && !errors.Is(why, tc.is) {
					t.Errorf("got %v, want %q", why, tc.says)
				}
			})
		})
	}
}

// A body that was sent in vain is known from then on: the next one comes with a login.
func TestNonceOfAnUnansweredChallengeIsKept(t *testing.T) {
	m := &pipes{serve: answering(func(_, _ int, req *http.Request) string {
		if req.Header.Get("Authorization") == "" {
			return withStatus("401 x", "", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"")
		}
		return okAnswer
	})}
	inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
		for _, want := range []int{401, 200, 200} {
			resp, err := s.Post(t.Context(), "http://h/", DigestAuth("u", "p"), Body(struct{ io.Reader }{strings.NewReader("body")}))
			if err != nil || resp.Status() != want || (resp.NotRepeated() != nil) != (want == 401) {
				t.Errorf("%v, %v, want %d", resp, err, want)
			}
		}
	})
}

// A 417 that comes when the body has been sent, as the server had its time to ask for it.
func TestNotRepeatedBehindExpect(t *testing.T) {
	m := &pipes{serve: func(_ int, c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		time.Sleep(time.Minute)
		io.Copy(io.Discard, req.Body)
		io.WriteString(c, withStatus("417 x", ""))
	}}
	inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
		resp, err := s.Post(t.Context(), "http://h/", ExpectContinue(), Body(struct{ io.Reader }{strings.NewReader("body")}))
		if err != nil || resp.Status() != 417 || !errors.Is(resp.NotRepeated(), ErrBodyGone) {
			t.Errorf("%v, %v", resp, err)
		}
		_, err = s.Post(t.Context(), "http://h/", Headers{"Expect": "100-continue"}, Body(strings.NewReader("body")))
		if err != nil {
			t.Error(err)
		}
	})
}

// A redirect that asks for a body that is gone is an error, with the same cause.
func TestRedirectOfABodyThatIsGone(t *testing.T) {
	m := &pipes{serve: answering(func(int, int, *http.Request) string { return withStatus("307 x", "", "Location: /there") })}
	inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
		_, err := s.Post(t.Context(), "http://h/", Body(struct{ io.Reader }{strings.NewReader("body")}))
		var refused *RedirectError
		if !errors.As(err, &refused) || !errors.Is(err, ErrBodyGone) {
			t.Error(err)
		}
	})
}

// What can't be sent of user and password is told before anything is.
func TestDigestAuthInputErrors(t *testing.T) {
	s := newSession(t, Config{})
	for name, c := range map[string]struct{ user, password, says string }{
		"plain":                     {`a"\:ü`, "p\xe4", ""},
		"a line end in the user":    {"secret\r\nX: y", "p", "control character"},
		"a control in the password": {"u", "secret\x7f", "control character"},
		"a user that is not UTF-8":  {"secret\xe4", "p", "not valid UTF-8"},
	} {
		_, err := s.Curl("GET", "http://h/", DigestAuth(c.user, c.password))
		var input *InputError
		switch {
		case c.says == "":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case !errors.As(err, &input) || input.Field != "DigestAuth" || input.Fix == "" || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: shows it: %v", name, err)
		}
	}
}
