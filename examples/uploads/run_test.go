package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func wantOutput(t *testing.T, out *bytes.Buffer, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).Match(out.Bytes()) {
			t.Errorf("no %q in\n%s", p, out)
		}
	}
}

func TestGeneratedFilesArrive(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		err := run(t.Context(), options{files: 5, size: 300 * kibi, parallel: 3, rate: 0, terminal: terminal, patience: time.Hour}, &out)
		if err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		wantOutput(t, &out, `5 of 5 files arrived as they were; 1\.5MiB in all, .*, over [1-3] connections`)
		if terminal {
			wantOutput(t, &out, `file-5\.bin.* ok`, `total.*1\.5 MiB / 1\.5 MiB`)
		} else {
			wantOutput(t, &out, `file-5\.bin: 300KiB in .* is the same at both ends`)
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%v is left in the temporary folder", left)
	}
}

func TestFolderArrives(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "with space #1 100%.txt": "one", "grün.bin": strings.Repeat("x", 1<<20)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		if err := run(t.Context(), options{dir: dir, parallel: 2, terminal: terminal, patience: time.Hour}, &out); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		wantOutput(t, &out, `3 of 3 files arrived as they were`, `empty`, `with space #1 100%`, `grün`)
	}
}

func TestFolderWithoutFilesIsAnError(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), options{dir: t.TempDir(), parallel: 1, patience: time.Hour}, &out); err == nil || !strings.Contains(err.Error(), "no files in") {
		t.Errorf("error %v", err)
	}
}

// interrupting is an output that interrupts the program when the first bars are drawn.
type interrupting struct {
	bytes.Buffer
	interrupt func()
}

func (w *interrupting) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("file-1.bin")) {
		w.interrupt()
	}
	return w.Buffer.Write(p)
}

func TestInterruptEndsUploads(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &interrupting{interrupt: interrupt}
	// At this rate they would take an hour.
	err := run(ctx, options{files: 6, size: mebi, parallel: 2, rate: kibi, terminal: true, patience: time.Hour}, out)
	if err == nil || err.Error() != "interrupted" {
		t.Errorf("error %v\n%s", err, out)
	}
	wantOutput(t, &out.Buffer, `0 of 6 files arrived`)
}
