package main

import (
	"bytes"
	"fmt"
	"os"
)

// markers are the two lines between which a section's text stands in a document.
func markers(name string) (begin, end string) {
	return "<!-- " + name + " -->", "<!-- /" + name + " -->"
}

// checkMarkers tells whether replaceBetween will find its place.
func checkMarkers(file, name string) error {
	doc, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, _, err = around(file, doc, name)
	return err
}

// replaceBetween puts text between the markers of a name and leaves the rest of the file
// alone.
func replaceBetween(file, name, text string) error {
	doc, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, after, err := around(file, doc, name)
	if err != nil {
		return err
	}
	doc = append(append(bytes.Clone(before), "\n"+text...), after...)
	return os.WriteFile(file, doc, 0o666)
}

// around is what stands up to and with the first marker, and from the second on.
func around(file string, doc []byte, name string) (before, after []byte, err error) {
	begin, end := markers(name)
	i := bytes.Index(doc, []byte(begin))
	j := bytes.Index(doc, []byte(end))
	if i < 0 || j < i {
		return nil, nil, fmt.Errorf("%s: a line %s and one %s after it must mark where the text goes", file, begin, end)
	}
	return doc[:i+len(begin)], doc[j:], nil
}
