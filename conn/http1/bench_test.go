package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const benchSmall = "HTTP/1.1 200 OK\r\n" +
	"Server: nginx/1.27.0\r\n" +
	"Date: Mon, 07 Oct 2024 12:34:56 GMT\r\n" +
	"Content-Type: application/json; charset=utf-8\r\n" +
	"Content-Length: 0\r\n" +
	"Connection: keep-alive\r\n\r\n"

// nethttp reads one answer and its body as a client of net/http does.
func nethttp(b *testing.B, r *bytes.Reader, br *bufio.Reader, in []byte) {
	r.Reset(in)
	br.Reset(r)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		b.Fatal(err)
	}
	resp.Body.Close()
}

func benchForty() string {
	var many strings.Builder
	many.WriteString("HTTP/1.1 200 OK\r\n")
	for i := range 39 {
		fmt.Fprintf(&many, "X-Some-Header-%d: a value of ordinary length %d\r\n", i, i)
	}
	many.WriteString("Content-Length: 0\r\n\r\n")
	return many.String()
}

func BenchmarkParseHead(b *testing.B) {
	for _, bc := range []struct{ name, in string }{{"six", benchSmall}, {"forty", benchForty()}} {
		in := []byte(bc.in)
		b.Run(bc.name+"/troupe", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			var h Head
			var body Body
			for b.Loop() {
				h.Reset()
				if _, err := h.Parse(in, Limits{}); err != nil {
					b.Fatal(err)
				}
				if err := body.Start("GET", &h, in, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bc.name+"/nethttp", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			var r bytes.Reader
			br := bufio.NewReader(&r)
			for b.Loop() {
				nethttp(b, &r, br, in)
			}
		})
	}
}

// What a client asks for after every answer, and mostly has not come.
func BenchmarkHeadGet(b *testing.B) {
	for _, bc := range []struct{ name, in string }{{"six", benchSmall}, {"forty", benchForty()}} {
		in := []byte(bc.in)
		b.Run(bc.name+"/troupe", func(b *testing.B) {
			b.ReportAllocs()
			var h Head
			if _, err := h.Parse(in, Limits{}); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if h.Get(in, "Keep-Alive") != nil || h.Get(in, "Content-Encoding") != nil {
					b.Fatal("came")
				}
			}
		})
		b.Run(bc.name+"/nethttp", func(b *testing.B) {
			b.ReportAllocs()
			resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if resp.Header.Get("Keep-Alive") != "" || resp.Header.Get("Content-Encoding") != "" {
					b.Fatal("came")
				}
			}
		})
	}
}

func BenchmarkBody(b *testing.B) {
	payload := strings.Repeat("x", 16<<10)
	var chunks strings.Builder
	for i := 0; i < len(payload); i += 1 << 10 {
		fmt.Fprintf(&chunks, "400\r\n%s\r\n", payload[i:i+1<<10])
	}
	chunks.WriteString(LastChunk)
	for _, bc := range []struct{ name, field, body string }{
		{"length", fmt.Sprintf("Content-Length: %d\r\n", len(payload)), payload},
		{"chunked", "Transfer-Encoding: chunked\r\n", chunks.String()},
		{"small-chunks", "Transfer-Encoding: chunked\r\n", strings.Repeat("10\r\n0123456789abcdef\r\n", 1<<10) + LastChunk},
	} {
		in := []byte(ok + bc.field + "\r\n" + bc.body)
		b.Run(bc.name+"/troupe", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			var h Head
			var body Body
			for b.Loop() {
				h.Reset()
				n, err := h.Parse(in, Limits{})
				if err != nil {
					b.Fatal(err)
				}
				if err := body.Start("GET", &h, in, Limits{}); err != nil {
					b.Fatal(err)
				}
				for rest := in[n:]; !body.Done(); {
					data, n, err := body.Next(rest)
					if err != nil {
						b.Fatal(err)
					}
					io.Discard.Write(data)
					rest = rest[n:]
				}
			}
		})
		b.Run(bc.name+"/nethttp", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			var r bytes.Reader
			br := bufio.NewReader(&r)
			for b.Loop() {
				nethttp(b, &r, br, in)
			}
		})
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	fields := [][2]string{
		{"User-Agent", "troupe/1.0"}, {"Accept", "application/json"}, {"Accept-Encoding", "gzip"},
		{"Authorization", "Bearer 0123456789abcdef0123456789abcdef"},
	}
	b.Run("troupe", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			var err error
			if buf, err = AppendRequestLine(buf[:0], "GET", "/v1/things?limit=10"); err != nil {
				b.Fatal(err)
			}
			if buf, err = AppendField(buf, "Host", "api.example.com"); err != nil {
				b.Fatal(err)
			}
			for _, f := range fields {
				if buf, err = AppendField(buf, f[0], f[1]); err != nil {
					b.Fatal(err)
				}
			}
			buf = AppendEnd(buf)
		}
	})
	b.Run("nethttp", func(b *testing.B) {
		b.ReportAllocs()
		u, err := url.Parse("http://api.example.com/v1/things?limit=10")
		if err != nil {
			b.Fatal(err)
		}
		req := &http.Request{Method: "GET", URL: u, Header: http.Header{}}
		for _, f := range fields {
			req.Header.Set(f[0], f[1])
		}
		w := bufio.NewWriter(io.Discard)
		for b.Loop() {
			if err := req.Write(w); err != nil {
				b.Fatal(err)
			}
		}
	})
}
