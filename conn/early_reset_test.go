package conn

import (
	"net"
	"net/http"
	"syscall"
	"testing"
)

// reset ends the connection as a server does that closes with bytes unread.
func (p *peer) reset() {
	p.raw.(*net.TCPConn).SetLinger(0)
	p.raw.Close()
}

// A server that refuses and closes resets the connection: what it said before that
// is read nevertheless, and never taken for more than it was.
func TestEarlyAnswerBehindReset(t *testing.T) {
	const cutShort = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 80\r\n\r\ntoo much"
	for _, tr := range []transport{overTCP, overTLS, overHiddenTCP} {
		for _, tc := range []struct {
			name, in string
			status   int
			fails    bool
		}{
			{"whole", early413, 413, false},
			{"a whole 2xx", early200, 200, false},
			{"cut short", cutShort, 413, true},
			{"until close", "HTTP/1.1 413 Content Too Large\r\n\r\ntoo much", 413, true},
		} {
			t.Run(tc.name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				first := make([]byte, 1000)
				if _, err := c.Write(putHead(hugeBody), first, false); err != nil {
					t.Fatal(err)
				}
				http.ReadRequest(p.br)
				p.write(tc.in)
				p.reset()
				var sent Sent
				var err error
				for err == nil { // the first meets the reset, or the one behind it
					sent, err = c.More(first, false)
				}
				if sent != SentPart || err != ErrAnswered || !c.AnswerBegun() {
					t.Fatalf("sent %v, %v, begun %t", sent, err, c.AnswerBegun())
				}
				if r := receive(c, "PUT", 0); r.status != tc.status || (r.err != nil) != tc.fails {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

// A reset without an answer is the write's error, and no byte of an answer.
func TestResetWhileWriting(t *testing.T) {
	for _, tr := range []transport{overTCP, overTLS} {
		for _, up := range uploads {
			t.Run(up.name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				p.work.Go(func() {
					http.ReadRequest(p.br)
					p.reset()
				})
				sent, err := up.send(t, c, zeros())
				if sent != SentPart || err == nil || c.AnswerBegun() {
					t.Errorf("sent %v, %v, begun %t", sent, err, c.AnswerBegun())
				}
				if err == ErrAnswered {
					if r := receive(c, "PUT", 0); r.err == nil {
						t.Errorf("%+v", r)
					}
				}
			})
		}
	}
}

// A reset between two pieces is told by the read, once the watch has met it.
func TestResetBetweenPieces(t *testing.T) {
	c, p := overTCP.meet(t)
	if _, err := c.Write(putHead(2000), make([]byte, 1000), false); err != nil {
		t.Fatal(err)
	}
	http.ReadRequest(p.br)
	p.reset()
	heard(t, c)
	if sent, err := c.More(make([]byte, 1000), true); sent != SentPart || err != ErrAnswered || c.AnswerBegun() {
		t.Errorf("sent %v, %v", sent, err)
	}
	wantError(t, receive(c, "PUT", 0).err, syscall.ECONNRESET)
}
