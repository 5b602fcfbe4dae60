package servers

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// origin is what stands behind the proxies: a net/http server that counts.
type origin struct {
	URL  string // without a path
	addr string
	name string // sent back as X-Origin, to tell two apart

	server *http.Server
	done   chan struct{} // the listener is closed

	mu       sync.Mutex
	opened   int            // connections so far
	requests map[string]int // by method and path: "GET /"
	ids      map[string]int // by the X-Id of a POST to /id whose body has come
	visits   []http.Header  // of each request
}

// newOrigin starts a server for the test.
func newOrigin(t testing.TB) *origin { return newNamedOrigin(t, "", nil) }

// newNamedOrigin is newOrigin with a name, and with TLS where cfg is not nil.
func newNamedOrigin(t testing.TB, name string, cfg *tls.Config) *origin {
	t.Helper()
	o := &origin{name: name, requests: map[string]int{}, ids: map[string]int{}, done: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.addr = l.Addr().String()
	o.URL = "http://" + o.addr
	if cfg != nil {
		o.URL = "https://" + o.addr
		l = tls.NewListener(l, cfg)
	}
	o.server = &http.Server{
		Handler:     http.HandlerFunc(o.serve),
		ErrorLog:    log.New(io.Discard, "", 0), // clients that leave are what some tests are about
		IdleTimeout: time.Minute,
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				o.mu.Lock()
				o.opened++
				o.mu.Unlock()
			}
		},
	}
	go func() {
		defer close(o.done)
		o.server.Serve(l) // returns when it is closed
	}()
	t.Cleanup(o.shut)
	return o
}

// shut closes the listener and every connection.
func (o *origin) shut() {
	o.server.Close()
	<-o.done
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.requests[r.Method+" "+r.URL.Path]++
	if len(o.visits) < 10_000 {
		o.visits = append(o.visits, r.Header.Clone())
	}
	o.mu.Unlock()
	if o.name != "" {
		w.Header().Set("X-Origin", o.name)
	}
	switch r.URL.Path {
	case "/id":
		o.countID(w, r)
	case "/echo":
		echo(w, r)
	case "/sink":
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			fmt.Fprintf(w, "%d", n)
		}
	case "/source":
		source(w, r)
	case "/slow":
		pauseMillis(r)
		io.WriteString(w, "late")
	case "/status":
		code, _ := strconv.Atoi(r.FormValue("code"))
		w.WriteHeader(code)
	case "/redirect":
		http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
	case "/stall": // half an answer, then nothing
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "/headers":
		n, _ := strconv.Atoi(r.FormValue("n"))
		for i := range n {
			w.Header().Set(fmt.Sprintf("X-Big-%d", i), strings.Repeat("v", 1000))
		}
		io.WriteString(w, "ok")
	case "/text":
		w.Header().Set("Content-Type", "text/plain")
		w.Write(text)
	default:
		io.WriteString(w, "ok")
	}
}

// countID notes a POST's id once its body has come, as a server would that does
// something about it.
func (o *origin) countID(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	o.mu.Lock()
	o.ids[r.Header.Get("X-Id")]++
	o.mu.Unlock()
	pauseMillis(r)
	io.WriteString(w, r.Header.Get("X-Id"))
}

// echoed is what echo says of a request.
type echoed struct {
	Method  string
	Length  int64 // of the body
	Sum     string
	Framing string // "chunked", the Content-Length, or "none"
	Header  http.Header
	URI     string
	Proto   string
}

func echo(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	n, err := io.Copy(sum, r.Body)
	if err != nil {
		return
	}
	framing := strings.Join(r.TransferEncoding, ",")
	if framing == "" && r.ContentLength >= 0 {
		framing = strconv.FormatInt(r.ContentLength, 10)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(echoed{r.Method, n, hex.EncodeToString(sum.Sum(nil)), framing, r.Header, r.RequestURI, r.Proto})
}

// sumOf is the Sum of an echoed body.
func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// source sends n bytes, with a length or, where chunked is asked for, without.
func source(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.ParseInt(r.FormValue("n"), 10, 64)
	if r.FormValue("chunked") == "" {
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	}
	piece := pattern(64 << 10)
	for n > 0 {
		m, err := w.Write(piece[:min(n, int64(len(piece)))])
		if err != nil {
			return
		}
		n -= int64(m)
	}
}

func pauseMillis(r *http.Request) {
	ms, _ := strconv.Atoi(r.FormValue("ms"))
	pause(r.Context(), time.Duration(ms)*time.Millisecond)
}

// text is what compresses well.
var text = []byte(strings.Repeat("all work and no play makes a dull page. ", 2000))

// asked is how many requests came so far, such as asked("GET /").
func (o *origin) asked(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests[what]
}

// conns is how many connections came so far.
func (o *origin) conns() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened
}

// counted is how often the origin has seen an id.
func (o *origin) counted(id string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ids[id]
}

// last are the headers of the latest request.
func (o *origin) last(t testing.TB) http.Header {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.visits) == 0 {
		t.Fatal("the origin has seen no request")
	}
	return o.visits[len(o.visits)-1]
}

// originMark in the environment makes a process an origin, see TestMain.
const originMark = "TROUPE_ORIGIN"

// newOriginProcess is an origin whose memory is not the test's.
func newOriginProcess(t testing.TB) (url string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), originMark+"=1")
	in, err := cmd.StdinPipe() // its end is the origin's
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	url, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// runOrigin serves until standard input ends.
func runOrigin() {
	o := &origin{requests: map[string]int{}, ids: map[string]int{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("http://" + l.Addr().String())
	go http.Serve(l, http.HandlerFunc(o.serve))
	io.Copy(io.Discard, os.Stdin)
}
