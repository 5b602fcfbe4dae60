package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// send uploads content to h and returns how many bytes were told of on the way.
func send(t *testing.T, h http.Handler, content string) (moved int, err error) {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	s, err := api.NewSession(api.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	j := job{path: filepath.Join(t.TempDir(), "a"), name: "a"}
	if err := os.WriteFile(j.path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = upload(t.Context(), s, srv.URL+"/", j, func(n int) { moved += n })
	return moved, err
}

func TestEveryByteIsToldOf(t *testing.T) {
	for _, size := range []int{0, 1, 5000, 3 << 20} {
		moved, err := send(t, receiver{}, strings.Repeat("x", size))
		if err != nil || moved != size {
			t.Errorf("%d bytes: told of %d, error %v", size, moved, err)
		}
	}
}

func TestReceiptThatDiffersIsAnError(t *testing.T) {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("content")))
	for _, tt := range []struct{ receipt, wrong string }{
		{`{"length":7,"sha256":"` + sum + `"}`, ""},
		{`{"length":6,"sha256":"` + sum + `"}`, "the receiver has 6"},
		{`{"length":7,"sha256":"00"}`, "the receiver has 00"},
		{`{"length":7,"sha256":"` + sum + `","error":"disk full"}`, "disk full"},
		{`thanks`, "JSON"},
	} {
		_, err := send(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, tt.receipt)
		}), "content")
		switch {
		case tt.wrong == "" && err != nil:
			t.Errorf("%s: %v", tt.receipt, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: error %v, want one that says %q", tt.receipt, err, tt.wrong)
		}
	}
}

// damaged changes a byte of the body on its way.
func damaged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		b[len(b)/2] ^= 1
		r.Body = io.NopCloser(strings.NewReader(string(b)))
		next.ServeHTTP(w, r)
	})
}

func TestReceiverFindsDamage(t *testing.T) {
	_, err := send(t, damaged(receiver{}), "content")
	if err == nil || !strings.Contains(err.Error(), "422: the body's SHA-256 is not the one announced") {
		t.Errorf("error %v", err)
	}
}
