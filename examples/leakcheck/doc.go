// Package leakcheck shows how to test code that uses troupe for leaks. prices.go is the
// code under test: a client that owns a Session. The tests are what to copy.
//
//	go test -v ./examples/leakcheck            all is well
//	go test ./examples/leakcheck -forget       the same tests without Close: see them fail
//
// A Session that idles has no goroutine, as its actors run on the goroutines of its
// callers: a search for goroutines does not see one that was forgotten. So each test
// begins with apitest.Check, which fails it at its end for a Session that is open then, or
// a goroutine that is left, and names the line that opened the Session. TestMain calls
// apitest.Main, which looks at what no Check was responsible for.
//
// The shop that the tests ask is net/http's server on a network in memory (package
// conn/memory), in a bubble of testing/synctest: latency and timeouts take no time there,
// and connections break where a test says so. The network counts its connections, which
// is a second look from outside.
package leakcheck
