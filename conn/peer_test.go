package conn

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
	"github.com/seed53b03582/troupe/conn/memory"
)

// transport is a way in which a connection and its server meet.
type transport struct {
	name   string
	secure bool
	pair   func(t testing.TB) (client, server net.Conn)
	server func(*tls.Config) // what is other in its settings, or nil
}

var (
	overPipe      = transport{name: "pipe", pair: memoryPair}
	overTCP       = transport{name: "tcp", pair: tcpPair}
	overTLS       = transport{name: "tls", secure: true, pair: tcpPair}
	overHiddenTLS = transport{name: "tls without raw access", secure: true, pair: hiddenPair}
	overHiddenTCP = transport{name: "tcp without raw access", pair: hiddenPair}

	transports = []transport{overPipe, overTCP, overTLS, overHiddenTLS}
)

// memoryPair holds nothing: who has written knows that the other end reads.
func memoryPair(testing.TB) (client, server net.Conn) { return memory.Pipe(memory.Link{Window: -1}) }

// hidden is a driver's conn that offers no more than net.Conn does.
type hidden struct{ net.Conn }

func hiddenPair(t testing.TB) (client, server net.Conn) {
	client, server = tcpPair(t)
	return hidden{client}, server
}

// peer is the server's end of one connection.
type peer struct {
	net.Conn          // TLS or plain
	raw      net.Conn // the socket
	out      *outlet  // between TLS and the socket
	br       *bufio.Reader
	work     sync.WaitGroup
}

// meet opens a connection, and closes both ends when the test is over.
func (tr transport) meet(t testing.TB) (*Conn, *peer) {
	t.Helper()
	client, server := tr.pair(t)
	return tr.over(t, client, server)
}

// over makes a connection of two ends.
func (tr transport) over(t testing.TB, client, server net.Conn) (*Conn, *peer) {
	t.Helper()
	c, p := New(client, &Buffers{}), &peer{Conn: server, raw: server}
	c.watch.stall, c.watch.look, c.watch.finish = patience, patience, patience // a machine that stands still is no server that does
	t.Cleanup(func() {
		p.raw.Close()
		c.Close()
		p.work.Wait()
	})
	if tr.secure {
		p.out = &outlet{Conn: server}
		cfg := serverTLS()
		if tr.server != nil {
			tr.server(cfg)
		}
		secured := tls.Server(p.out, cfg)
		p.Conn = secured
		p.work.Go(func() { secured.Handshake() })
		if err := c.Secure(t.Context(), clientTLS()); err != nil {
			t.Fatal(err)
		}
		p.work.Wait() // the session tickets are out
	}
	p.br = bufio.NewReader(p)
	return c, p
}

// outlet can divert what TLS writes to the socket.
type outlet struct {
	net.Conn
	divert func(p []byte)
}

func (o *outlet) Write(p []byte) (int, error) {
	if o.divert != nil {
		o.divert(p)
		return len(p), nil
	}
	return o.Conn.Write(p)
}

// request reads one request whole.
func (p *peer) request() error {
	req, err := http.ReadRequest(p.br)
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	return err
}

// answers reads a request and writes the pieces, in the background.
func (p *peer) answers(pieces ...string) {
	p.work.Go(func() {
		if p.request() == nil {
			p.write(pieces...)
		}
	})
}

func (p *peer) write(pieces ...string) error {
	for _, piece := range pieces {
		if _, err := io.WriteString(p, piece); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the connection in good order: with a close_notify over TLS.
func (p *peer) finish() {
	if t, ok := p.Conn.(*tls.Conn); ok {
		t.CloseWrite()
	}
	p.cut()
}

// cut sends a bare FIN, whatever lies over the socket.
func (p *peer) cut() {
	p.raw.(interface{ CloseWrite() error }).CloseWrite()
}

// reply is what came of one exchange.
type reply struct {
	status int
	body   string
	err    error
}

const get = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"

// exchange sends a request without a body and reads the answer.
func exchange(c *Conn, method string) reply {
	if _, err := c.Write([]byte(method+get[len("GET"):]), nil, true); err != nil {
		return reply{err: err}
	}
	return receive(c, method, 0)
}

func receive(c *Conn, method string, max int64) (r reply) {
	var h http1.Head
	if _, r.err = c.ReadHead(method, &h, nil, http1.Limits{}, 0); r.err != nil {
		return r
	}
	r.status = h.Status()
	var body []byte
	body, r.err = c.ReadAll(nil, max)
	r.body = string(body)
	return r
}

// readHead reads a head that must be fine.
func readHead(t testing.TB, c *Conn) {
	t.Helper()
	var h http1.Head
	if _, err := c.ReadHead("GET", &h, nil, http1.Limits{}, 0); err != nil {
		t.Fatal(err)
	}
}

// patience is how long a test waits for what is sure to come.
const patience = 5 * time.Minute

// eventually waits for what the other end's bytes bring about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// wantError checks the chain of err.
func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}
