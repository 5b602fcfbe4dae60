//go:build race

package charset

const raceEnabled = true
