package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// foreign is a Driver to a server of another protocol. A dial returns when the server has
// sent its greeting, so that this is there before the request.
type foreign struct {
	greeting string
	serve    func(c net.Conn)
	wrap     func(c net.Conn) net.Conn
}

func (f *foreign) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	var d net.Dialer
	client, err := d.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	server, err := l.Accept()
	if err == nil {
		_, err = io.WriteString(server, f.greeting)
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	go func() {
		defer server.Close()
		if f.serve != nil {
			f.serve(server)
		}
		io.Copy(io.Discard, server)
	}()
	if f.wrap != nil {
		return f.wrap(client), nil
	}
	return client, nil
}

// hiding is a connection with net.Conn's methods alone.
type hiding struct{ net.Conn }

func hide(c net.Conn) net.Conn { return hiding{c} }

// What speaks another protocol is told by its first line, whether it speaks first or waits
// to be asked, and the call does not go on to another connection.
func TestServersOfOtherProtocols(t *testing.T) {
	party := pinIssue(t, "example.com", nil)
	settings := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{party.cert.Raw}, PrivateKey: party.key}}}
	answers := func(answer string) func(net.Conn) {
		return func(c net.Conn) {
			if readRequest(bufio.NewReader(c)) != nil {
				io.WriteString(c, answer)
			}
		}
	}
	for name, tc := range map[string]struct {
		server foreign
		scheme string
		says   string
	}{
		"SSH":                   {foreign{greeting: "SSH-2.0-OpenSSH_9.9\r\n"}, "http", `"SSH-2.0-OpenSSH_9.9"`},
		"SMTP":                  {foreign{greeting: "220 mail.example.com ESMTP\r\n"}, "http", `"220 mail.example.com ESMTP"`},
		"SMTP without CRLF":     {foreign{greeting: "220 mail.example.com ESMTP"}, "http", `"220 mail.example.com ESMTP"`},
		"SMTP, a driver's conn": {foreign{greeting: "220 mail.example.com ESMTP\r\n", wrap: hide}, "http", `"220 mail.example.com ESMTP"`},
		"SMTP, asked":           {foreign{serve: answers("220 mail.example.com ESMTP\r\n")}, "http", `"220 mail.example.com ESMTP"`},
		"MySQL":                 {foreign{greeting: "J\x00\x00\x00\x0a8.0.36\x00"}, "http", `"J\x00\x00\x00"`},
		"IMAP over TLS": {foreign{serve: func(c net.Conn) {
			secured := tls.Server(c, settings)
			io.WriteString(secured, "* OK IMAP4rev1 ready\r\n")
			io.Copy(io.Discard, secured)
		}}, "https", `"* OK IMAP4rev1 ready"`},
		"a TLS alert":    {foreign{serve: answers("\x15\x03\x01\x00\x02\x02\x46")}, "http", "the server speaks TLS on this port; use https"},
		"HTTP/2":         {foreign{greeting: "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"}, "http", "the server speaks HTTP/2 only"},
		"HTTP/2, asked":  {foreign{serve: answers("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64")}, "http", "the server speaks HTTP/2 only"},
		"HTTP/2 preface": {foreign{serve: answers("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}, "http", `"PRI * HTTP/2.0"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, Config{Driver: &tc.server, Breaker: Breaker{Failures: 1}, TLS: &tls.Config{InsecureSkipVerify: true}})
			_, err := s.Post(t.Context(), tc.scheme+"://h/", Data{"a": "b"})
			var refused *ProtocolError
			if !errors.As(err, &refused) || refused.Op != OpRead || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want one that says %s", err, tc.says)
			}
			if strings.HasPrefix(tc.server.greeting, "J") || tc.server.greeting == "" {
				return
			}
			if _, err := s.Get(t.Context(), tc.scheme+"://h/"); !errors.Is(err, ErrCircuitOpen) {
				t.Errorf("then %v: it is a failure of the origin's", err)
			}
		})
	}
}

// An answer in plain HTTP to a TLS handshake says so too, and what came instead of TLS.
func TestPlainServersOnHTTPS(t *testing.T) {
	for name, tc := range map[string]struct{ answer, says string }{
		"HTTP": {"HTTP/1.1 400 Bad Request\r\n\r\n", "the server speaks plain HTTP on this port: use http://"},
		"SMTP": {"220 mail.example.com ESMTP\r\n", `it sent "220 m"`},
	} {
		server := foreign{greeting: tc.answer}
		_, err := newSession(t, Config{Driver: &server}).Get(t.Context(), "https://h/")
		var failed *HTTPConnectionError
		if !errors.As(err, &failed) || failed.Op != OpTLS || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want one that says %s", name, err, tc.says)
		}
	}
}

// Errors about an answer quote what was wrong with it, and no secret.
func TestProtocolErrorsQuote(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for in, says := range map[string]string{
		"HTTP/1.1 2x0 OK\r\n\r\n":                                                      `"HTTP/1.1 2x0 OK"`,
		"HTTP/1.1 200 OK\r\nX-Name : b\r\n\r\n":                                        `"X-Name : b"`,
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n":                                          `"no colon"`,
		"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n":                                         `"X: a\x00b"`,
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 90) + "\x01\r\n\r\n":            `"X: ` + strings.Repeat("y", 77) + `…"`,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n":            `"Content-Length: 5; Content-Length: 6"`,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n":                           `"Transfer-Encoding: gzip"`,
		"HTTP/1.1 200 OK\r\nSet-Cookie: sid=geheim\x00\r\n\r\n":                        `"Set-Cookie:***"`,
		"HTTP/1.1 200 OK\r\nX-Api-Key : geheim\r\n\r\n":                                `"X-Api-Key :***"`,
		"HTTP/1.1 200 OK\r\nLocation: /?access_token=geheim\x01\r\n\r\n":               `"Location: /?access_token=***"`,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n":                       `"HTTP/1.1 101 Switching Protocols"`,
		strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 17):           `"HTTP/1.1 103 Early Hints"`,
		chunked + "5x\r\nhello\r\n0\r\n\r\n":                                           `"5x"`,
		chunked + "5\r\nhello\r\n0\r\nA : b\r\n\r\n":                                   `"A : b"`,
		chunked + "5\r\nhello\r\n0\r\nAuthentication-Info: rspauth=geheim\x00\r\n\r\n": `"Authentication-Info:***"`,
	} {
		server := record(t, func(int, *http.Request) string { return in })
		_, err := newSession(t, Config{}).Get(t.Context(), server.URL)
		var refused *ProtocolError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v, want one that says %s", in, err, says)
		}
	}
}
