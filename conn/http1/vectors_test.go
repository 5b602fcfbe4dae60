package http1

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is read now into the vectors")

// vector is one file of testdata/vectors: a comment with rule and section, the request's method, lenient
// where that is how it is read, the bytes of the answer as quoted Go strings, and what must be read from
// them.
type vector struct {
	name, path, method string
	about              string // everything up to the wants, to write it back
	in                 []byte
	lim                Limits
	want               string
}

// someSecrets are the names whose values no error may show.
func someSecrets(name string) bool {
	return strings.EqualFold(name, "Set-Cookie") || strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "token")
}

func vectors(t testing.TB) (all []vector) {
	t.Helper()
	paths, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		about, want, ok := strings.Cut(string(text), "want\n")
		if !ok {
			t.Fatal(path, "has no wants")
		}
		v := vector{name: strings.TrimSuffix(filepath.Base(path), ".txt"), path: path, about: about, want: want, lim: Limits{Secret: someSecrets}}
		for line := range strings.Lines(about) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "method "):
				v.method = strings.TrimPrefix(line, "method ")
			case line == "lenient":
				v.lim.Lenient = true
			case strings.HasPrefix(line, `"`):
				s, err := strconv.Unquote(line)
				if err != nil {
					t.Fatal(path, line, err)
				}
				v.in = append(v.in, s...)
			}
		}
		all = append(all, v)
	}
	if len(all) < 40 {
		t.Fatal("vectors are missing:", len(all))
	}
	return all
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			whole := read(v.method, v.in, v.lim, atOnce, false)
			if *update {
				text := v.about + "want\n" + whole.String()
				if err := os.WriteFile(v.path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got := whole.String(); got != v.want {
				t.Errorf("at once:\n%swant\n%s", got, v.want)
			}
			want := whole.bare().String()
			if got := read(v.method, v.in, v.lim, byByte, false).bare().String(); got != want {
				t.Errorf("byte by byte:\n%swant\n%s", got, want)
			}
			if got := read(v.method, v.in, v.lim, byByte, true).bare().String(); got != want {
				t.Errorf("byte by byte, past Next:\n%swant\n%s", got, want)
			}
			if v.lim.Lenient {
				strict := read(v.method, v.in, Limits{}, atOnce, false)
				if strict.whole {
					t.Error("it is valid without lenience")
				}
			} else if whole.whole {
				lenient := read(v.method, v.in, Limits{Lenient: true}, atOnce, false)
				if got := lenient.String(); got != v.want {
					t.Errorf("lenient:\n%swant\n%s", got, v.want)
				}
			}
			for cut := range v.in {
				checkPrefix(t, v, cut, whole)
			}
		})
	}
}

// checkPrefix holds that a prefix is never taken for a whole answer unless the peer may end there.
func checkPrefix(t *testing.T, v vector, cut int, whole answer) {
	t.Helper()
	got := read(v.method, v.in[:cut], v.lim, atOnce, false)
	switch {
	case whole.whole && cut >= len(v.in)-len(whole.rest):
		if !got.whole {
			t.Errorf("cut at %d, behind the end: %v", cut, got)
		}
	case got.whole && got.framing != FramingUntilClose:
		t.Errorf("cut at %d: taken for whole: %v", cut, got)
	case got.whole && !bytes.HasPrefix(whole.body, got.body):
		t.Errorf("cut at %d: another body: %v", cut, got)
	case !got.whole && got.err != ErrTruncated && !errors.Is(got.err, whole.bare().err):
		t.Errorf("cut at %d: %v, whole: %v", cut, got.err, whole.err)
	}
	if !bytes.HasPrefix(whole.body, got.body) {
		t.Errorf("cut at %d: body %q is not the beginning of %q", cut, got.body, whole.body)
	}
}
