package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/seed53b03582/troupe/api"
	"github.com/seed53b03582/troupe/conn"
)

// httpProxy is a proxy that wants a password. It tells what it was asked to forward, and
// makes tunnels to one place, whatever name they are for.
func httpProxy(place string) http.HandlerFunc {
	wanted := "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:s3cret"))
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Proxy-Authorization") != wanted:
			w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
			w.WriteHeader(http.StatusProxyAuthRequired)
		case r.Method == http.MethodConnect:
			client, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
			join(client, place)
		default:
			fmt.Fprintf(w, "%s %s through the proxy", r.Method, r.URL)
		}
	}
}

// join connects a client with a place until one of them closes.
func join(client net.Conn, place string) {
	defer client.Close()
	server, err := net.Dial("tcp", place)
	if err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(server, client)
		server.Close()
	})
	io.Copy(client, server)
	client.Close()
	both.Wait()
}

func ExampleProxyURL() {
	proxy := serve(httpProxy(""))
	defer proxy.Close()

	through, err := api.ProxyURL(strings.Replace(proxy.URL, "://", "://ada:s3cret@", 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	session := newSession(api.Config{Proxy: through})
	defer session.Close()
	show(session.Get(context.Background(), "http://shop.invalid/books")) // the proxy looks the name up
	// Output: 200 GET http://shop.invalid/books through the proxy
}

// https goes through a tunnel: the proxy sees the host and port, no more.
func ExampleProxyURL_connect() {
	server, roots := secure(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host, r.URL) })
	defer server.Close()
	proxy := serve(httpProxy(server.Listener.Addr().String()))
	defer proxy.Close()

	through, err := api.ProxyURL(strings.Replace(proxy.URL, "://", "://ada:s3cret@", 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	session := newSession(api.Config{Proxy: through, TLS: roots})
	defer session.Close()
	show(session.Get(context.Background(), "https://example.com/books"))
	// Output: 200 example.com/books
}

// A proxy that refuses is an error of its own: no answer of the server's is there.
func ExampleHTTPConnectionError_proxy() {
	proxy := serve(httpProxy(""))
	defer proxy.Close()

	through, err := api.ProxyURL(proxy.URL) // without the password
	if err != nil {
		fmt.Println(err)
		return
	}
	session := newSession(api.Config{Proxy: through})
	defer session.Close()
	_, err = session.Get(context.Background(), "https://example.com/")
	var connect *api.HTTPConnectionError
	var refused *conn.ProxyError
	if errors.As(err, &connect) && errors.As(err, &refused) {
		fmt.Println(connect.Op, refused.Status)
	}
	// Output: dial 407
}

// socks5 is a SOCKS5 proxy (RFC 1928), without a password, to one place. It tells which
// name it was asked for.
func socks5(listener net.Listener, place string, asked chan<- string) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		head := make([]byte, 5)
		io.ReadFull(client, head[:2]) // version, count of methods
		io.ReadFull(client, make([]byte, head[1]))
		client.Write([]byte{5, 0})
		io.ReadFull(client, head) // version, connect, 0, a name's type and length
		name := make([]byte, int(head[4])+2)
		io.ReadFull(client, name)
		asked <- string(name[:head[4]])
		client.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		join(client, place)
	}
}

func ExampleProxyURL_socks5() {
	server := startServer()
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	asked := make(chan string, 1)
	go socks5(listener, server.Listener.Addr().String(), asked)

	through, err := api.ProxyURL("socks5://" + listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	session := newSession(api.Config{Proxy: through})
	defer session.Close()
	show(session.Get(context.Background(), "http://shop.invalid/books"))
	fmt.Println("the proxy was asked for", <-asked)
	// Output:
	// 200 GET /books
	// the proxy was asked for shop.invalid
}

// Nothing set means the environment as it is when the session starts.
func ExampleProxyFromEnvironment() {
	for name, value := range map[string]string{
		"HTTP_PROXY": "", "http_proxy": "http://proxy.example:3128",
		"HTTPS_PROXY": "", "https_proxy": "",
		"NO_PROXY": "", "no_proxy": ".internal.example",
	} {
		before, was := os.LookupEnv(name)
		os.Setenv(name, value)
		if was {
			defer os.Setenv(name, before)
		} else {
			defer os.Unsetenv(name)
		}
	}

	choose := api.ProxyFromEnvironment()
	for _, raw := range []string{"http://shop.example/", "http://a.internal.example/", "http://127.0.0.1:8080/"} {
		target, _ := url.Parse(raw)
		proxy, err := choose(target)
		fmt.Println(raw, proxy, err)
	}
	// Output:
	// http://shop.example/ http://proxy.example:3128 <nil>
	// http://a.internal.example/ <nil> <nil>
	// http://127.0.0.1:8080/ <nil> <nil>
}

func ExampleDirect() {
	server := startServer()
	defer server.Close()
	session := newSession(api.Config{Proxy: api.Direct}) // whatever the environment says
	defer session.Close()

	show(session.Get(context.Background(), server.URL+"/books"))
	// Output: 200 GET /books
}

// A function may choose by the URL.
func ExampleConfig_proxy() {
	server := startServer()
	defer server.Close()
	proxy := serve(httpProxy(""))
	defer proxy.Close()
	through, _ := url.Parse(proxy.URL)
	through.User = url.UserPassword("ada", "s3cret")

	session := newSession(api.Config{Proxy: func(target *url.URL) (*url.URL, error) {
		if strings.HasSuffix(target.Hostname(), ".invalid") {
			return through, nil
		}
		return nil, nil
	}})
	defer session.Close()
	show(session.Get(context.Background(), "http://shop.invalid/"))
	show(session.Get(context.Background(), server.URL))
	// Output:
	// 200 GET http://shop.invalid/ through the proxy
	// 200 GET /
}
