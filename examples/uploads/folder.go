package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// job is one file to upload.
type job struct {
	path string
	name string
	size size // as listed; OpenFile has the last word
}

// list finds the regular files of a folder. Folders, links to nowhere, pipes and
// the like are left out.
func list(dir string) ([]job, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var jobs []job
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // follows links
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		jobs = append(jobs, job{path: path, name: e.Name(), size: size(info.Size())})
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("no files in %s", dir)
	}
	return jobs, nil
}

// generate fills a new temporary folder with n files of random bytes, the same ones each time.
func generate(n int, of size) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "uploads"); err != nil {
		return "", err
	}
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("file-%0*d.bin", len(fmt.Sprint(n)), i+1))
		if err := fill(name, uint64(i), of); err != nil {
			return dir, err
		}
	}
	return dir, nil
}

func fill(name string, seed uint64, of size) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	if _, err := io.CopyN(f, rand.NewChaCha8(key), int64(of)); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
