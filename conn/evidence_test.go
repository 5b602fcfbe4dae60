package conn

import (
	"io"
	"os"
	"testing"
)

// Whether an answer had begun is right behind every failure, whichever way the
// request went.
func TestAnswerBegun(t *testing.T) {
	ways := map[string]func(c *Conn) error{
		"Write": func(c *Conn) error {
			_, err := c.Write([]byte(get), nil, true)
			return err
		},
		"Ask": func(c *Conn) error {
			_, err := c.Ask([]byte(get))
			return err
		},
	}
	for _, tc := range []struct {
		name, in string
		rst      bool
		want     bool
	}{
		{"a FIN", "", false, false},
		{"a reset", "", true, false},
		{"a byte", "H", false, true},
		{"a byte and a reset", "H", true, true},
		{"an interim answer", "HTTP/1.1 102 Processing\r\n\r\n", false, true},
		{"no HTTP", "what?\r\n", false, true},
		{"a head", ok + "Content-Length: 5\r\n\r\n", false, true},
		{"some of a body", ok + "Content-Length: 5\r\n\r\nhe", true, true},
	} {
		for _, tr := range transports {
			for way, send := range ways {
				if tc.rst && tr.name == overPipe.name {
					continue
				}
				t.Run(tc.name+" over "+tr.name+" with "+way, func(t *testing.T) {
					c, p := tr.meet(t)
					if way == "Ask" && !c.CanAsk() {
						return
					}
					p.answers(okLength) // the one before counts for nothing
					if r := exchange(c, "GET"); r.err != nil {
						t.Fatal(r.err)
					}
					p.work.Wait()
					c.Park()
					p.work.Go(func() {
						if p.request() != nil {
							return
						}
						p.write(tc.in)
						if tc.rst {
							p.reset()
						} else {
							p.finish()
						}
					})
					if err := send(c); err != nil {
						t.Fatal(err)
					}
					if r := receive(c, "GET", 0); r.err == nil || c.AnswerBegun() != tc.want {
						t.Errorf("%+v, begun %t", r, c.AnswerBegun())
					}
					c.Park()
					if c.AnswerBegun() != tc.want {
						t.Error("other when parked")
					}
				})
			}
		}
	}
}

// The clock is asked once a request, when it is out and before its answer is there.
func TestClock(t *testing.T) {
	sends := map[string]func(c *Conn) error{
		"Write": func(c *Conn) error {
			_, err := c.Write([]byte(get), nil, true)
			return err
		},
		"Ask": func(c *Conn) error {
			if !c.CanAsk() {
				_, err := c.Write([]byte(get), nil, true)
				return err
			}
			_, err := c.Ask([]byte(get))
			return err
		},
		"pieces": func(c *Conn) error {
			if _, err := c.Write(putHead(4), []byte("bo"), false); err != nil || c.WroteAt() != 0 {
				return io.ErrShortWrite
			}
			_, err := c.More([]byte("dy"), true)
			return err
		},
		"SendFile": func(c *Conn) error {
			if _, err := c.Write(putHead(0), nil, false); err != nil || c.WroteAt() != 0 {
				return io.ErrShortWrite
			}
			_, err := c.SendFile(os.Stdin, 0)
			return err
		},
	}
	for _, tr := range transports {
		for name, send := range sends {
			t.Run(name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				var now int64
				c.SetClock(func() int64 { now++; return now })
				for n := range int64(3) {
					p.answers(okLength)
					if err := send(c); err != nil {
						t.Fatal(err)
					}
					if r := receive(c, "GET", 0); r.err != nil || c.WroteAt() != n+1 || c.FirstAt() != 0 || now != n+1 {
						t.Errorf("%+v, written at %d, first byte at %d, asked %d times", r, c.WroteAt(), c.FirstAt(), now)
					}
					c.Park()
					p.work.Wait()
				}
				c.Interrupt(errFirst)
				c.Write([]byte(get), nil, true)
				if c.WroteAt() != 0 {
					t.Error("written although it was not")
				}
			})
		}
	}
}
