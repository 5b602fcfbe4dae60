package conn

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

const tunnelled = "HTTP/1.1 200 Connection established\r\n\r\n"

// listen runs serve for one connection, and gives the address.
func listen(t testing.TB, serve func(nc net.Conn)) string {
	address, _ := listening(t, serve)
	return address
}

// listening is listen with a way to wait for serve's end, as the test does too.
func listening(t testing.TB, serve func(nc net.Conn)) (address string, wait func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		nc, err := l.Accept()
		if err == nil {
			serve(nc)
			nc.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		work.Wait()
	})
	return l.Addr().String(), work.Wait
}

// origin answers one request, over TLS for https.
func origin(nc net.Conn, scheme string) {
	if scheme == "https" {
		nc = tls.Server(nc, serverTLS())
	}
	if req, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"+req.Method)
	}
}

// overTLSToo is serve behind TLS where the proxy is an https one.
func overTLSToo(scheme string, serve func(nc net.Conn)) func(nc net.Conn) {
	if scheme != "https" {
		return serve
	}
	return func(nc net.Conn) {
		t := tls.Server(nc, serverTLS())
		defer t.Close()
		serve(t)
	}
}

// connects reads a CONNECT, gives its text to seen and writes the answer.
func connects(nc net.Conn, seen *string, answer string) {
	var all []byte
	one := make([]byte, 1) // what follows is not the proxy's
	for !bytes.HasSuffix(all, []byte("\r\n\r\n")) {
		if _, err := nc.Read(one); err != nil {
			return
		}
		all = append(all, one...)
	}
	if seen != nil {
		*seen = string(all)
	}
	io.WriteString(nc, answer)
}

// use sends one request through what was dialled, and closes it.
func use(t *testing.T, nc net.Conn, scheme string) {
	t.Helper()
	c := New(nc, &Buffers{})
	defer c.Close()
	if scheme == "https" {
		if err := c.Secure(t.Context(), clientTLS()); err != nil {
			t.Fatal(err)
		}
	}
	if got := exchange(c, "GET"); got.err != nil || got.body != "GET" {
		t.Errorf("%+v", got)
	}
}

func TestDialThrough(t *testing.T) {
	const request = "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: troupe\r\n"
	for _, tc := range []struct {
		proxy, user, scheme string
		answer              string
		seen                string // by an HTTP proxy
	}{
		{"http", "", "https", tunnelled, request + "\r\n"},
		{"http", "u:p@", "https", tunnelled, request + "Proxy-Authorization: Basic dTpw\r\n\r\n"},
		{"https", "u:p@", "https", tunnelled, request + "Proxy-Authorization: Basic dTpw\r\n\r\n"},
		{"http", "", "https", "HTTP/1.0 200\r\n\r\n", request + "\r\n"},
		{"http", "", "https", "HTTP/1.1 204 Fine\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n", request + "\r\n"},
		{"http", "", "https", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 199 So\r\nA: b\r\n\r\n" + tunnelled, request + "\r\n"},
		{"http", "u:p@", "http", "", ""}, // forwarded: nothing is asked for first
		{"https", "u:p@", "http", "", ""},
	} {
		t.Run(tc.proxy+" "+tc.user+" "+tc.scheme+" "+tc.answer, func(t *testing.T) {
			var seen string
			address, wait := listening(t, overTLSToo(tc.proxy, func(nc net.Conn) {
				if tc.answer != "" {
					connects(nc, &seen, tc.answer)
				}
				origin(nc, tc.scheme)
			}))
			p := parseProxy(t, tc.proxy+"://"+tc.user+address)
			nc, err := DialThrough(t.Context(), TCP(), p, tc.scheme, "example.com:443", nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, raw := nc.(*net.TCPConn); raw != (tc.proxy == "http") {
				t.Errorf("a %T", nc)
			}
			use(t, nc, tc.scheme)
			wait()
			if seen != tc.seen {
				t.Errorf("the proxy saw %q, want %q", seen, tc.seen)
			}
		})
	}
}

// An IPv6 address keeps its brackets and loses its zone.
func TestConnectTarget(t *testing.T) {
	for address, want := range map[string]string{
		"[::1]:443":         "[::1]:443",
		"[fe80::1%eth0]:80": "[fe80::1]:80",
		"127.0.0.1:443":     "127.0.0.1:443",
		"a_b.example:8443":  "a_b.example:8443",
	} {
		var seen string
		at, wait := listening(t, func(nc net.Conn) { connects(nc, &seen, tunnelled) })
		nc, err := DialThrough(t.Context(), TCP(), parseProxy(t, "http://"+at), "https", address, nil)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		wait()
		if !strings.HasPrefix(seen, "CONNECT "+want+" HTTP/1.1\r\nHost: "+want+"\r\n") {
			t.Errorf("%s: asked %q", address, seen)
		}
	}
}

// wantRefusal checks what a failed dial says, and gives the proxy's part.
func wantRefusal(t *testing.T, nc net.Conn, err error, says ...string) *ProxyError {
	t.Helper()
	if nc != nil {
		t.Error("a connection beside the error")
	}
	e := wantOp(t, err, OpDial)
	var p *ProxyError
	if !errors.As(e.Err, &p) {
		t.Fatalf("error %v without a *ProxyError", err)
	}
	text := err.Error()
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("%q does not say %q", text, s)
		}
	}
	if strings.Contains(text, "s3cret") || strings.ContainsAny(text, "\r\n") {
		t.Errorf("%q tells too much", text)
	}
	return p
}

// What is not a 2xx is an error that says what to do, and the socket is closed.
func TestConnectRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		user, answer string
		status       int
		is           error
		says         []string
	}{
		"login asked for": {"", "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 4\r\n\r\nbody", 407, nil,
			[]string{"CONNECT example.com:443", "407 Proxy Authentication Required", "Basic authentication", "put user and password into the proxy's URL"}},
		"login refused": {"mallory:s3cret@", "HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=\"x\"\r\nproxy-authenticate: NTLM\r\n\r\n", 407, nil,
			[]string{"407 No", "Digest or NTLM", "does not take the user and password", "correct them"}},
		"login of no kind": {"", "HTTP/1.1 407 \r\n\r\n", 407, nil, []string{"a login"}},
		"forbidden":        {"", "HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\n<html>", 403, nil, []string{"403 Forbidden", "does not allow"}},
		"no proxy":         {"", "HTTP/1.1 405 Method Not Allowed\r\n\r\n", 405, nil, []string{"may be no proxy"}},
		"bad gateway":      {"", "HTTP/1.1 502 \xff\r\n\r\n", 502, nil, []string{"502 ?"}},
		"redirect":         {"", "HTTP/1.1 302 Found\r\nLocation: http://login\r\n\r\n", 302, nil, []string{"302 Found"}},
		"switching":        {"", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, nil, []string{"101"}},
		"long reason":      {"", "HTTP/1.1 500 " + strings.Repeat("x", 1000) + "\r\n\r\n", 500, nil, []string{"xxx…"}},

		"garbage":       {"", "SSH-2.0-OpenSSH_9.6\r\n", 0, nil, []string{"not valid HTTP/1"}},
		"bad field":     {"", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 0, nil, []string{"not valid HTTP/1"}},
		"huge head":     {"", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", maxTunnelHead) + "\r\n\r\n", 0, http1.ErrHeadTooLarge, []string{"64 KiB"}},
		"endless 1xx":   {"", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 17) + tunnelled, 0, nil, []string{"interim"}},
		"early bytes":   {"", tunnelled + "\x16", 0, errEarly, []string{"never speaks first"}},
		"early error":   {"", tunnelled + "HTTP/1.1 200 OK\r\n\r\n", 0, errEarly, nil},
		"closed at 0":   {"", "", 0, io.ErrUnexpectedEOF, []string{"the proxy closed the connection"}},
		"closed within": {"", "HTTP/1.1 200 OK\r\nA: b\r\n", 0, io.ErrUnexpectedEOF, []string{"the proxy closed the connection"}},
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				address := listen(t, overTLSToo(scheme, func(nc net.Conn) {
					connects(nc, nil, tc.answer)
					if tc.is == io.ErrUnexpectedEOF {
						return
					}
					io.Copy(io.Discard, nc) // until it is closed
				}))
				p := parseProxy(t, scheme+"://"+tc.user+address)
				nc, err := DialThrough(t.Context(), TCP(), p, "https", "example.com:443", nil)
				e := wantRefusal(t, nc, err, append(tc.says, p.String())...)
				if e.Status != tc.status || e.Proxy != p.String() {
					t.Errorf("status %d of %s", e.Status, e.Proxy)
				}
				if tc.is != nil {
					wantError(t, err, tc.is)
				}
				if got := err.(*Error).RemoteAddr; got == nil || got.String() != address {
					t.Errorf("remote address %v", got)
				}
			})
		}
	}
}

func TestConnectBadTarget(t *testing.T) {
	p := parseProxy(t, "http://"+listen(t, func(nc net.Conn) {
		if n, _ := nc.Read(make([]byte, 1)); n != 0 {
			t.Error("something was sent")
		}
	}))
	nc, err := DialThrough(t.Context(), TCP(), p, "https", "a b\r\nX: y:443", nil)
	if nc != nil || err == nil {
		t.Errorf("%v, %v", nc, err)
	}
}

func TestDialThroughNoProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, scheme := range []string{"http", "https", "socks5"} {
		p := parseProxy(t, scheme+"://mallory:s3cret@"+l.Addr().String())
		nc, err := DialThrough(t.Context(), TCP(), p, "https", "example.com:443", nil)
		wantRefusal(t, nc, err, p.String(), "connecting")
		wantError(t, err, syscall.ECONNREFUSED)
	}
	p := parseProxy(t, "http://"+l.Addr().String())
	nc, err := DialThrough(t.Context(), driver(func(context.Context, string, string) (net.Conn, error) {
		return nil, ErrDriverNotStarted
	}), p, "http", "example.com:80", nil)
	wantRefusal(t, nc, err)
	if !Local(err) {
		t.Errorf("%v is not this machine's fault", err)
	}
}

// The handshake with an https proxy is part of the dial, and says with whom.
func TestDialThroughTLSFails(t *testing.T) {
	for name, tc := range map[string]struct {
		serve func(nc net.Conn)
		says  []string
	}{
		"no TLS": {func(nc net.Conn) {
			nc.Read(make([]byte, 1<<16))
			io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}, []string{"speaks plain HTTP"}},
		"not trusted": {func(nc net.Conn) { tls.Server(nc, serverTLS()).Handshake() }, []string{"CN=example.com", "RootCAs"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := parseProxy(t, "https://"+listen(t, tc.serve))
			if name == "not trusted" {
				p.tls.RootCAs = nil
			}
			nc, err := DialThrough(t.Context(), TCP(), p, "https", "example.com:443", nil)
			e := wantRefusal(t, nc, err, append(tc.says, "TLS handshake: 127.0.0.1:")...)
			var failed *TLSError
			if !errors.As(e, &failed) || failed.Host != "127.0.0.1" {
				t.Errorf("%v", err)
			}
		})
	}
}

// A body until close that an https proxy cuts short is not whole.
func TestForwardTruncated(t *testing.T) {
	for name, tc := range map[string]struct {
		proper bool
		want   error
	}{
		"close_notify": {true, nil},
		"bare FIN":     {false, http1.ErrTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			address := listen(t, func(raw net.Conn) {
				nc := tls.Server(raw, serverTLS())
				http.ReadRequest(bufio.NewReader(nc))
				io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\nhello")
				if tc.proper {
					nc.CloseWrite()
				}
			})
			nc, err := DialThrough(t.Context(), TCP(), parseProxy(t, "https://"+address), "http", "example.com:80", nil)
			if err != nil {
				t.Fatal(err)
			}
			c := New(nc, &Buffers{})
			defer c.Close()
			got := exchange(c, "GET")
			if got.body != "hello" || !errors.Is(got.err, tc.want) {
				t.Errorf("%+v, want %v", got, tc.want)
			}
		})
	}
}

// Closing says so to an https proxy, but not for long where it does not read.
func TestProxyTLSClose(t *testing.T) {
	selfMade() // its key must not be made in the bubble
	for _, reads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			notified := make(chan bool, 1)
			go func() {
				cfg := serverTLS()
				cfg.SessionTicketsDisabled = true // nobody would read them
				nc := tls.Server(server, cfg)
				nc.Handshake()
				if reads {
					_, err := nc.Read(make([]byte, 1))
					notified <- err == io.EOF
				}
			}()
			d := driver(func(context.Context, string, string) (net.Conn, error) { return client, nil })
			nc, err := DialThrough(t.Context(), d, parseProxy(t, "https://example.com"), "http", "a:80", nil)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			nc.Close()
			want := closeGrace
			if reads {
				want = 0
			}
			if took := time.Since(began); took != want {
				t.Errorf("closing took %v, want %v", took, want)
			}
			if reads && !<-notified {
				t.Error("no close_notify")
			}
			server.Close()
		})
	}
}

// alike tells whether two errors say the same, but for how much of the server's bytes they
// show.
func alike(a, b error) bool {
	var one, other *http1.Error
	if errors.As(a, &one) && errors.As(b, &other) {
		return one.Reason == other.Reason || strings.Contains(one.Reason+other.Reason, "the server speaks")
	}
	return a.Error() == b.Error()
}

// However a proxy's answer is cut into reads, it says the same, and no more than the
// bounds is read.
func FuzzTunnelHead(f *testing.F) {
	for _, s := range []string{tunnelled, "HTTP/1.1 100 A\r\n\r\n" + tunnelled + "x", "HTTP/1.1 407 B\r\nProxy-Authenticate: Basic\r\n\r\n", "HTTP/1.1 200\n\n", "SSH"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var whole, split http1.Head
		head, rest, err := readTunnelHead(bytes.NewReader(in), &whole, false)
		other, _, otherErr := readTunnelHead(iotest.OneByteReader(bytes.NewReader(in)), &split, false)
		if (err == nil) != (otherErr == nil) || err != nil && !alike(err, otherErr) {
			t.Fatalf("%v in one piece, %v byte by byte", err, otherErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(head, other) || whole.Status() != split.Status() || rest > len(in)-len(head) {
			t.Fatalf("%q with %d behind it in one piece, %q byte by byte", head, rest, other)
		}
		p := &Proxy{scheme: "http", address: "p:1"}
		if text := p.refusalAdvice(&whole, head); strings.ContainsAny(text, "\r\n") {
			t.Fatalf("advice %q", text)
		}
	})
}
