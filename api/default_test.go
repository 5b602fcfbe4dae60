package api

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestShutdownWithoutSession(t *testing.T) {
	for range 2 {
		if err := Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestShutdownAndAgain: it ends what callers kept, and the next call starts anew.
func TestShutdownAndAgain(t *testing.T) {
	server := record(t, nil)
	for range 3 {
		resp, err := Get(t.Context(), server.URL, keepAlive)
		if err != nil {
			t.Fatal(err)
		}
		kept := resp.Connection()
		if err := Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if resp.Connection() != nil {
			t.Error("the kept connection is still open")
		}
		_, err = Get(t.Context(), server.URL, kept)
		wantClosed(t, err)
	}
}

// TestShutdownConcurrently with calls: each call ends well or with
// ErrSessionClosed, and the last Shutdown leaves nothing.
func TestShutdownConcurrently(t *testing.T) {
	server := record(t, nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				if _, err := Get(context.Background(), server.URL); err != nil && !errors.Is(err, ErrSessionClosed) {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range 5 {
				if err := Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
