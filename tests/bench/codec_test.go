package bench

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/seed53b03582/troupe/conn/http1"
)

// BenchmarkParseHead takes the head of an answer apart: what a caller can ask for
// afterwards is there, and what frames the body is known. All three do so into memory
// that is used again, as far as they have a way to.
func BenchmarkParseHead(b *testing.B) {
	for _, bc := range []struct {
		name string
		cell Cell
	}{{"small", Cell{}}, {"40-fields", Cell{Fields: 40}}} {
		whole := bc.cell.answer()
		head := whole[:len(whole)-len(Hello)]
		for _, c := range []struct {
			name string
			make func(*testing.B, []byte) func()
		}{{"troupe", parseTroupe}, {FastHTTP, parseFastHTTP}, {NetHTTP, parseNetHTTP}} {
			b.Run(bc.name+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(head)))
				parse := c.make(b, head)
				for b.Loop() {
					parse()
				}
			})
		}
	}
}

func parseTroupe(b *testing.B, in []byte) func() {
	var h http1.Head
	var body http1.Body
	return func() {
		h.Reset()
		n, err := h.Parse(in, http1.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if err := body.Start("GET", &h, in[:n], http1.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func parseFastHTTP(b *testing.B, in []byte) func() {
	var h fasthttp.ResponseHeader
	var r bytes.Reader
	br := bufio.NewReader(&r)
	return func() {
		r.Reset(in)
		br.Reset(&r)
		if err := h.Read(br); err != nil {
			b.Fatal(err)
		}
		if h.ContentLength() != len(Hello) {
			b.Fatal(h.ContentLength())
		}
	}
}

func parseNetHTTP(b *testing.B, in []byte) func() {
	var r bytes.Reader
	br := bufio.NewReader(&r)
	return func() {
		r.Reset(in)
		br.Reset(&r)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			b.Fatal(err)
		}
		if resp.ContentLength != int64(len(Hello)) {
			b.Fatal(resp.ContentLength)
		}
	}
}

const (
	requestTarget = "/v1/things?limit=10"
	requestHost   = "api.example.com"
)

// requestFields are those of a usual request, but for Host.
func requestFields() [][2]string {
	return [][2]string{
		{"User-Agent", "bench/1.0"}, {"Accept", "application/json"}, {"Accept-Encoding", "gzip"},
		{"Authorization", "Bearer 0123456789abcdef0123456789abcdef"},
	}
}

// BenchmarkAppendRequest makes the head of a request, each time from its parts.
func BenchmarkAppendRequest(b *testing.B) {
	for _, c := range []struct {
		name string
		make func(*testing.B) func()
	}{{"troupe", appendTroupe}, {FastHTTP, appendFastHTTP}, {NetHTTP, appendNetHTTP}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			write := c.make(b)
			for b.Loop() {
				write()
			}
		})
	}
}

func appendTroupe(b *testing.B) func() {
	fields := append([][2]string{{"Host", requestHost}}, requestFields()...)
	var buf []byte
	return func() {
		var err error
		if buf, err = http1.AppendRequestLine(buf[:0], "GET", requestTarget); err != nil {
			b.Fatal(err)
		}
		for _, f := range fields {
			if buf, err = http1.AppendField(buf, f[0], f[1]); err != nil {
				b.Fatal(err)
			}
		}
		buf = http1.AppendEnd(buf)
	}
}

func appendFastHTTP(*testing.B) func() {
	fields := requestFields()
	var h fasthttp.RequestHeader
	var buf []byte
	return func() {
		h.Reset()
		h.SetRequestURI(requestTarget)
		h.SetHost(requestHost)
		for _, f := range fields {
			h.Set(f[0], f[1])
		}
		buf = h.AppendBytes(buf[:0])
	}
}

// appendNetHTTP sets the fields once more in a Header that is there already.
func appendNetHTTP(b *testing.B) func() {
	fields := requestFields()
	u, err := url.Parse("http://" + requestHost + requestTarget)
	if err != nil {
		b.Fatal(err)
	}
	req := &http.Request{Method: "GET", URL: u, Header: http.Header{}}
	w := bufio.NewWriter(io.Discard)
	return func() {
		for _, f := range fields {
			req.Header.Set(f[0], f[1])
		}
		if err := req.Write(w); err != nil {
			b.Fatal(err)
		}
	}
}
