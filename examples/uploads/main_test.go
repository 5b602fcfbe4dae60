package main

import (
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	for _, tt := range []struct{ args, wrong string }{
		{"", ""},
		{"-dir . -parallel 1 -rate 0", ""},
		{"-files 2 -size 0", ""},
		{"-files 0", "-files 0"},
		{"-parallel 0", "-parallel 0"},
		{"-size 8MB", "give a whole number of bytes"},
		{"all", `"all"`},
	} {
		_, err := parse(strings.Fields(tt.args), io.Discard)
		switch {
		case tt.wrong == "" && err != nil:
			t.Errorf("parse(%s): %v", tt.args, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("parse(%s): error %v, want one that says %q", tt.args, err, tt.wrong)
		}
	}
}

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want size
		out  string
	}{
		{"0", 0, "0B"},
		{"1000", 1000, "1000B"},
		{"512KiB", 512 * kibi, "512KiB"},
		{"1536KiB", 1536 * kibi, "1.5MiB"},
		{"8MiB", 8 * mebi, "8MiB"},
		{"1GiB", gibi, "1GiB"},
		{"12B", 12, "12B"},
		{"-1", -1, ""},
		{"", -1, ""},
		{"1.5MiB", -1, ""},
		{"9000000000GiB", -1, ""},
	} {
		var s size
		err := s.Set(tt.in)
		switch {
		case tt.want < 0 && err == nil:
			t.Errorf("Set(%q) = %d, want an error", tt.in, s)
		case tt.want >= 0 && (err != nil || s != tt.want || s.String() != tt.out):
			t.Errorf("Set(%q): %d, shown as %v, error %v; want %d, shown as %s", tt.in, s, s, err, tt.want, tt.out)
		}
	}
}
