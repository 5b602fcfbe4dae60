package servers

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// One of two origins is killed under load: what haproxy then says (503 until it
// has noticed, 502 for what was under way) reaches the callers as it is; the other
// origin's answers come through. Where haproxy's own reused connection to the dead
// origin was closed, it closes ours without an answer, so that the client repeats
// what can be repeated: these GETs.
func TestHaproxyOriginKilled(t *testing.T) {
	sum := killOneOfTwo(t, api.Config{})
	for k := range sum {
		switch k {
		case "200 a", "200 b", "502 ", "503 ":
		default:
			t.Errorf("an answer nobody gives: %s", k)
		}
	}
	if sum["200 a"] == 0 || sum["200 b"] == 0 {
		t.Error("one of the origins answered nothing")
	}
}

// With 502 and 503 among the statuses to retry, the callers see neither.
func TestHaproxyOriginKilledIsRetried(t *testing.T) {
	sum := killOneOfTwo(t, api.Config{Retry: api.Retry{
		Attempts: 10, Backoff: 20 * time.Millisecond, MaxBackoff: 100 * time.Millisecond,
		Statuses: []int{502, 503}, Budget: -1}})
	if len(sum) != 2 || sum["200 a"] == 0 || sum["200 b"] == 0 {
		t.Errorf("answers that were to be retried: %v", sum)
	}
}

// killOneOfTwo counts the answers of 20 callers to GETs by status and origin.
func killOneOfTwo(t *testing.T, cfg api.Config) map[string]int {
	t.Helper()
	a, b := newNamedOrigin(t, "a", nil), newNamedOrigin(t, "b", nil)
	h := startHaproxy(t, haproxyConf{
		defaults: "retries 0",
		servers:  "check inter 100ms fall 1 rise 2",
		backends: []string{a.addr, b.addr}})
	s := newSession(t, cfg)
	counts := make([]map[string]int, 20)
	if err := callers(20, func(i int) error {
		counts[i] = map[string]int{}
		for k := range 60 {
			if i == 0 && k == 20 {
				b.shut()
			}
			resp, err := s.Get(soon(t), h.URL+"/slow?ms=2")
			if err != nil {
				return err
			}
			counts[i][fmt.Sprint(resp.Status(), " ", resp.Header("X-Origin"))]++
		}
		return nil
	}); err != nil {
		t.Errorf("haproxy itself never went away: %v", err)
	}
	sum := map[string]int{}
	for _, c := range counts {
		for k, n := range c {
			sum[k] += n
		}
	}
	t.Logf("%v", sum)
	return sum
}

// A POST is not repeated whatever the status says, unless the caller vouches for
// it with an Idempotency-Key.
func TestHaproxyRetriesNoPOSTByStatus(t *testing.T) {
	o := newOrigin(t)
	h := startHaproxy(t, haproxyConf{defaults: "retries 0", backends: []string{o.addr}})
	s := newSession(t, api.Config{Retry: api.Retry{Attempts: 3, Backoff: time.Millisecond, Statuses: []int{503}, Budget: -1}})
	must(t, 503)(s.Post(soon(t), h.URL+"/status?code=503", api.Data{"a": "b"}))
	if got := o.asked("POST /status"); got != 1 {
		t.Errorf("a POST was sent %d times", got)
	}
	must(t, 503)(s.Post(soon(t), h.URL+"/status?code=503", api.Data{"a": "b"}, api.Headers{"Idempotency-Key": "k1"}))
	if got := o.asked("POST /status"); got != 4 {
		t.Errorf("a POST with a key was sent %d times, want 3", got-1)
	}
	must(t, 503)(s.Get(soon(t), h.URL+"/status?code=503"))
	if got := o.asked("GET /status"); got != 3 {
		t.Errorf("a GET was sent %d times, want 3", got)
	}
}

// A client too slow for haproxy's http-request timeout is told so: the 408 comes
// while the body is still being given.
func TestHaproxyRequestTimeout(t *testing.T) {
	o := newOrigin(t)
	h := startHaproxy(t, haproxyConf{
		defaults: "timeout http-request 300ms\n\toption http-buffer-request", backends: []string{o.addr}})
	s := newSession(t, api.Config{})
	hold, give := io.Pipe()
	go give.Write([]byte("the first part")) // and no more until the test ends
	defer hold.Close()
	resp, err := s.Post(soon(t), h.URL+"/echo", api.Body(hold))
	if err == nil && resp.Status() != http.StatusRequestTimeout {
		t.Errorf("status %d", resp.Status())
	} else if err != nil {
		t.Errorf("the 408 was not read: %v", err)
	}
	must(t, 200)(s.Get(soon(t), h.URL+"/"))
}
