package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes, given and shown with a binary unit.
type size int64

const (
	kibi size = 1 << 10
	mebi size = 1 << 20
	gibi size = 1 << 30
)

var units = []struct {
	name string
	size size
}{{"GiB", gibi}, {"MiB", mebi}, {"KiB", kibi}, {"B", 1}}

// Set makes size a flag.Value.
func (s *size) Set(v string) error {
	unit := size(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(v, u.name); ok {
			v, unit = rest, u.size
			break
		}
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return errors.New("give a whole number of bytes, or with a unit: 512KiB, 8MiB, 1GiB")
	}
	*s = size(n) * unit
	return nil
}

func (s size) String() string {
	for _, u := range units[:3] {
		if s >= u.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(s)/float64(u.size)), ".0") + u.name
		}
	}
	return fmt.Sprintf("%dB", s)
}
