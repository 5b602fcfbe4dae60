package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// slow dials, reads and answers in known times of the bubble.
func slow() *pipes {
	return &pipes{
		fail: func(int) error { time.Sleep(time.Second); return nil },
		serve: func(_ int, c net.Conn) {
			r := bufio.NewReader(c)
			for {
				time.Sleep(10 * time.Second) // the write waits: a pipe holds nothing
				if readRequest(r) == nil {
					return
				}
				time.Sleep(100 * time.Second)
				io.WriteString(c, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n")
				time.Sleep(1000 * time.Second)
				io.WriteString(c, "ok")
			}
		},
	}
}

func seconds(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }

func TestTrace(t *testing.T) {
	inBubble(t, slow(), Config{MaxConnsPerOrigin: 1, DialTimeout: time.Minute}, func(t *testing.T, s *Session) {
		first := make(chan Trace, 2)
		for range 2 {
			go func() {
				resp, err := s.Get(t.Context(), "http://h/")
				if err != nil {
					t.Error(err)
					first <- Trace{}
					return
				}
				first <- resp.Trace()
			}()
			time.Sleep(time.Millisecond) // of the bubble
		}
		tr := <-first
		if seconds(tr.Queued) != 0 || seconds(tr.Dial) != 1 || tr.TLS != 0 || seconds(tr.Write) != 10 || seconds(tr.FirstByte) != 100 || seconds(tr.Total) != 1111 {
			t.Errorf("the first: %+v", tr)
		}
		if tr.Attempts != 1 || tr.Reused || tr.Peer == nil || tr.Protocol != "HTTP/1.0" || tr.ConnectionID == "" {
			t.Errorf("the first: %+v", tr)
		}
		again := <-first
		if seconds(again.Queued) != 1111 || again.Dial != 0 || seconds(again.Write) != 10 || seconds(again.FirstByte) != 100 || seconds(again.Total) != 2221 {
			t.Errorf("the second: %+v", again)
		}
		if !again.Reused || again.ConnectionID != tr.ConnectionID {
			t.Errorf("the second: %+v", again)
		}
	})
}

// Errors carry what is known of the try that failed.
func TestTraceOfErrors(t *testing.T) {
	inBubble(t, slow(), Config{MaxConnsPerOrigin: 1, DialTimeout: time.Minute}, func(t *testing.T, s *Session) {
		get := func(after time.Duration) error {
			_, err := s.Get(t.Context(), "http://h/", Timeout(after))
			return err
		}
		var connecting *HTTPConnectionError
		if err := get(500 * time.Millisecond); !errors.As(err, &connecting) || connecting.Trace.Total != 500*time.Millisecond || connecting.Trace.Queued != 500*time.Millisecond || connecting.Trace.Attempts != 1 {
			t.Errorf("while dialling: %v, %+v", err, connecting)
		}
		time.Sleep(time.Second)
		var failed *IOError
		if err := get(60 * time.Second); !errors.As(err, &failed) || failed.Op != OpRead || seconds(failed.Trace.Write) != 10 || failed.Trace.FirstByte != 0 || seconds(failed.Trace.Total) != 60 || failed.Trace.Peer == nil || failed.Trace.ConnectionID == "" {
			t.Errorf("while waiting: %v, %+v", err, failed)
		}
		if err := get(5 * time.Second); !errors.As(err, &failed) || failed.Op != OpWrite || failed.Trace.Write != 0 || seconds(failed.Trace.Total) != 5 || seconds(failed.Trace.Dial) != 1 {
			t.Errorf("while writing: %v, %+v", err, failed)
		}
	})
	m := &pipes{fail: func(int) error { time.Sleep(time.Second); return syscall.ECONNREFUSED }}
	inBubble(t, m, Config{Retry: Retry{Attempts: 3, Backoff: -1}}, func(t *testing.T, s *Session) {
		var connecting *HTTPConnectionError
		_, err := s.Get(context.Background(), "http://h/")
		if !errors.As(err, &connecting) || connecting.Trace.Attempts != 3 || seconds(connecting.Trace.Total) < 3 || connecting.Trace.Peer != nil {
			t.Errorf("%v, %+v", err, connecting.Trace)
		}
	})
}

// The memory of an answer goes from call to call: one that ended before it began must
// not tell of another's times.
func TestTraceOfACallThatNeverBegan(t *testing.T) {
	inBubble(t, slow(), Config{DialTimeout: time.Minute}, func(t *testing.T, s *Session) {
		for range 4 {
			resp, err := s.Get(t.Context(), "http://h/")
			if err != nil {
				t.Fatal(err)
			}
			resp.Release()
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Get(ctx, "http://h/")
		var failed *HTTPConnectionError
		if !errors.As(err, &failed) || !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if failed.Trace != (Trace{Attempts: 1}) {
			t.Errorf("%+v", failed.Trace)
		}
	})
}

// dialHungUp dials a server that closes each connection, and waits for that.
func dialHungUp(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.Read(make([]byte, 1)) // until its FIN is here
	}
	return c, err
}

// A call that never wrote anything has a total too, however it failed.
func TestTraceOfConnectionsThatHangUp(t *testing.T) {
	url := loopback(t, func(net.Conn) {}) // closes at once
	s := newSession(t, Config{Driver: driver(dialHungUp)})
	_, err := s.Get(t.Context(), url)
	var failed *IOError
	if !errors.As(err, &failed) || failed.Sent != SentNothing || failed.Trace.Total <= 0 {
		t.Errorf("%v, %+v", err, failed)
	}
}

// Trace spans the tries of one request, and each redirect has its own.
func TestTraceOfRedirects(t *testing.T) {
	s := newSession(t, Config{})
	resp, err := s.Get(t.Context(), record(t, redirecting).URL+"/302?to=/there")
	if err != nil {
		t.Fatal(err)
	}
	first, second := resp.History()[0].Trace(), resp.Trace()
	if first.Reused || !second.Reused || first.Attempts != 1 || second.Attempts != 1 || first.ConnectionID != second.ConnectionID {
		t.Errorf("%+v\n%+v", first, second)
	}
	resp.Release()
	if got := resp.Trace(); got.Peer != nil || got.Total != 0 {
		t.Errorf("after Release: %+v", got)
	}
}

// The log of the wire shows it, and no secret. The other log hears nothing of it.
func TestWireLog(t *testing.T) {
	var log, other syncBuffer
	server := record(t, func(int, *http.Request) string {
		return withLength(`{"token":"geheim"}`, "Set-Cookie: id=geheim")
	})
	every := &slog.HandlerOptions{Level: slog.Level(-100)}
	s, err := NewSession(Config{MaxDialsPerOrigin: 1, WireLog: slog.New(slog.NewTextHandler(&log, nil)), Logger: slog.New(slog.NewTextHandler(&other, every))})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Post(t.Context(), server.URL+"/p?api_key=geheim&x=1", Data{"password": "geheim", "user": "joe"}, BasicAuth("joe", "geheim"),
		Headers{"Cookie": "a=geheim"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // which awaits the log
		t.Fatal(err)
	}
	if got := other.String(); got != "" {
		t.Errorf("the other log got %s", got)
	}
	got := log.String()
	for _, want := range []string{"msg=wire", "connection=1", "sent=true", "sent=false", "POST /p?api_key=***&x=1 HTTP/1.1", "Authorization: ***", "password=***&user=joe", "HTTP/1.1 200 OK"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "geheim") || strings.Contains(got, "Z2VoZWlt") {
		t.Errorf("a secret shows:\n%s", got)
	}
}
