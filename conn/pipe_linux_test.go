package conn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed53b03582/troupe/conn/http1"
)

// untouched fills memory that must stay as it is where the kernel does the work.
const untouched = 0xA5

// copyBody is what a caller does: it gives the bytes that went through the pipe.
func copyBody(t *testing.T, c *Conn, dst io.Writer) (piped, copied int, err error) {
	t.Helper()
	p := NewPipe(dst)
	if p == nil {
		t.Fatal("no pipe")
	}
	defer p.Close()
	buf := bytes.Repeat([]byte{untouched}, 64<<10)
	for done := c.Finished(); !done && err == nil; {
		var n int
		if c.Splices(p) {
			for i := range buf {
				buf[i] = untouched
			}
			n, done, err = c.Splice(p)
			k, failed := p.Flush(buf)
			if failed != nil {
				return piped, copied, failed
			}
			if k != n {
				t.Errorf("%d bytes came, %d went on", n, k)
			}
			if bytes.Count(buf, []byte{untouched}) == len(buf) {
				piped += n
			} else {
				copied += n
			}
			continue
		}
		n, done, err = c.Read(buf, false)
		copied += n
		if _, failed := dst.Write(buf[:n]); failed != nil {
			return piped, copied, failed
		}
	}
	return piped, copied, err
}

func destination(t *testing.T, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "dst"), os.O_RDWR|os.O_CREATE|flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func wantContent(t *testing.T, f *os.File, want string) {
	t.Helper()
	if got, err := os.ReadFile(f.Name()); string(got) != want || err != nil {
		t.Errorf("the file holds %d bytes, %v, equal: %t; want %d", len(got), err, string(got) == want, len(want))
	}
}

// Large payload that no framing interrupts goes through the kernel, and not a byte more.
func TestSplice(t *testing.T) {
	body := text(3 << 20)
	length := fmt.Sprintf("%sContent-Length: %d\r\n\r\n", ok, len(body))
	for _, tc := range []struct {
		name, answer string
		reusable     bool
		most         int // bytes through memory
	}{
		{"length", length + body, true, bufferSize + spliceOn},
		{"until close", ok + "\r\n" + body, false, bufferSize},
		{"one chunk", okChunked + chunks(body, len(body)), true, bufferSize + spliceOn + 64},
		{"large and small chunks", okChunked + chunks(body, 2<<20, 1000, 50_000, 1<<20), true, 3<<20 - 1<<20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, p := overTCP.meet(t)
			p.work.Go(func() {
				p.request()
				p.write(tc.answer)
				if tc.reusable {
					p.request()
					p.write(okLength)
				} else {
					p.finish()
				}
			})
			c.Write([]byte(get), nil, true)
			readHead(t, c)
			f := destination(t, 0)
			piped, copied, err := copyBody(t, c, f)
			if err != nil || piped+copied != len(body) || copied > tc.most || piped == 0 {
				t.Errorf("%d bytes through the kernel, %d through memory, %v", piped, copied, err)
			}
			wantContent(t, f, body)
			if c.Reusable() != tc.reusable {
				t.Fatalf("reusable %t", c.Reusable())
			}
			c.Park()
			if tc.reusable {
				if r := exchange(c, "GET"); r != (reply{200, "hello", nil}) {
					t.Errorf("the next: %+v", r)
				}
			}
		})
	}
}

// Also to another socket.
func TestSpliceToSocket(t *testing.T) {
	body := text(3 << 20)
	c, p := overTCP.meet(t)
	p.answers(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, len(body), body))
	out, in := tcpPair(t)
	defer in.Close()
	got := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(in)
		got <- string(b)
	}()
	c.Write([]byte(get), nil, true)
	readHead(t, c)
	piped, copied, err := copyBody(t, c, out)
	out.Close()
	if err != nil || piped+copied != len(body) || copied > bufferSize+spliceOn { // what came with the head, and a rest too short for the kernel
		t.Errorf("%d bytes through the kernel, %d through memory, %v", piped, copied, err)
	}
	if <-got != body {
		t.Error("other bytes arrived")
	}
}

// What lies over the socket has to see the bytes.
func TestSplicesNothingElse(t *testing.T) {
	body := text(3 << 20)
	long := fmt.Sprintf("%sContent-Length: %d\r\n\r\n", ok, len(body))
	for _, tc := range []struct {
		name   string
		tr     transport
		answer string
		tap    bool
	}{
		{"TLS", overTLS, long + body, false},
		{"a driver's own type", overHiddenTCP, long + body, false},
		{"a tap", overTCP, long + body, true},
		{"small", overTCP, okLength, false},
		{"small chunks", overTCP, okChunked + chunks(body, 10_000), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, p := tc.tr.meet(t)
			p.answers(tc.answer)
			if tc.tap {
				c.Tap(func(bool, string) {})
			}
			c.Write([]byte(get), nil, true)
			readHead(t, c)
			if piped, _, err := copyBody(t, c, destination(t, 0)); piped != 0 || err != nil {
				t.Errorf("%d bytes passed by, %v", piped, err)
			}
		})
	}
}

// Bytes that were read with the head come first.
func TestSpliceBehindBufferedBytes(t *testing.T) {
	body := text(3 << 20)
	c, p := overTCP.meet(t)
	p.answers(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, len(body), body[:1000]), body[1000:])
	c.Write([]byte(get), nil, true)
	readHead(t, c)
	f := destination(t, 0)
	if _, _, err := copyBody(t, c, f); err != nil {
		t.Error(err)
	}
	wantContent(t, f, body)
}

func TestSpliceCutShort(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(c *Conn, p *peer)
		want error
	}{
		"FIN":         {func(_ *Conn, p *peer) { p.cut() }, http1.ErrTruncated},
		"reset":       {func(_ *Conn, p *peer) { p.raw.(*net.TCPConn).SetLinger(0); p.raw.Close() }, syscall.ECONNRESET},
		"interrupted": {func(c *Conn, _ *peer) { c.Interrupt(io.ErrClosedPipe) }, io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			c, p := overTCP.meet(t)
			f := destination(t, 0)
			p.work.Go(func() {
				p.request()
				p.write(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, 3<<20, text(2<<20)))
				eventually(t, "all that was sent has arrived", func() bool {
					info, err := f.Stat()
					return err != nil || info.Size() == 2<<20
				})
				tc.end(c, p)
			})
			c.Write([]byte(get), nil, true)
			readHead(t, c)
			_, _, err := copyBody(t, c, f)
			wantError(t, err, tc.want)
			if c.Finished() || c.Reusable() {
				t.Error("finished, or reusable")
			}
			wantContent(t, f, text(2<<20))
		})
	}
}

// Where the kernel refuses the destination, its own Write has the last word.
func TestFlushRefused(t *testing.T) {
	body := text(3 << 20)
	for name, tc := range map[string]struct {
		dst  func(t *testing.T) *os.File
		want error
	}{
		"append only": {func(t *testing.T) *os.File { return destination(t, os.O_APPEND) }, nil},
		"full": {func(t *testing.T) *os.File {
			f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() { f.Close() })
			return f
		}, syscall.ENOSPC},
		"nobody reads": {func(t *testing.T) *os.File {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			t.Cleanup(func() { w.Close() })
			return w
		}, syscall.EPIPE},
		"closed": {func(t *testing.T) *os.File {
			f := destination(t, 0)
			f.Close()
			return f
		}, os.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			c, p := overTCP.meet(t)
			p.answers(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", ok, len(body)), body)
			c.Write([]byte(get), nil, true)
			readHead(t, c)
			f := tc.dst(t)
			piped, _, err := copyBody(t, c, f)
			if tc.want != nil {
				wantError(t, err, tc.want)
				var named *os.PathError
				if !errors.As(err, &named) || named.Path != f.Name() {
					t.Errorf("the error is not the file's own: %v", err)
				}
				p.raw.Close()
				return
			}
			if err != nil || piped != 0 {
				t.Errorf("%d bytes through the kernel, %v", piped, err)
			}
			wantContent(t, f, body)
		})
	}
}

// Only files and sockets themselves: what embeds one has a Write of its own.
func TestNewPipe(t *testing.T) {
	client, server := tcpPair(t)
	defer client.Close()
	defer server.Close()
	f := destination(t, 0)
	for name, tc := range map[string]struct {
		dst  io.Writer
		want bool
	}{
		"file":             {f, true},
		"socket":           {client, true},
		"embedded file":    {struct{ *os.File }{f}, false},
		"embedded socket":  {struct{ net.Conn }{client}, false},
		"buffer":           {&bytes.Buffer{}, false},
		"no file":          {(*os.File)(nil), false},
		"nothing":          {nil, false},
		"strings.Builder":  {&strings.Builder{}, false},
		"file, as a value": {io.Writer(f), true},
	} {
		if p := NewPipe(tc.dst); (p != nil) != tc.want {
			t.Errorf("%s: %v", name, p)
		}
	}
}

// The proof that the kernel sends a file: what it has not delivered yet are the file's
// own pages. A copy would keep what the file held.
func TestSendFileCopiesNothing(t *testing.T) {
	const size = 16 << 10
	before, after := strings.Repeat("b", size), strings.Repeat("a", size)
	arrives := func(t *testing.T, tr transport, send func(c *Conn, f *os.File) error) string {
		c, p := tr.meet(t)
		f := destination(t, 0)
		f.WriteString(before)
		f.Seek(0, io.SeekStart)
		if err := send(c, f); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(after), 0); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, size)
		if _, err := io.ReadFull(p, got); err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	sendFile := func(c *Conn, f *os.File) error {
		c.start()
		_, err := c.SendFile(f, size)
		return err
	}
	bySyscall := func(c *Conn, f *os.File) (err error) {
		n := 0
		if e := c.sock.raw.Write(func(fd uintptr) bool {
			n, err = syscall.Sendfile(int(fd), int(f.Fd()), nil, size)
			return true
		}); e != nil || n != size {
			err = errors.Join(e, err, fmt.Errorf("sent %d", n))
		}
		return err
	}
	if got := arrives(t, overTCP, bySyscall); got != after {
		t.Skip("the file system gives sendfile copies of its pages: see TestKernelMovesBodies in package api, which needs strace")
	}
	if got := arrives(t, overTCP, sendFile); got != after {
		t.Error("the file was copied on its way")
	}
	if got := arrives(t, overHiddenTCP, sendFile); got != before {
		t.Error("the test can't tell a copy from none")
	}
}
