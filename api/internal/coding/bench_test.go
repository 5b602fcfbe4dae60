package coding

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

func TestDecodeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops what it is given, at random")
	}
	d := new(Decoders)
	dst := make([]byte, 0, 64<<10)
	for c := range numCodings {
		one := listed(t, c.String())
		coded := applyCodings(one, prose(20_000))
		if got := testing.AllocsPerRun(100, func() { d.AppendAll(context.Background(), dst, coded, one, 1<<20) }); got > maxDecodeAllocs[c] {
			t.Errorf("%s: %.1f allocations a body", c, got)
		} else {
			t.Logf("%s: %.1f allocations a body", c, got)
		}
	}
}

var maxDecodeAllocs = [numCodings]float64{2, 2, 6, 2} // beyond the library's, the decoder and its source

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		body := prose(size/2) + randomBytes(size/8) + prose(size-size/2-size/8)
		for c := range numCodings {
			one := List{c}
			coded := applyCodings(one, body)
			name := fmt.Sprintf("%s/%dKiB/", c, size>>10)
			b.Run(name+"whole", func(b *testing.B) { benchWhole(b, one, coded, size) })
			b.Run(name+"stream", func(b *testing.B) { benchStream(b, one, coded, size) })
			b.Run(name+"library", func(b *testing.B) { benchLibrary(b, c, coded, size) })
		}
	}
}

func benchWhole(b *testing.B, c List, coded []byte, size int) {
	d, dst := new(Decoders), make([]byte, 0, size+1)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.AppendAll(context.Background(), dst, coded, c, 1<<30); err != nil {
			b.Fatal(err)
		}
	}
}

func benchStream(b *testing.B, c List, coded []byte, size int) {
	d, src, p := new(Decoders), bytes.NewReader(nil), make([]byte, 32<<10)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(coded)
		r := d.Reader(context.Background(), c, src)
		drainDecoder(b, r, p)
		r.Close()
	}
}

// benchLibrary is plain use of a library, its reader reset for each body.
func benchLibrary(b *testing.B, c Coding, coded []byte, size int) {
	src, p := bytes.NewReader(coded), make([]byte, 32<<10)
	var r io.Reader
	var reset func() error
	switch c {
	case Gzip:
		z := new(gzip.Reader)
		r, reset = z, func() error { return z.Reset(src) }
	case Deflate:
		z, err := zlib.NewReader(src)
		if err != nil {
			b.Fatal(err)
		}
		r, reset = z, func() error { return z.(zlib.Resetter).Reset(src, nil) }
	case Brotli:
		z := brotli.NewReader(src)
		r, reset = z, func() error { return z.Reset(src) }
	case Zstd:
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			b.Fatal(err)
		}
		defer z.Close()
		r, reset = z, func() error { return z.Reset(src) }
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(coded)
		if err := reset(); err != nil {
			b.Fatal(err)
		}
		drainDecoder(b, r, p)
	}
}

func drainDecoder(b *testing.B, r io.Reader, p []byte) {
	for {
		if _, err := r.Read(p); err == io.EOF {
			return
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
