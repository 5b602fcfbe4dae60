package coding

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// A flushed part must be out before the source is asked for more.
func TestDecodeAsItComes(t *testing.T) {
	d := new(Decoders)
	part := prose(1000)
	for name, c := range map[string]struct {
		header string
		z      func(io.Writer) compressor
	}{
		"gzip":    {"gzip", func(w io.Writer) compressor { return newCompressor(Gzip, w) }},
		"deflate": {"deflate", func(w io.Writer) compressor { return newCompressor(Deflate, w) }},
		"raw":     {"deflate", newRawDeflate},
		"br":      {"br", func(w io.Writer) compressor { return newCompressor(Brotli, w) }},
		"zstd":    {"zstd", func(w io.Writer) compressor { return newCompressor(Zstd, w) }},
		"nested": {"br, gzip", func(w io.Writer) compressor {
			outer := newCompressor(Gzip, w)
			return flushThrough{newCompressor(Brotli, outer), outer}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var wire bytes.Buffer
			z := c.z(&wire)
			r := d.Reader(context.Background(), listed(t, c.header), &wireReader{&wire, t})
			defer r.Close()
			for range 3 {
				io.WriteString(z, part)
				if err := z.Flush(); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(part))
				if _, err := io.ReadFull(r, got); err != nil || string(got) != part {
					t.Fatalf("got %q, %v", got, err)
				}
			}
		})
	}
	t.Run("gzip member", func(t *testing.T) {
		r := d.Reader(context.Background(), listed(t, "gzip"), &wireReader{bytes.NewBufferString(gzipHello), t})
		defer r.Close()
		got := make([]byte, 5)
		if _, err := io.ReadFull(r, got); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

type flushThrough struct {
	compressor
	outer compressor
}

func (f flushThrough) Flush() error {
	if err := f.compressor.Flush(); err != nil {
		return err
	}
	return f.outer.Flush()
}

// wireReader fails the test where a connection would have to wait.
type wireReader struct {
	wire *bytes.Buffer
	t    *testing.T
}

func (w *wireReader) Read(p []byte) (int, error) {
	if w.wire.Len() == 0 {
		w.t.Fatal("it waits for more, with data in hand")
	}
	return w.wire.Read(p)
}

// What the source says comes through as it is, wherever it says it: also an
// unexpected EOF of its own, which zstd takes for a clean end between two frames.
func TestDecodeSourceErrors(t *testing.T) {
	d := new(Decoders)
	for _, cause := range []error{
		io.ErrUnexpectedEOF,
		os.ErrDeadlineExceeded,
		&net.OpError{Op: "read", Err: errors.New("connection reset by peer")},
	} {
		for _, header := range allCodings() {
			c := listed(t, header)
			coded := applyCodings(c, "hello, hello, hello")
			for n := range len(coded) + 1 {
				r := d.Reader(context.Background(), c, io.MultiReader(bytes.NewReader(coded[:n]), iotest.ErrReader(cause)))
				got, err := io.ReadAll(r)
				if err != cause || !strings.HasPrefix("hello, hello, hello", string(got)) {
					t.Fatalf("%s, %d of %d bytes: got %q, %v; want %v", header, n, len(coded), got, err, cause)
				}
				if _, again := r.Read(make([]byte, 1)); again != cause {
					t.Fatalf("%s: asked again: %v", header, again)
				}
				r.Close()
			}
		}
	}
	t.Run("no progress", func(t *testing.T) {
		for c := range numCodings {
			r := d.Reader(context.Background(), listed(t, c.String()), sourceFunc(func([]byte) (int, error) { return 0, nil }))
			if _, err := r.Read(make([]byte, 1)); err != io.ErrNoProgress {
				t.Errorf("%s: got %v, want %v", c, err, io.ErrNoProgress)
			}
		}
	})
}

type sourceFunc func([]byte) (int, error)

func (f sourceFunc) Read(p []byte) (int, error) { return f(p) }

func TestDecoderClose(t *testing.T) {
	d := new(Decoders)
	c := listed(t, "zstd, gzip")
	coded := applyCodings(c, "hello")
	r := d.Reader(context.Background(), c, bytes.NewReader(coded))
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
	r.Close()
	other := d.Reader(context.Background(), c, bytes.NewReader(coded)) // may have been lent what r gave back
	r.Close()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != errClosed {
		t.Errorf("closed: %d, %v", n, err)
	}
	if got, err := io.ReadAll(other); err != nil || string(got) != "hello" {
		t.Errorf("the other: %q, %v", got, err)
	}
	other.Close()
}
