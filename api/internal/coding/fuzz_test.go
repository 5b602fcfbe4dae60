package coding

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/seed53b03582/troupe/conn"
)

// For any bytes: no panic, never more than limit bytes, and the same whether whole
// or as a stream.
func FuzzDecode(f *testing.F) {
	for i, header := range allCodings() {
		f.Add(applyCodings(listed(f, header), "hello, hello, hello"), uint8(i), uint16(100))
	}
	f.Add(compressed(newRawDeflate, "hello", "hello"), uint8(5), uint16(9))
	f.Add([]byte(gzipHello+gzipHello+"rubbish"), uint8(0), uint16(9))
	all := allCodings()
	d := new(Decoders) // the readers must come well out of anything
	f.Fuzz(func(t *testing.T, data []byte, which uint8, limit uint16) {
		c := listed(t, all[int(which)%len(all)])
		whole, wholeErr := d.AppendAll(context.Background(), nil, data, c, 1<<20)
		if len(whole) > 1<<20 {
			t.Fatalf("%d bytes", len(whole))
		}
		bounded, err := d.AppendAll(context.Background(), nil, data, c, int64(limit)+1)
		if len(bounded) > int(limit)+1 || !bytes.HasPrefix(whole, bounded) {
			t.Fatalf("limit %d: got %d bytes", int(limit)+1, len(bounded))
		}
		if wholeErr == nil && len(whole) > int(limit)+1 && !errors.Is(err, conn.ErrTooLarge) {
			t.Fatalf("limit %d: %v", int(limit)+1, err)
		}
		if !errors.Is(wholeErr, conn.ErrTooLarge) {
			checkStreamed(t, d, c, data, whole, wholeErr)
		}
	})
}

func checkStreamed(t *testing.T, d *Decoders, c List, data, want []byte, wantErr error) {
	for how, src := range map[string]io.Reader{
		"whole":        bytes.NewReader(data),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
	} {
		r := d.Reader(context.Background(), c, src)
		got, err := io.ReadAll(r)
		r.Close()
		if (err == nil) != (wantErr == nil) || errors.Is(err, io.ErrUnexpectedEOF) != errors.Is(wantErr, io.ErrUnexpectedEOF) {
			t.Fatalf("%s: %v, AppendAll: %v", how, err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) || !bytes.HasPrefix(got, want) && !bytes.HasPrefix(want, got) {
			t.Fatalf("%s: %q, AppendAll: %q", how, got, want)
		}
	}
}

// For any data: it comes back from each coding, and no prefix of its coded form
// passes for a whole.
func FuzzDecodeCoded(f *testing.F) {
	all := allCodings()
	for i := range all {
		f.Add([]byte("hello, hello, hello"), uint8(i), uint16(7*i))
	}
	d := new(Decoders)
	f.Fuzz(func(t *testing.T, data []byte, which uint8, cut uint16) {
		c := listed(t, all[int(which)%len(all)])
		coded := applyCodings(c, string(data))
		got, err := d.AppendAll(context.Background(), nil, coded, c, 0)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came back as %d: %v", len(data), len(got), err)
		}
		n := int(cut) % len(coded)
		got, err = d.AppendAll(context.Background(), nil, coded[:n], c, 0)
		if n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(data, got) {
			t.Fatalf("%d of %d bytes: got %q, %v", n, len(coded), got, err)
		}
	})
}
