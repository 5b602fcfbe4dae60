package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/seed53b03582/troupe/api"
)

// watched is a File that tells of each piece as it is read, which is when it is about
// to be sent. An upload of the *api.DiskFile itself is cheaper, as the kernel
// sends it; but nobody sees how far it is.
type watched struct {
	file  api.File // not embedded: with its Seek or ReadAt, a call might go past Read
	moved func(n int)
}

func (w watched) Size() int64 { return w.file.Size() }

func (w watched) Read(p []byte) (int, error) {
	n, err := w.file.Read(p)
	w.moved(n)
	return n, err
}

// upload sends one file and compares what the receiver says of it. It returns the
// SHA-256 in hex.
func upload(ctx context.Context, s *api.Session, to string, j job, moved func(n int)) (string, error) {
	f, err := api.OpenFile(j.path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(f, 0, f.Size())); err != nil {
		return "", err
	}
	sum := hash.Sum(nil)

	resp, err := s.Upload(ctx, to+url.PathEscape(j.name), watched{f, moved},
		api.Method("PUT"), api.Headers{"Content-Digest": digest(sum)})
	if err != nil {
		return "", err
	}
	defer resp.Release()
	var got receipt
	if err := resp.JSON(&got); err != nil {
		return "", errors.Join(resp.Err(), err)
	}
	want := hex.EncodeToString(sum)
	switch {
	case got.Error != "":
		return "", fmt.Errorf("refused with %d: %s", resp.Status(), got.Error)
	case got.Length != f.Size():
		return "", fmt.Errorf("sent %d bytes, the receiver has %d", f.Size(), got.Length)
	case got.SHA256 != want:
		return "", fmt.Errorf("sent SHA-256 %s, the receiver has %s", want, got.SHA256)
	}
	return want, resp.Err()
}
