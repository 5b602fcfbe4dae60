package conn

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func openFile(t *testing.T, content string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSendFile(t *testing.T) {
	long := text(300_000)
	for _, tr := range append(transports, overHiddenTCP) {
		for _, tc := range []struct {
			name, content string
			offset, size  int64
		}{
			{"empty", "", 0, 0},
			{"nothing of a file", "hello", 0, 0},
			{"small", "hello", 0, 5},
			{"long", long, 0, 300_000},
			{"from its offset", long, 1000, 299_000},
			{"longer than its size", long, 0, 100_000},
			{"the middle", long, 10, 20},
		} {
			t.Run(tc.name+" over "+tr.name, func(t *testing.T) {
				f := openFile(t, tc.content)
				if _, err := f.Seek(tc.offset, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				c, p := tr.meet(t)
				got := make([]byte, len("head")+int(tc.size))
				p.work.Go(func() {
					io.ReadFull(p, got)
					p.write(okLength)
				})
				if sent, err := c.Write([]byte("head"), nil, false); sent != SentPart || err != nil {
					t.Fatal(sent, err)
				}
				if sent, err := c.SendFile(f, tc.size); sent != SentAll || err != nil {
					t.Fatal(sent, err)
				}
				if r := receive(c, "PUT", 0); r.err != nil || !c.Reusable() {
					t.Errorf("%+v, reusable %t", r, c.Reusable())
				}
				p.work.Wait()
				if want := "head" + tc.content[tc.offset:tc.offset+tc.size]; string(got) != want {
					t.Error("other bytes arrived")
				}
				if at, _ := f.Seek(0, io.SeekCurrent); at != tc.offset+tc.size {
					t.Errorf("the file stands at %d", at)
				}
			})
		}
	}
}

// A file that ends early leaves a request that can't be ended: the connection is
// not used again.
func TestSendShortFile(t *testing.T) {
	for _, tr := range append(transports, overHiddenTCP) {
		for _, content := range []string{"", "hello", text(100_000)} {
			t.Run(tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				p.work.Go(func() { io.Copy(io.Discard, p) })
				c.Write([]byte(get), nil, false)
				sent, err := c.SendFile(openFile(t, content), int64(len(content))+1)
				var short *ShortFileError
				if !errors.As(err, &short) || *short != (ShortFileError{int64(len(content)) + 1, int64(len(content))}) {
					t.Errorf("error %v", err)
				}
				wantError(t, err, io.ErrUnexpectedEOF)
				if sent != SentPart || c.Reusable() {
					t.Errorf("sent %v, reusable %t", sent, c.Reusable())
				}
				p.raw.Close()
			})
		}
	}
}

// A file that can't be read is told as such: it says nothing about the server.
func TestSendUnreadableFile(t *testing.T) {
	for _, tr := range append(transports, overHiddenTCP) {
		for name, tc := range map[string]struct {
			open func(t *testing.T) *os.File
			want error
		}{
			"closed": {func(t *testing.T) *os.File {
				f := openFile(t, "hello")
				f.Close()
				return f
			}, os.ErrClosed},
			"a folder": {func(t *testing.T) *os.File {
				f, err := os.Open(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { f.Close() })
				return f
			}, syscall.EISDIR},
		} {
			t.Run(name+" over "+tr.name, func(t *testing.T) {
				c, p := tr.meet(t)
				p.work.Go(func() { io.Copy(io.Discard, p) })
				c.Write([]byte(get), nil, false)
				sent, err := c.SendFile(tc.open(t), 5)
				wantError(t, err, tc.want)
				var file *fs.PathError
				if !errors.As(err, &file) {
					t.Errorf("%v has no *fs.PathError", err)
				}
				if sent != SentPart || c.Reusable() {
					t.Errorf("sent %v, reusable %t", sent, c.Reusable())
				}
				p.raw.Close()
			})
		}
	}
}

func TestSendFileToFailingConn(t *testing.T) {
	m := &canned{room: len(get) + 3, full: errFull}
	c := newConn(m, &Buffers{})
	c.Write([]byte(get), nil, false)
	sent, err := c.SendFile(openFile(t, "hello"), 5)
	wantError(t, err, errFull)
	if sent != SentPart || c.Reusable() {
		t.Errorf("sent %v, reusable %t", sent, c.Reusable())
	}
}
