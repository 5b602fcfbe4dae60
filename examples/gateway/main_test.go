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
		{"-for 3s -rps 20", ""},
		{"-serve 127.0.0.1:0", ""},
		{"-upstream http://127.0.0.1:1/a -upstream https://127.0.0.1:2/", ""},
		{"-for 0s", "-for 0s"},
		{"-rps -1", "-rps -1"},
		{"-rps 0", "nothing to do"},
		{"-serve 8080", "-serve 8080"},
		{"-upstream ftp://127.0.0.1/", "http:// or https://"},
		{"-upstream http:///a", "names no host"},
		{"-upstream http://me:secret@127.0.0.1:x/", "not a URL"},
		{"now", `"now"`},
	} {
		_, err := parse(strings.Fields(tt.args), io.Discard)
		switch {
		case tt.wrong == "" && err != nil:
			t.Errorf("parse(%s): %v", tt.args, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("parse(%s): error %v, want one that says %q", tt.args, err, tt.wrong)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("parse(%s): the password shows in %v", tt.args, err)
		}
	}
}

func TestServingDrivesNoLoadUnlessAsked(t *testing.T) {
	o, err := parse([]string{"-serve", "127.0.0.1:0"}, io.Discard)
	if err != nil || o.rps != 0 {
		t.Errorf("-serve alone: rps %d, error %v", o.rps, err)
	}
	o, err = parse([]string{"-serve", "127.0.0.1:0", "-rps", "7"}, io.Discard)
	if err != nil || o.rps != 7 {
		t.Errorf("-serve with -rps 7: rps %d, error %v", o.rps, err)
	}
}
