// Package apitest helps to test code that uses package api: it proves that nothing leaks.
//
// A Session that a test forgot is found by no search for goroutines, since an idle one has
// none; nor are a lease, or a connection that was kept. Check finds them:
//
//	func TestPrices(t *testing.T) {
//		apitest.Check(t) // at the end of the test: nothing is open, no goroutine is left
//		…
//	}
//
// and Main finds, at the end of the process, what no Check was responsible for:
//
//	func TestMain(m *testing.M) { apitest.Main(m) }
//
// Both say for each thing what it is, the line that opened it, what it is doing, and what
// would have closed it. They work inside a testing/synctest bubble too.
//
// For servers without sockets see package conn/memory: its Network is a Driver for
// api.Config and listens for net/http's server, with latency and faults.
//
// What is not used costs nothing: outside of a Check and of Main a Session is noted
// nowhere.
package apitest
