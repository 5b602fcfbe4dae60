package http1

import (
	"errors"
	"strings"
	"testing"
)

// What is skipped, and where that ends, however the bytes are cut.
func TestHeadsSkipInterimAnswers(t *testing.T) {
	const hints, final = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"
	const switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
	for _, c := range []struct {
		name    string
		upgrade bool
		in      string
		want    int // status of the final answer; 0: an error
		said    string
	}{
		{"none", false, final, 204, ""},
		{"some", false, hints + "HTTP/1.1 100 \r\n\r\n" + hints + final, 204, ""},
		{"as many as there may be", false, strings.Repeat(hints, 16) + final, 204, ""},
		{"one more", false, strings.Repeat(hints, 17) + final, 0, "more than 16 interim (1xx) answers"},
		{"101 unasked", false, hints + switched, 0, "switched protocols unasked"},
		{"101 asked for", true, hints + switched, 101, ""},
		{"as an error too", true, strings.Repeat(hints, 17), 0, "more than 16"},
		{"no status", false, hints + "HTTP/1.1 99 \r\n\r\n", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for cut := 1; cut <= len(c.in); cut++ {
				heads, in, come := Heads{Upgrade: c.upgrade}, c.in, cut
				var h Head
				for {
					n, final, err := heads.Next(&h, []byte(in[:min(come, len(in))]), Limits{})
					if err == ErrNeedMore && come < len(in) {
						come += cut
						continue
					}
					if err != nil || final {
						var e *Error
						if c.want == 0 != errors.As(err, &e) || c.want == 0 && !strings.Contains(err.Error(), c.said) || c.want != 0 && h.Status() != c.want {
							t.Fatalf("cut every %d bytes: %d, %v", cut, h.Status(), err)
						}
						if heads.Interim() != strings.HasPrefix(c.in, hints) {
							t.Fatalf("interim %v", heads.Interim())
						}
						break
					}
					in, come = in[n:], max(come-n, 1)
					h.Reset()
				}
			}
		})
	}
	var heads Heads
	var h Head
	for range 17 {
		if _, _, err := heads.Next(&h, []byte(hints), Limits{}); err != nil {
			t.Fatal("Reset does not begin anew")
		}
		h.Reset()
		heads.Reset()
	}
}
