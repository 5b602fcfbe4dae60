package conn

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
)

// socksServer speaks RFC 1928 and RFC 1929 as far as a client's CONNECT goes.
type socksServer struct {
	user, password string // empty: no login
	reply          byte
	target         string // what was asked for
	login          string // what was given
}

func (s *socksServer) serve(nc net.Conn) (ok bool) {
	read := func(n int) []byte {
		b := make([]byte, n)
		io.ReadFull(nc, b)
		return b
	}
	methods := read(int(read(2)[1]))
	if s.user == "" {
		nc.Write([]byte{5, 0})
	} else if bytes.IndexByte(methods, 2) < 0 {
		nc.Write([]byte{5, 0xff})
		return false
	} else {
		nc.Write([]byte{5, 2})
		user := read(int(read(2)[1]))
		password := read(int(read(1)[0]))
		s.login = string(user) + ":" + string(password)
		if s.login != s.user+":"+s.password {
			nc.Write([]byte{1, 1})
			return false
		}
		nc.Write([]byte{1, 0})
	}
	var host string
	switch kind := read(4)[3]; kind {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	case 4:
		host = net.IP(read(16)).String()
	}
	s.target = net.JoinHostPort(host, fmt.Sprint(binary.BigEndian.Uint16(read(2))))
	nc.Write([]byte{5, s.reply, 0, 1, 127, 0, 0, 1, 0, 80})
	return s.reply == 0
}

func TestSOCKS5(t *testing.T) {
	for _, tc := range []struct {
		proxy, scheme, address string
		server                 socksServer
		target                 string
	}{
		{"socks5://", "https", "example.com:443", socksServer{}, "example.com:443"},
		{"socks5h://", "http", "example.com:80", socksServer{}, "example.com:80"},
		{"socks5://u:p@", "https", "example.com:443", socksServer{user: "u", password: "p"}, "example.com:443"},
		{"socks5://u@", "http", "example.com:80", socksServer{user: "u"}, "example.com:80"},
		{"socks5://u:p@", "http", "example.com:80", socksServer{}, "example.com:80"}, // not asked for
		{"socks5://", "http", "127.0.0.1:8080", socksServer{}, "127.0.0.1:8080"},
		{"socks5://", "http", "[::1]:8080", socksServer{}, "[::1]:8080"},
		{"socks5://", "http", "[fe80::1%eth0]:8080", socksServer{}, "[fe80::1]:8080"},
	} {
		t.Run(tc.proxy+" "+tc.scheme+" "+tc.address, func(t *testing.T) {
			address, wait := listening(t, func(nc net.Conn) {
				if tc.server.serve(nc) {
					origin(nc, tc.scheme)
				}
			})
			nc, err := DialThrough(t.Context(), TCP(), parseProxy(t, tc.proxy+address), tc.scheme, tc.address, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := nc.(*net.TCPConn); !ok {
				t.Errorf("a %T", nc)
			}
			use(t, nc, tc.scheme)
			wait()
			if tc.server.target != tc.target {
				t.Errorf("asked for %s, want %s", tc.server.target, tc.target)
			}
			if want := tc.server.user + ":" + tc.server.password; tc.server.user != "" && tc.server.login != want {
				t.Errorf("login %q, want %q", tc.server.login, want)
			}
		})
	}
}

func TestSOCKS5Refused(t *testing.T) {
	for name, tc := range map[string]struct {
		user  string
		serve func(nc net.Conn)
		says  string
		is    error
	}{
		"not allowed":   {"", func(nc net.Conn) { (&socksServer{reply: 2}).serve(nc) }, "the proxy refused: connection not allowed by ruleset", nil},
		"unreachable":   {"", func(nc net.Conn) { (&socksServer{reply: 4}).serve(nc) }, "the proxy refused: host unreachable", nil},
		"login missing": {"", func(nc net.Conn) { (&socksServer{user: "u"}).serve(nc) }, "no acceptable authentication methods", nil},
		"login wrong":   {"mallory:s3cret@", func(nc net.Conn) { (&socksServer{user: "u"}).serve(nc) }, "authentication failed", nil},
		"HTTP":          {"", func(nc net.Conn) { io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n") }, "unexpected protocol version", nil},
		"closed":        {"", func(nc net.Conn) { nc.Read(make([]byte, 3)) }, "the proxy closed the connection", io.ErrUnexpectedEOF},
		"closed within": {"", func(nc net.Conn) { nc.Read(make([]byte, 3)); nc.Write([]byte{5}) }, "the proxy closed the connection", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			p := parseProxy(t, "socks5://"+tc.user+listen(t, func(nc net.Conn) {
				tc.serve(nc)
				nc.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, nc)
			}))
			nc, err := DialThrough(t.Context(), TCP(), p, "https", "example.com:443", nil)
			wantRefusal(t, nc, err, tc.says, p.String(), "SOCKS5 example.com:443")
			if tc.is != nil {
				wantError(t, err, tc.is)
			}
		})
	}
}
