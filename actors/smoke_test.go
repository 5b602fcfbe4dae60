package actors

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
)

func smokeServer(t testing.TB) (string, string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				br := bufio.NewReader(nc)
				for {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					_ = req
					if _, err := nc.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nhello, world\n")); err != nil {
						return
					}
				}
			}()
		}
	}()
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	return host, port
}

func TestSmoke(t *testing.T) {
	host, port := smokeServer(t)
	s, err := Start(Config{MaxConnsPerOrigin: 8})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 200 {
				c := s.NewCall()
				c.Origin = Origin{Scheme: "http", Host: host, Port: port}
				c.Method = "GET"
				c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n"...)
				var a Answer
				if err := s.Do(context.Background(), c, &a); err != nil {
					t.Error(err)
					return
				}
				if string(a.Body()) != "hello, world\n" {
					t.Errorf("%q", a.Body())
				}
				s.Free(c)
			}
		})
	}
	wg.Wait()
	fmt.Println(s.Snapshot())
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkSmoke(b *testing.B) {
	host, port := smokeServer(b)
	s, err := Start(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var a Answer
	b.ReportAllocs()
	for b.Loop() {
		c := s.NewCall()
		c.Origin = Origin{Scheme: "http", Host: host, Port: port}
		c.Method = "GET"
		c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n"...)
		if err := s.Do(context.Background(), c, &a); err != nil {
			b.Fatal(err)
		}
		s.Free(c)
	}
}
