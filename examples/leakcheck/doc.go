// Package leakcheck shows how to test code that uses troupe for leaks. prices.go is
// the code under test: a client that owns a Session. The tests are what to copy.
//
//	go test -v ./examples/leakcheck            all is well
//	go test ./examples/leakcheck -forget       the same tests without Close: see them fail
//
// Two things are looked at when a test ends, because each sees what the other
// does not:
//
//   - goleak, in TestMain and at the end of each test, finds goroutines: a call that
//     nobody waits for any more stands in one. A Session that idles has none, as
//     its actors run on the goroutines of its callers, so goleak alone does not see
//     one that was forgotten.
//   - the test's server counts its connections, and Session.Snapshot lists them from
//     the inside: a forgotten Session keeps its sockets open until IdleTimeout.
//
// The server is to be closed too, after the Session and before goleak looks: its
// goroutines are in the same process. forgotten_test.go makes both kinds of leak, shows who
// sees which, and that Close leaves nothing of either.
//
// goleak looks at the whole process, so such tests don't run in parallel.
package leakcheck
