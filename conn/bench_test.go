package conn

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn/http1"
)

// answering serves the same bytes for each request of len(get) bytes.
func answering(b testing.TB, answer string) net.Conn {
	client, server := tcpPair(b)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer server.Close()
		request, out := make([]byte, len(get)), []byte(answer)
		for {
			if _, err := io.ReadFull(server, request); err != nil {
				return
			}
			if _, err := server.Write(out); err != nil {
				return
			}
		}
	}()
	b.Cleanup(func() {
		client.Close()
		<-done
	})
	return client
}

// BenchmarkExchange is one request and its answer over loopback, the short way
// where there is one and step by step, beside a bare write and read of the same
// bytes.
func BenchmarkExchange(b *testing.B) {
	exchanges := func(short bool) func(b *testing.B) {
		return func(b *testing.B) {
			c := New(answering(b, okLength), &Buffers{})
			request, dst := []byte(get), make([]byte, 0, 1024)
			var h http1.Head
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if short && c.CanAsk() {
					_, err = c.Ask(request)
				} else if c.Alive(0) {
					_, err = c.Write(request, nil, true)
				}
				if err != nil {
					b.Fatal(err)
				}
				if dst, err = c.ReadHead("GET", &h, dst[:0], http1.Limits{}, 0); err != nil {
					b.Fatal(err)
				}
				if dst, err = c.ReadAll(dst, 0); err != nil {
					b.Fatal(err)
				}
				c.Park()
			}
		}
	}
	b.Run("troupe", exchanges(true))
	b.Run("troupe in steps", exchanges(false))
	b.Run("bare", func(b *testing.B) {
		nc := answering(b, okLength)
		request, answer := []byte(get), make([]byte, bufferSize)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := nc.Write(request); err != nil {
				b.Fatal(err)
			}
			if n, err := nc.Read(answer); n != len(okLength) {
				b.Fatal(n, err)
			}
		}
	})
}

// BenchmarkAlive is a look at an idle socket.
func BenchmarkAlive(b *testing.B) {
	for _, tr := range []transport{overTCP, overTLS} {
		b.Run(tr.name, func(b *testing.B) {
			c, _ := tr.meet(b)
			b.ReportAllocs()
			for b.Loop() {
				if !c.Alive(time.Hour) {
					b.Fatal("not alive")
				}
			}
		})
	}
}
