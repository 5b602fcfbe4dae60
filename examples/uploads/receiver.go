package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// receipt is what the receiver answers.
type receipt struct {
	Length int64  `json:"length"`
	SHA256 string `json:"sha256"` // in hex
	Error  string `json:"error,omitempty"`
}

// receiver takes uploads and checks them.
type receiver struct {
	rate size
	stop <-chan struct{} // when closed it takes nothing more; nil: never
}

// ServeHTTP reads the body and compares it with the Content-Length and the
// Content-Digest (RFC 9530) of the request's head: 200 or 422, and a receipt.
func (rc receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	n, err := io.Copy(hash, &throttle{r: r.Body, rate: rc.rate, stop: rc.stop, began: time.Now()})
	sum := hash.Sum(nil)
	got := receipt{Length: n, SHA256: hex.EncodeToString(sum)}
	switch {
	case err != nil:
		got.Error = err.Error()
	case n != r.ContentLength:
		got.Error = fmt.Sprintf("%d bytes came, %d were announced", n, r.ContentLength)
	case r.Header.Get("Content-Digest") != digest(sum):
		got.Error = "the body's SHA-256 is not the one announced"
	}
	w.Header().Set("Content-Type", "application/json")
	if got.Error != "" {
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	json.NewEncoder(w).Encode(got)
}

// digest is the value of Content-Digest for a SHA-256.
func digest(sum []byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"
}

// throttle passes rate bytes a second, or all it can where that is 0.
type throttle struct {
	r     io.Reader
	rate  size
	stop  <-chan struct{}
	began time.Time
	read  int64
}

func (t *throttle) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.read += int64(n)
	if t.rate == 0 || err != nil {
		return n, err
	}
	due := time.Duration(float64(t.read) / float64(t.rate) * float64(time.Second))
	select {
	case <-time.After(due - time.Since(t.began)):
		return n, nil
	case <-t.stop:
		return n, errors.New("the receiver is closing")
	}
}

// receive starts a receiver on a free port of this machine. end ends it.
func receive(rate size) (url string, end func(context.Context) error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	stop, stopNow := context.WithCancel(context.Background())
	s := &http.Server{Handler: receiver{rate: rate, stop: stop.Done()}, ReadHeaderTimeout: 5 * time.Second}
	if rate > 0 {
		s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			c.(*net.TCPConn).SetReadBuffer(128 << 10) // or the kernel would take megabytes at once
			return ctx
		}
	}
	go s.Serve(l)
	return "http://" + l.Addr().String() + "/", func(ctx context.Context) error {
		stopNow()
		return s.Shutdown(ctx)
	}, nil
}
