package tests

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// TestPipelineOverTLS: a Write beside a Read.
func TestPipelineOverTLS(t *testing.T) {
	settings := newCertificate(t)
	o := newOriginTLS(t, settings.server())
	s := newSession(t, api.Config{TLS: settings.client(), MaxConnsPerOrigin: 1, Pipeline: api.Pipeline{Depth: 16}})
	if err := callers(32, func(int) error {
		for range 20 {
			if err := second(s.Get(soon(t), o.URL+"/")); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if n := o.opened(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestPipelineStorm: servers that end connections anywhere, callers that leave at any
// moment, calls of all kinds between. Whoever gets an answer gets its own, and at the
// end nothing is left.
func TestPipelineStorm(t *testing.T) {
	noLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { whim(c.(*net.TCPConn)) })
		}
	})
	s := newSession(t, api.Config{
		MaxConnsPerOrigin: 4, MaxConnAge: 50 * time.Millisecond, Breaker: noBreaker,
		Pipeline: api.Pipeline{Depth: 8}, ResponseHeaderTimeout: patience,
	})
	url := "http://" + l.Addr().String()
	var answered, failed atomic.Int64
	errs := each(32, func(i int) error {
		dice := rand.New(rand.NewPCG(uint64(i), 1))
		for j := range 100 {
			ctx, cancel := soon(t), context.CancelFunc(func() {})
			if dice.IntN(4) == 0 {
				ctx, cancel = context.WithTimeout(ctx, time.Duration(dice.IntN(2000))*time.Microsecond)
			}
			method := "GET"
			if dice.IntN(10) == 0 {
				method = "POST"
			}
			path := fmt.Sprintf("/%d/%d", i, j)
			resp, err := s.Request(ctx, method, url+path)
			cancel()
			switch {
			case err != nil:
				failed.Add(1)
			case resp.Text() != path:
				return fmt.Errorf("%s: got %q", path, resp.Text())
			default:
				answered.Add(1)
				resp.Release()
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	t.Logf("%d answered, %d failed", answered.Load(), failed.Load())
	if answered.Load() < 1000 {
		t.Errorf("%d answered, %d failed", answered.Load(), failed.Load())
	}
	wantQuiet(t, s)
	if err := s.Shutdown(soon(t)); err != nil {
		t.Error(err)
	}
	l.Close()
	running.Wait()
}

// whim answers with the path that was asked for, in pieces, and now and then ends.
func whim(c *net.TCPConn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		text := answerOf(req.URL.Path)
		switch rand.IntN(40) {
		case 0:
			return
		case 1:
			c.SetLinger(0)
			return
		case 2:
			io.WriteString(c, text[:rand.IntN(len(text))])
			return
		case 3:
			text = strings.Replace(text, "\r\n", "\r\nConnection: close\r\n", 1)
		case 4, 5, 6:
			cut := rand.IntN(len(text))
			io.WriteString(c, text[:cut])
			pause(context.Background(), time.Duration(rand.IntN(1000))*time.Microsecond)
			text = text[cut:]
		}
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

// TestCloseUnderPipelinedLoad: every call returns, and nothing is left.
func TestCloseUnderPipelinedLoad(t *testing.T) {
	for _, end := range []string{"Close", "Shutdown"} {
		t.Run(end, func(t *testing.T) {
			noLeaks(t)
			o := newOrigin(t)
			s := newSession(t, api.Config{MaxConnsPerOrigin: 2, Pipeline: api.Pipeline{Depth: 16}})
			var sent atomic.Int64
			done := start(func() error {
				errs := each(64, func(int) error {
					for {
						if err := second(s.Get(soon(t), o.URL+"/")); err != nil {
							return err
						}
						sent.Add(1)
					}
				})
				if i := slices.IndexFunc(errs, func(err error) bool { return !errors.Is(err, api.ErrSessionClosed) }); i >= 0 {
					return errs[i]
				}
				return nil
			})
			eventually(t, "the load is on", func() bool { return sent.Load() > 500 })
			var err error
			if end == "Close" {
				err = s.Close()
			} else {
				err = s.Shutdown(soon(t))
			}
			if err != nil {
				t.Error(err)
			}
			if err := receive(t, "every call", done); err != nil {
				t.Error(err)
			}
		})
	}
}
