package coding

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// askedContext ends when it has been asked so often whether it has.
type askedContext struct {
	context.Context
	left int
}

func (c *askedContext) Err() error {
	if c.left--; c.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// A body that takes long to decode is decoded no further than until its call ends,
// whatever makes it long: much that comes out, or much that goes in for nothing.
func TestDecodingEndsWithTheCall(t *testing.T) {
	bomb := strings.Repeat("\x00", 32<<20)
	hollow := bytes.Repeat(applyCodings(List{Gzip}, ""), 1<<16) // empty members
	for _, c := range []struct {
		name  string
		c     List
		coded []byte
	}{
		{"gzip", List{Gzip}, applyCodings(List{Gzip}, bomb)},
		{"deflate", List{Deflate}, applyCodings(List{Deflate}, bomb)},
		{"br", List{Brotli}, applyCodings(List{Brotli}, bomb)},
		{"zstd", List{Zstd}, applyCodings(List{Zstd}, bomb)},
		{"twice", List{Gzip, Zstd}, applyCodings(List{Gzip, Zstd}, bomb)},
		{"empty members", List{Gzip}, hollow},
		{"what follows the end", List{Gzip}, append(applyCodings(List{Gzip}, "x"), make([]byte, 8<<20)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			const asks = 10
			src := &counted{r: bytes.NewReader(c.coded)}
			r := new(Decoders).Reader(&askedContext{t.Context(), asks}, c.c, src)
			defer r.Close()
			n, err := io.Copy(io.Discard, r)
			if !errors.Is(err, context.DeadlineExceeded) || n > asks*decodeStep || src.n > asks*readSize {
				t.Errorf("%d bytes of %d came out, %v", n, src.n, err)
			}
			if got, err := new(Decoders).AppendAll(&askedContext{t.Context(), asks}, nil, c.coded, c.c, 0); !errors.Is(err, context.DeadlineExceeded) || len(got) > asks*decodeStep {
				t.Errorf("all at once: %d bytes came out, %v", len(got), err)
			}
		})
	}
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
