package http1

import (
	"strings"
	"testing"
)

func TestAllocatesNothing(t *testing.T) {
	small := []byte(ok + "Date: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n")
	many := []byte(ok + strings.Repeat("X-Field: value\r\n", 40) + "Transfer-Encoding: chunked\r\n\r\n")
	full := []byte(ok + strings.Repeat("X-Field: value\r\n", inlineFields) + "\r\n")
	chunks := []byte("5\r\nhello\r\n7;x\r\n, world\r\n0\r\nA: b\r\nTrailer: c\r\n\r\n")
	var h Head
	var b Body
	dst := make([]byte, 0, 256)
	parse := func(in []byte) {
		h.Reset()
		if _, err := h.Parse(in[:10], Limits{}); err != ErrNeedMore {
			t.Fatal(err)
		}
		if _, err := h.Parse(in, Limits{}); err != nil {
			t.Fatal(err)
		}
		if err := b.Start("GET", &h, in, Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range map[string]func(){
		"length": func() {
			parse(small)
			if _, _, err := b.Next(small[:5]); err != nil || h.Get(small, "date") == nil {
				t.Fatal(err)
			}
		},
		"all places of a new head": func() {
			h = Head{}
			parse(full)
			if h.Get(full, "Keep-Alive") != nil || h.Get(full, "x-field") == nil {
				t.Fatal("other fields than came")
			}
		},
		"chunked": func() {
			parse(many)
			for in := chunks; !b.Done(); {
				_, n, err := b.Next(in)
				if err != nil {
					t.Fatal(err)
				}
				in = in[n:]
			}
			if b.Trailers() != 1 {
				t.Fatal("no trailer")
			}
		},
		"request": func() {
			out, err := AppendRequestLine(dst[:0], "GET", "/path")
			if err != nil {
				t.Fatal(err)
			}
			if out, err = AppendField(out, "Host", " example.com"); err != nil {
				t.Fatal(err)
			}
			AppendChunkHead(AppendEnd(AppendUintField(out, "Content-Length", 5)), 5)
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
