package tests

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// readsAhead is a Driver's connection that embeds a socket, reads ahead of who reads,
// and gives a byte at a time: what the socket's other methods tell is not true of it.
type readsAhead struct {
	*net.TCPConn
	ahead *bufio.Reader
}

func (c *readsAhead) Read(p []byte) (int, error) { return c.ahead.Read(p[:min(len(p), 1)]) }

// TestWhatADriversConnectionHasReadAheadIsNoAnswer (RFC 9112 §9.2), however short
// ago the connection was in use. A machine that takes the core from a Read just as that
// begins may make a look miss what it would have given: see docs/decisions/0010.
func TestWhatADriversConnectionHasReadAheadIsNoAnswer(t *testing.T) {
	const both = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine" + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
	const rounds = 60
	cert := newCertificate(t)
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			var o *origin
			if o = newOrigin(t); secure {
				o = newOriginTLS(t, cert.server())
			}
			o.route("/", func(x *exchange) bool { return x.take() && x.write(both) })
			s := newSession(t, api.Config{TLS: cert.client(), MaxConnsPerOrigin: 1, Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
				nc, err := tcp.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				c := nc.(*net.TCPConn)
				return &readsAhead{c, bufio.NewReaderSize(c, 64<<10)}, nil
			})})
			forged := 0
			for range rounds {
				resp, err := s.Get(soon(t), o.URL)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Text() != "mine" {
					forged++
				}
			}
			if forged > rounds/4 {
				t.Errorf("%d of %d were answered with what was left over", forged, rounds)
			}
		})
	}
}

// veiled is a Driver's connection that embeds a socket and hides what goes over it.
type veiled struct{ *net.TCPConn }

func veil(p []byte) []byte {
	p = bytes.Clone(p)
	for i := range p {
		p[i] ^= 0x55
	}
	return p
}

func (c veiled) Write(p []byte) (int, error) { return c.TCPConn.Write(veil(p)) }

func (c veiled) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	copy(p, veil(p[:n]))
	return n, err
}

// veiledListener is the server's side of it.
type veiledListener struct{ net.Listener }

func (l veiledListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return veiled{c.(*net.TCPConn)}, nil
}

// TestEveryByteGoesThroughADriversOwnMethods: requests, bodies in memory, of readers and
// of files, small and large, and what is copied to files and to sockets.
func TestEveryByteGoesThroughADriversOwnMethods(t *testing.T) {
	noLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})}
	served := start(func() error { return server.Serve(veiledListener{l}) })
	t.Cleanup(func() {
		server.Close()
		receive(t, "the server", served)
	})
	s := newSession(t, api.Config{Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := tcp.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return veiled{nc.(*net.TCPConn)}, nil
	})})
	url := "http://" + l.Addr().String()
	for _, size := range []int{10, 100_000, 3 << 20} {
		body := strings.Repeat("0123456789", size/10)
		name := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		for kind, send := range map[string]func() (*api.Response, error){
			"memory": func() (*api.Response, error) { return s.Post(soon(t), url, api.Body(strings.NewReader(body))) },
			"reader": func() (*api.Response, error) {
				return s.Post(soon(t), url, api.Body(struct{ io.Reader }{strings.NewReader(body)}))
			},
			"file": func() (*api.Response, error) {
				f, err := api.OpenFile(name)
				if err != nil {
					return nil, err
				}
				defer f.Close()
				return s.Upload(soon(t), url, f)
			},
		} {
			if resp, err := send(); err != nil || resp.Text() != body {
				t.Errorf("%s of %d bytes: %v", kind, size, err)
			}
		}
		f, err := os.Create(filepath.Join(t.TempDir(), "copy"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Post(soon(t), url, api.Body(strings.NewReader(body)), api.StreamBody())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(f, resp.Body())
		f.Close()
		if got, _ := os.ReadFile(f.Name()); err != nil || string(got) != body {
			t.Errorf("copied to a file: %d of %d bytes, %v", len(got), size, err)
		}
	}
}

// undated is a Driver's connection over a pipe whose deadlines are of no use.
type undated struct {
	net.Conn
	err error // nil: they do nothing
}

func (c undated) SetDeadline(time.Time) error      { return c.err }
func (c undated) SetReadDeadline(time.Time) error  { return c.err }
func (c undated) SetWriteDeadline(time.Time) error { return c.err }

// TestADriversConnectionNeedsNoDeadlines: such are the channels of SSH. It is reused, and
// whatever bounds a wait bounds it there too.
func TestADriversConnectionNeedsNoDeadlines(t *testing.T) {
	for kind, refusal := range map[string]error{"refused": errors.New("ssh: tcpChan: deadline not supported"), "ignored": nil} {
		in := func(name string, serve func(int, net.Conn), cfg api.Config, test func(t *testing.T, s *api.Session, p *pipes)) {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := &pipes{serve: serve}
					cfg.Driver = driver(func(ctx context.Context, network, address string) (net.Conn, error) {
						c, err := p.DialContext(ctx, network, address)
						return undated{c, refusal}, err
					})
					s, err := api.NewSession(cfg)
					if err != nil {
						t.Fatal(err)
					}
					defer p.conns.Wait()
					defer s.Close()
					test(t, s, p)
				})
			})
		}
		hello := ok200 + "Content-Length: 5\r\n\r\nhello"
		in("reuse", always(hello), api.Config{IdleTimeout: time.Hour}, func(t *testing.T, s *api.Session, p *pipes) {
			for _, pause := range []time.Duration{0, 2 * time.Millisecond, time.Second, time.Minute} {
				time.Sleep(pause)
				if err := second(s.Get(t.Context(), "http://h/")); err != nil {
					t.Fatal(err)
				}
			}
			if n := p.dialled(); n != 1 {
				t.Errorf("%d dials for calls one after the other", n)
			}
		})
		in("sweep", func(_ int, c net.Conn) {
			always(hello)(1, &stopsAfter{Conn: c, left: 1})
		}, api.Config{IdleTimeout: time.Hour}, func(t *testing.T, s *api.Session, p *pipes) {
			if err := second(s.Get(t.Context(), "http://h/")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if n := conns(s); n != 0 {
				t.Errorf("%d connections that the server has closed are kept", n)
			}
		})
		silent := func(_ int, c net.Conn) { io.Copy(io.Discard, c) }
		in("ResponseHeaderTimeout", silent, api.Config{ResponseHeaderTimeout: time.Second}, func(t *testing.T, s *api.Session, _ *pipes) {
			began := time.Now()
			err := second(s.Get(t.Context(), "http://h/"))
			if took := time.Since(began); err == nil || took != time.Second {
				t.Errorf("after %v: %v", took, err)
			}
		})
		in("the context", silent, api.Config{}, func(t *testing.T, s *api.Session, _ *pipes) {
			began := time.Now()
			err := second(s.Get(t.Context(), "http://h/", api.Timeout(time.Second)))
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
				t.Errorf("after %v: %v", took, err)
			}
		})
		in("an Expect that nobody answers", func(_ int, c net.Conn) {
			r := bufio.NewReader(c)
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, hello)
		}, api.Config{}, func(t *testing.T, s *api.Session, _ *pipes) {
			if err := second(s.Post(t.Context(), "http://h/", api.Body(strings.NewReader("x")), api.ExpectContinue())); err != nil {
				t.Error(err)
			}
		})
		in("a rest that never comes", func(_ int, c net.Conn) {
			always(ok200+"Content-Length: 10\r\n\r\nhello")(1, c)
		}, api.Config{}, func(t *testing.T, s *api.Session, _ *pipes) {
			resp, err := s.Get(t.Context(), "http://h/", api.StreamBody())
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			resp.Body().Close()
			if took := time.Since(began); took > time.Second {
				t.Errorf("Close of a body took %v", took)
			}
		})
		in("an early answer", func(_ int, c net.Conn) {
			http.ReadRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n")
			time.Sleep(time.Hour)
		}, api.Config{}, func(t *testing.T, s *api.Session, _ *pipes) {
			began := time.Now()
			resp, err := s.Post(t.Context(), "http://h/", api.Body(strings.NewReader(strings.Repeat("x", 1<<20))))
			if took := time.Since(began); err != nil || resp.Status() != 413 || took > time.Second {
				t.Errorf("after %v: %v, %v", took, resp, err)
			}
		})
	}
}

// stopsAfter ends a connection behind so many Writes.
type stopsAfter struct {
	net.Conn
	left int
}

func (c *stopsAfter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.left--; c.left == 0 {
		c.Conn.Close()
	}
	return n, err
}
