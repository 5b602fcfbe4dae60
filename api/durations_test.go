package api

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// limit is a field of a Config that bounds something.
type limit struct {
	name string
	set  func(cfg *Config, n int64)
}

// limitsOf are all fields of a Config of the given kinds, those of its structs included:
// what is added to it is tested as well.
func limitsOf(t reflect.Type, name string, at []int, is func(reflect.Type) bool) (all []limit) {
	for i := range t.NumField() {
		f, path := t.Field(i), append(at[:len(at):len(at)], i)
		switch {
		case !f.IsExported():
		case is(f.Type):
			all = append(all, limit{name + f.Name, func(cfg *Config, n int64) {
				reflect.ValueOf(cfg).Elem().FieldByIndex(path).SetInt(n)
			}})
		case f.Type.Kind() == reflect.Struct:
			all = append(all, limitsOf(f.Type, name+f.Name+".", path, is)...)
		}
	}
	return all
}

func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }

func isNumber(t reflect.Type) bool {
	return !isDuration(t) && (t.Kind() == reflect.Int || t.Kind() == reflect.Int64)
}

// patient dials and answers slowly, asks for what is expected, and does not serve the
// first /busy.
func patient() *pipes {
	busy := false
	return &pipes{
		fail: func(int) error { time.Sleep(time.Second); return nil },
		serve: func(_ int, c net.Conn) {
			r := bufio.NewReader(c)
			for {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				if req.Header.Get("Expect") != "" {
					io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
				}
				io.Copy(io.Discard, req.Body)
				time.Sleep(time.Second)
				answer := ok
				if req.URL.Path == "/busy" && !busy {
					busy, answer = true, "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"
				}
				if _, err := io.WriteString(c, answer); err != nil {
					return
				}
			}
		},
	}
}

// exercise makes calls that between them touch every duration there is.
func exercise(t *testing.T, s *Session, opts ...Option) {
	t.Helper()
	get := func(what, url string, more ...Option) *Response {
		t.Helper()
		resp, err := s.Put(t.Context(), url, append(more, opts...)...)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return resp
	}
	get("a call", "http://h/")
	if !get("the next", "http://h/").Trace().Reused {
		t.Error("the second call has a connection of its own")
	}
	get("an expected body", "http://h/", Body(strings.NewReader(strings.Repeat("x", 1000))), ExpectContinue())
	get("a reader", "http://h/", Body(io.MultiReader(strings.NewReader("x"))))
	streamed := get("a stream", "http://h/", StreamBody())
	time.Sleep(10 * time.Second) // of the bubble
	if b, err := io.ReadAll(streamed.Body()); string(b) != "ok" || err != nil {
		t.Errorf("the stream: %q, %v", b, err)
	}
	if status := get("a retry", "http://h/busy", Timeout(time.Hour)).Status(); status != 200 && status != 503 {
		t.Errorf("a retry: %d", status)
	}
	time.Sleep(time.Minute + 300*time.Millisecond) // not when the idle connection is just looked at
	if !get("after a minute", "http://h/").Trace().Reused {
		t.Error("the connection has not outlived a minute")
	}
	lease, err := s.Lease(t.Context(), "http://h/", opts...)
	if err != nil {
		t.Fatal(err)
	}
	get("a lease", "http://h/", lease)
	lease.Release()
}

// Whatever fits into a duration is a time to wait, and never one that is over.
func TestLongestDurations(t *testing.T) {
	each := limitsOf(reflect.TypeFor[Config](), "", nil, isDuration)
	all := limit{"all", func(cfg *Config, n int64) {
		for _, l := range each {
			l.set(cfg, n)
		}
	}}
	for _, l := range append(each, all) {
		t.Run(l.name, func(t *testing.T) {
			for _, n := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64/10*9 + 1, math.MaxInt64 / 2} {
				cfg := Config{Retry: Retry{Statuses: []int{503}}, Pipeline: Pipeline{Depth: 4}}
				l.set(&cfg, int64(n))
				inBubble(t, patient(), cfg, func(t *testing.T, s *Session) { exercise(t, s) })
			}
		})
	}
}

// The options too: Timeout is the one that takes a duration.
func TestLongestTimeout(t *testing.T) {
	inBubble(t, patient(), Config{}, func(t *testing.T, s *Session) { exercise(t, s, Timeout(math.MaxInt64)) })
}

// A negative duration is what its field's comment says: no bound, or an error that names
// the field.
func TestMostNegativeDurations(t *testing.T) {
	for _, l := range limitsOf(reflect.TypeFor[Config](), "", nil, isDuration) {
		t.Run(l.name, func(t *testing.T) {
			cfg := Config{Retry: Retry{Statuses: []int{503}}}
			l.set(&cfg, math.MinInt64)
			if err := cfg.validate(); err != nil {
				var wrong *InputError
				if !errors.As(err, &wrong) || wrong.Field != "Config."+l.name {
					t.Errorf("got %v", err)
				}
				return
			}
			inBubble(t, patient(), cfg, func(t *testing.T, s *Session) { exercise(t, s) })
		})
	}
}

// Counts and sizes have no end either, but where their comment names one.
func TestLargestNumbers(t *testing.T) {
	for _, l := range limitsOf(reflect.TypeFor[Config](), "", nil, isNumber) {
		t.Run(l.name, func(t *testing.T) {
			cfg := Config{Retry: Retry{Statuses: []int{503}}}
			l.set(&cfg, math.MaxInt64)
			if err := cfg.validate(); err != nil {
				var wrong *InputError
				if !errors.As(err, &wrong) || wrong.Field != "Config."+l.name {
					t.Errorf("got %v", err)
				}
				return
			}
			inBubble(t, patient(), cfg, func(t *testing.T, s *Session) { exercise(t, s) })
		})
	}
}
