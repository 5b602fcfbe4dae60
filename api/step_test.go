package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// steps are the answers that a call goes on behind, and what it takes to.
var steps = []struct {
	name, head string
	cfg        Config
	opts       []Option
}{
	{"redirect", "302 x\r\nLocation: /there", Config{}, nil},
	{"redirect to another origin", "303 x\r\nLocation: http://other/there", Config{}, nil},
	{"401", "401 x\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"", Config{}, []Option{DigestAuth("joe", "geheim")}},
	{"retried status", "503 x", Config{Retry: Retry{Statuses: []int{503}, Backoff: -1}}, nil},
	{"417", "417 x", Config{}, []Option{ExpectContinue(), Body(strings.NewReader("hello"))}},
}

// ways are how a call may take its answer.
var ways = map[string]func() []Option{
	"whole":      func() []Option { return nil },
	"Stream":     func() []Option { return []Option{Stream(func([]byte) error { return nil }, 100)} },
	"StreamBody": func() []Option { return []Option{StreamBody()} },
}

// stepping answers its first request with body, and all others with ok.
func stepping(head string, body func(c net.Conn)) *pipes {
	var asked atomic.Int32
	return &pipes{serve: func(_ int, c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if asked.Add(1) > 1 {
				if req.Header.Get("Expect") != "" {
					io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
				}
				io.Copy(io.Discard, req.Body)
				io.WriteString(c, ok)
				continue
			}
			if _, err := io.WriteString(c, "HTTP/1.1 "+head+"\r\n"); err != nil {
				return
			}
			body(c)
		}
	}}
}

// untilClosed writes pieces until the other side has had enough.
func untilClosed(c net.Conn, piece string, every time.Duration) {
	for {
		if _, err := io.WriteString(c, piece); err != nil {
			return
		}
		time.Sleep(every) // of the bubble
	}
}

// A step is read no further than 64 KiB and 100 ms, whatever its server does, and however
// the call takes its last answer.
func TestStepsAreBounded(t *testing.T) {
	const length = "Content-Length: 1000000000000\r\n\r\n"
	const chunked = "Transfer-Encoding: chunked\r\n\r\n"
	full := strings.Repeat("x", 4096)
	for _, b := range []struct {
		name string
		body func(c net.Conn)
		took time.Duration
		kept int // bytes
	}{
		{"endless, by length", func(c net.Conn) { io.WriteString(c, length); untilClosed(c, full, 0) }, 0, stepBytes},
		{"endless, in chunks", func(c net.Conn) { io.WriteString(c, chunked); untilClosed(c, "1000\r\n"+full+"\r\n", 0) }, 0, stepBytes},
		{"endless, until close", func(c net.Conn) { io.WriteString(c, "\r\n"); untilClosed(c, full, 0) }, 0, stepBytes},
		{"drip, by length", func(c net.Conn) { io.WriteString(c, length); untilClosed(c, "x", 30*time.Millisecond) }, stepTime, 4},
		{"drip, in chunks", func(c net.Conn) { io.WriteString(c, chunked); untilClosed(c, "1\r\nx\r\n", 30*time.Millisecond) }, stepTime, 4},
		{"drip of frames", func(c net.Conn) {
			io.WriteString(c, chunked+"1\r\nx\r\n1;")
			untilClosed(c, "x", 30*time.Millisecond)
		}, stepTime, 1},
		{"silence", func(c net.Conn) { io.WriteString(c, length+"xyz"); time.Sleep(time.Hour) }, stepTime, 3},
		{"silence behind a whole chunk", func(c net.Conn) { io.WriteString(c, chunked+"3\r\nxyz\r\n"); time.Sleep(time.Hour) }, stepTime, 3},
	} {
		for _, st := range steps {
			for way, take := range ways {
				t.Run(st.name+"/"+b.name+"/"+way, func(t *testing.T) {
					m := stepping(st.head, b.body)
					inBubble(t, m, st.cfg, func(t *testing.T, s *Session) {
						began := time.Now()
						resp, err := s.Put(t.Context(), "http://h/", append(take(), st.opts...)...)
						if err != nil || resp.Status() != 200 || time.Since(began) != b.took || m.dials != 2 {
							t.Fatalf("got %v, %v over %d connections after %v", resp, err, m.dials, time.Since(began))
						}
						if resp.Truncated() {
							t.Error("the last answer says that it is not whole")
						}
						if _, err := io.Copy(io.Discard, resp.Body()); err != nil {
							t.Error(err)
						}
						for _, h := range resp.History() {
							if !h.Truncated() || len(h.Content()) != b.kept || h.Connection() != nil {
								t.Errorf("the History has %d bytes, truncated: %v", len(h.Content()), h.Truncated())
							}
						}
					})
				})
			}
		}
	}
}

// What is little and comes soon is read, whole, and its connection serves on.
func TestShortStepsKeepTheirConnection(t *testing.T) {
	for _, n := range []int{0, 1, 5000, stepBytes - 1, stepBytes} {
		body := strings.Repeat("x", n)
		chunk := fmt.Sprintf("%x\r\n%s\r\n", n, body)
		if n == 0 {
			chunk = ""
		}
		for form, pieces := range map[string][]string{
			"at once":             {fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, body)},
			"behind its head":     {fmt.Sprintf("Content-Length: %d\r\n\r\n", n), body},
			"in pieces":           {fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, body[:n/2]), body[n/2:]},
			"in chunks":           {"Transfer-Encoding: chunked\r\n\r\n" + chunk + "0\r\n\r\n"},
			"in chunks, its end ": {"Transfer-Encoding: chunked\r\n\r\n" + chunk, "0\r\n\r\n"},
		} {
			for _, st := range steps {
				for way, take := range ways {
					if way != "whole" && n != 5000 {
						continue // they differ in who reads, not in how much
					}
					t.Run(fmt.Sprint(st.name, "/", n, " ", form, "/", way), func(t *testing.T) {
						m := stepping(st.head, func(c net.Conn) {
							for _, p := range pieces {
								io.WriteString(c, p)
								time.Sleep(30 * time.Millisecond) // of the bubble
							}
						})
						inBubble(t, m, st.cfg, func(t *testing.T, s *Session) {
							resp, err := s.Put(t.Context(), "http://h/", append(take(), st.opts...)...)
							want := 1
							switch st.name {
							case "redirect to another origin", "417": // its request was not sent as a whole
								want = 2
							}
							if err != nil || resp.Status() != 200 || m.dials != want {
								t.Fatalf("got %v, %v over %d connections", resp, err, m.dials)
							}
							for _, h := range resp.History() {
								if h.Truncated() || string(h.Content()) != body {
									t.Errorf("the History has %d bytes, truncated: %v", len(h.Content()), h.Truncated())
								}
							}
							resp.Release()
						})
					})
				}
			}
		}
	}
}

// stubborn is a connection whose deadlines do nothing, or are refused.
type stubborn struct {
	net.Conn
	refuses error
}

func (c stubborn) SetDeadline(time.Time) error      { return c.refuses }
func (c stubborn) SetReadDeadline(time.Time) error  { return c.refuses }
func (c stubborn) SetWriteDeadline(time.Time) error { return c.refuses }

type stubbornDriver struct {
	*pipes
	refuses error
}

func (d stubbornDriver) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.pipes.DialContext(ctx, network, address)
	return stubborn{c, d.refuses}, err
}

// The bound in time needs no deadlines of the connection's.
func TestStepsAreBoundedWithoutDeadlines(t *testing.T) {
	for _, refuses := range []error{nil, errors.ErrUnsupported} {
		m := stepping("302 x\r\nLocation: http://other/", func(c net.Conn) {
			io.WriteString(c, "Content-Length: 1000\r\n\r\n")
			untilClosed(c, "x", 30*time.Millisecond)
		})
		inBubbleOver(t, stubbornDriver{m, refuses}, m, Config{}, func(t *testing.T, s *Session) {
			began := time.Now()
			resp, err := s.Get(t.Context(), "http://h/")
			if err != nil || resp.Text() != "ok" || time.Since(began) != stepTime || !resp.History()[0].Truncated() {
				t.Errorf("got %v, %v after %v", resp, err, time.Since(began))
			}
		})
	}
}

// An origin is not to blame for what was not read of its steps.
func TestCutStepsAreNoFailures(t *testing.T) {
	m := &pipes{serve: func(_ int, c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(r)
			switch {
			case err != nil:
				return
			case req.URL.Path == "/there":
				io.WriteString(c, ok)
			default:
				io.WriteString(c, "HTTP/1.1 302 x\r\nLocation: /there\r\nContent-Length: 9\r\n\r\n12345678")
			}
		}
	}}
	inBubble(t, m, Config{Breaker: Breaker{Failures: 1}}, func(t *testing.T, s *Session) {
		for range 10 {
			if resp, err := s.Get(t.Context(), "http://h/"); err != nil || resp.Text() != "ok" {
				t.Fatal(err)
			}
		}
		if o := s.Snapshot().Origins[0]; o.Failures != 0 {
			t.Errorf("%d failures", o.Failures)
		}
	})
}

// The end of the call's context while a step is read is an error of reading.
func TestContextEndsWithinAStep(t *testing.T) {
	for _, st := range steps {
		for way, take := range ways {
			t.Run(st.name+"/"+way, func(t *testing.T) {
				m := stepping(st.head, func(c net.Conn) {
					io.WriteString(c, "Content-Length: 1000\r\n\r\n")
					untilClosed(c, "x", 30*time.Millisecond)
				})
				inBubble(t, m, st.cfg, func(t *testing.T, s *Session) {
					_, err := s.Put(t.Context(), "http://h/", append(append(take(), st.opts...), Timeout(40*time.Millisecond))...)
					var failed *IOError
					if !errors.As(err, &failed) || failed.Op != OpRead || !errors.Is(err, context.DeadlineExceeded) || failed.Trace.Total != 40*time.Millisecond {
						t.Errorf("got %#v", err)
					}
				})
			})
		}
	}
}

// What looks like a step and is none reaches the caller whole, however slow it is.
func TestWhatIsNoStepIsWhole(t *testing.T) {
	for _, c := range []struct {
		name, head string
		cfg        Config
		opts       []Option
	}{
		{"404", "404 x", Config{}, nil},
		{"302 without a Location", "302 x", Config{}, nil},
		{"NoRedirect", "302 x\r\nLocation: /there", Config{}, []Option{NoRedirect()}},
		{"no redirects", "302 x\r\nLocation: /there", Config{MaxRedirects: -1}, nil},
		{"300", "300 x\r\nLocation: /there", Config{}, nil},
		{"401 without a challenge", "401 x", Config{}, []Option{DigestAuth("joe", "geheim")}},
		{"417 unasked", "417 x", Config{}, nil},
		{"503 that is not retried", "503 x", Config{}, nil},
		{"503 that wants more patience", "503 x\r\nRetry-After: 3600", Config{Retry: Retry{Statuses: []int{503}}}, nil},
		{"500", "500 x", Config{Breaker: Breaker{ServerErrors: true}}, nil},
	} {
		for form, frame := range map[string][3]string{
			"length":      {"Content-Length: 200000\r\n\r\n", "", ""},
			"chunks":      {"Transfer-Encoding: chunked\r\n\r\n", "2710\r\n", "\r\n"},
			"until close": {"\r\n", "", ""},
		} {
			t.Run(c.name+"/"+form, func(t *testing.T) {
				piece := strings.Repeat("x", 10_000)
				m := stepping(c.head, func(nc net.Conn) {
					io.WriteString(nc, frame[0])
					for range 20 {
						io.WriteString(nc, frame[1]+piece+frame[2])
						time.Sleep(time.Second) // of the bubble
					}
					switch form {
					case "chunks":
						io.WriteString(nc, "0\r\n\r\n")
					case "until close":
						nc.Close()
					}
				})
				inBubble(t, m, c.cfg, func(t *testing.T, s *Session) {
					resp, err := s.Get(t.Context(), "http://h/", c.opts...)
					if err != nil || resp.Status() == 200 || len(resp.Content()) != 200_000 || resp.Truncated() || strings.Trim(resp.Text(), "x") != "" {
						t.Fatalf("got %v, %v", resp, err)
					}
					last := map[string]time.Duration{"length": 19 * time.Second, "chunks": 20 * time.Second, "until close": 20 * time.Second}
					if tr := resp.Trace(); tr.Total != last[form] {
						t.Errorf("the total is %v", tr.Total)
					}
					if _, err := s.Get(t.Context(), "http://h/"); err != nil {
						t.Error(err)
					}
					if want := map[bool]int{false: 1, true: 2}[form == "until close"]; m.dials != want {
						t.Errorf("%d connections", m.dials)
					}
				})
			})
		}
	}
}

// MaxBodyBytes is for all that a call holds.
func TestMaxBodyBytesCountsTheHistory(t *testing.T) {
	redirected := func(last int, bodies ...int) *pipes {
		return &pipes{serve: answering(func(_, _ int, req *http.Request) string {
			var n int
			fmt.Sscanf(req.URL.Path, "/%d", &n)
			if n < len(bodies) {
				return fmt.Sprintf("HTTP/1.1 302 x\r\nLocation: /%d\r\nContent-Length: %d\r\n\r\n%s", n+1, bodies[n], strings.Repeat("x", bodies[n]))
			}
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", last, strings.Repeat("y", last))
		})}
	}
	for _, c := range []struct {
		name   string
		limit  int64
		last   int
		bodies []int
		kept   []int
		fits   bool
	}{
		{"all fits exactly", 1000, 400, []int{300, 300}, []int{300, 300}, true},
		{"one byte too many", 1000, 401, []int{300, 300}, nil, false},
		{"a redirect beyond the limit", 1000, 1, []int{5000}, []int{999}, true},
		{"and then there is no room", 1000, 2, []int{5000}, nil, false},
		{"redirects beyond the limit", 1000, 1, []int{600, 600, 600}, []int{600, 399, 0}, true},
		{"and an empty answer", 1000, 0, []int{600, 600, 600}, []int{600, 399, 0}, true},
		{"no bound", -1, 5000, []int{100_000, 100_000}, []int{stepBytes, stepBytes}, true},
		{"the default", 0, 5000, []int{100_000, 10}, []int{stepBytes, 10}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, redirected(c.last, c.bodies...), Config{MaxBodyBytes: c.limit}, func(t *testing.T, s *Session) {
				resp, err := s.Get(t.Context(), "http://h/0")
				if !c.fits {
					var failed *IOError
					if !errors.Is(err, ErrTooLarge) || !errors.As(err, &failed) {
						t.Errorf("got %v, %v", resp, err)
					}
					return
				}
				if err != nil || len(resp.Content()) != c.last {
					t.Fatalf("got %v, %v", resp, err)
				}
				for i, h := range resp.History() {
					if len(h.Content()) != c.kept[i] || h.Truncated() != (c.kept[i] < c.bodies[i]) {
						t.Errorf("the History has %d bytes of %d, truncated: %v", len(h.Content()), c.bodies[i], h.Truncated())
					}
				}
			})
		})
	}
}

// The bound holds for decoded bodies too, and what was cut is decoded as far as it goes.
func TestStepsAreDecodedWithinTheBound(t *testing.T) {
	text := strings.Repeat("all work and no play ", 10_000)
	noise := make([]byte, 500_000)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for _, c := range []struct {
		name, body string
		truncated  bool
		least      int
	}{
		{"short", text[:1000], false, 1000},
		{"long", text, true, stepBytes},
		{"long and coded too", string(noise), true, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			coded := gzipped(c.body)
			m := stepping("302 x\r\nLocation: http://other/\r\nContent-Encoding: gzip", func(nc net.Conn) {
				fmt.Fprintf(nc, "Content-Length: %d\r\n\r\n%s", len(coded), coded)
			})
			inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
				resp, err := s.Get(t.Context(), "http://h/")
				if err != nil {
					t.Fatal(err)
				}
				h := resp.History()[0]
				got := h.Content()
				if len(got) < c.least || len(got) > stepBytes || !bytes.HasPrefix([]byte(c.body), got) || h.Truncated() != c.truncated || h.Header("Content-Encoding") != "" {
					t.Errorf("%d bytes of %d, truncated: %v, %v", len(got), len(c.body), h.Truncated(), h.Headers())
				}
			})
		})
	}
}

// Over a shared connection a redirect comes whole, as the answers behind it need that; of
// it no more is kept than of others.
func TestStepsOfPipelinedCalls(t *testing.T) {
	m := &pipes{serve: answering(func(_, _ int, req *http.Request) string {
		if req.URL.Path == "/long" {
			return "HTTP/1.1 302 x\r\nLocation: /\r\nContent-Length: 500000\r\n\r\n" + strings.Repeat("x", 500_000)
		}
		return ok
	})}
	inBubble(t, m, Config{MaxConnsPerOrigin: 1, Pipeline: Pipeline{Depth: 8}}, func(t *testing.T, s *Session) {
		if _, err := s.Get(t.Context(), "http://h/"); err != nil {
			t.Fatal(err)
		}
		resp, err := s.Get(t.Context(), "http://h/long")
		if err != nil || resp.Text() != "ok" || len(resp.History()) != 1 || m.dials != 1 {
			t.Fatalf("got %v, %v", resp, err)
		}
		h := resp.History()[0]
		if a := h.answer.Load(); !h.Truncated() || len(h.Content()) != stepBytes || cap(a.Buf) > 4*stepBytes {
			t.Errorf("%d bytes in %d, truncated: %v", len(h.Content()), cap(a.Buf), h.Truncated())
		}
	})
}
