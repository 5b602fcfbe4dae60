package conn

import (
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

// A body whose beginning was taken without waiting, and the rest later, is the whole body,
// wherever the connection has cut it.
func TestTakeBufferedAndRest(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			c, p := tr.meet(t)
			for _, a := range kept {
				for cut := 1; cut <= len(a.in); cut++ {
					for _, max := range []int64{0, 1, 3} {
						p.answers(a.in[:cut], a.in[cut:])
						if _, err := c.Write([]byte(a.method+get[len("GET"):]), nil, true); err != nil {
							t.Fatal(err)
						}
						var h http1.Head
						head, err := c.ReadHead(a.method, &h, nil, http1.Limits{}, 0)
						if err != nil {
							t.Fatalf("%s cut at %d: %v", a.name, cut, err)
						}
						buf, err := c.TakeBuffered(head, max)
						if taken := len(buf) - len(head); err != nil || max > 0 && int64(taken) > max {
							t.Fatalf("%s cut at %d: took %d bytes of at most %d, %v", a.name, cut, taken, max, err)
						}
						if cut == len(a.in) && max == 0 && !c.Finished() && tr.name == "pipe" {
							t.Errorf("%s: all of it was there, and was not taken", a.name)
						}
						buf, err = c.ReadRest(buf, len(head), 0)
						if body := string(buf[len(head):]); err != nil || body != a.want.body || h.Status() != a.want.status {
							t.Fatalf("%s cut at %d: %d %q, %v", a.name, cut, h.Status(), body, err)
						}
						p.work.Wait()
						if !c.Reusable() {
							t.Fatalf("%s cut at %d: not reusable", a.name, cut)
						}
						c.Park()
					}
				}
			}
		})
	}
}

// The limit of a body is for both parts of it together.
func TestRestTooLarge(t *testing.T) {
	for _, frame := range []string{"Content-Length: 6\r\n\r\nabcdef", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"} {
		for max, fits := range map[int64]bool{5: false, 6: true} {
			c, p := transports[0].meet(t)
			p.answers("HTTP/1.1 200 OK\r\n" + frame)
			if _, err := c.Write([]byte(get), nil, true); err != nil {
				t.Fatal(err)
			}
			readHead(t, c)
			buf, err := c.TakeBuffered(nil, max)
			if err != nil {
				t.Fatal(err)
			}
			if buf, err = c.ReadRest(buf, 0, max); (err == nil) != fits {
				t.Errorf("at most %d: %q, %v", max, buf, err)
			}
			if !fits {
				wantError(t, err, ErrTooLarge)
			}
			p.work.Wait()
		}
	}
}
